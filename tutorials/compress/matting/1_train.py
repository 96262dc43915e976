"""Step 1: train a MODNet on pictures and alphas.

python 1_train.py --data DIR [--epochs 4]
"""

from common import SAVE, datasets, options

import paddleprune as pp

if __name__ == "__main__":
    given = options(epochs=4)
    train_dataset, eval_dataset = datasets(given.data, given.size)
    model = pp.matting.MODNet(scale=given.scale, width=given.width)
    metrics = model.train(
        num_epochs=given.epochs,
        train_dataset=train_dataset,
        eval_dataset=eval_dataset,
        train_batch_size=8,
        optimizer="adamw",
        learning_rate=0.003,
        pretrain_weights=given.pretrain_weights,
        save_dir=f"{SAVE}/dense",
    )
    print(f"MSE {metrics['value']:.5f}, {metrics['size_bytes'] / 1e6:.2f} MB, in {SAVE}/dense/best_model")
