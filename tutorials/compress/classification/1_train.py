"""Step 1: train a MobileNetV2 on a folder of pictures.

python 1_train.py --data DIR [--epochs 10]
"""

from common import SAVE, datasets, options

import paddleprune as pp

if __name__ == "__main__":
    given = options(epochs=10)
    train_dataset, eval_dataset = datasets(given.data, given.size)
    model = pp.cls.MobileNetV2(num_classes=len(train_dataset.labels), scale=given.scale)
    metrics = model.train(
        num_epochs=given.epochs,
        train_dataset=train_dataset,
        eval_dataset=eval_dataset,
        train_batch_size=16,
        optimizer="adamw",
        learning_rate=0.004,
        pretrain_weights=given.pretrain_weights,
        save_dir=f"{SAVE}/dense",
    )
    print(f"top-1 {metrics['value']:.4f}, {metrics['size_bytes'] / 1e6:.2f} MB, in {SAVE}/dense/best_model")
