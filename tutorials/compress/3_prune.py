"""Step 3: prune within a budget, retrain, export for a phone, try it on a picture.

python 3_prune.py --task classification --data DIR [--sensitivities_file DEFAULT] [--eval_metric_loss 0.1]
"""

from pathlib import Path

from common import TASKS, options, train

if __name__ == "__main__":
    given = options(1)
    model = train(
        given,
        1,
        f"{given.save}/pruned",
        pretrain_weights=f"{given.save}/dense/best_model",
        sensitivities_file=given.sensitivities_file,
        eval_metric_loss=given.eval_metric_loss,
    )
    manifest = model.export(f"{given.save}/{given.export}", format=given.export)
    print(f"{', '.join(manifest['files'])} in {given.save}/{given.export}")
    picture = Path(given.data, Path(given.data, "val_list.txt").read_text().split()[0])
    print(picture.name, TASKS[given.task]["shown"](model.predict(picture)))
