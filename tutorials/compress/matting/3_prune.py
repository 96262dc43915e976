"""Step 3: prune within a budget, retrain, export for a phone, try it on a picture.

python 3_prune.py --data DIR [--epochs 3] [--sensitivities_file DEFAULT] [--eval_metric_loss 0.1]
"""

from pathlib import Path

from common import SAVE, datasets, options

import paddleprune as pp

if __name__ == "__main__":
    given = options(epochs=3)
    train_dataset, eval_dataset = datasets(given.data, given.size)
    model = pp.matting.MODNet(scale=given.scale, width=given.width)
    metrics = model.train(
        num_epochs=given.epochs,
        train_dataset=train_dataset,
        eval_dataset=eval_dataset,
        train_batch_size=8,
        optimizer="adamw",
        learning_rate=0.002,
        pretrain_weights=f"{SAVE}/dense/best_model",
        sensitivities_file=given.sensitivities_file,
        eval_metric_loss=given.eval_metric_loss,
        save_dir=f"{SAVE}/pruned",
    )
    print(f"MSE {metrics['value']:.5f}, {metrics['size_bytes'] / 1e6:.2f} MB, in {SAVE}/pruned/best_model")
    manifest = model.export(f"{SAVE}/{given.export}", format=given.export)
    print(f"{', '.join(manifest['files'])} in {SAVE}/{given.export}")
    picture = Path(given.data, Path(given.data, "val_list.txt").read_text().split()[0])
    print(picture.name, f"{model.predict(picture)['share']:.0%} of the picture is foreground")
