"""Step 1: train a YOLOv3 on pictures and boxes.

python 1_train.py --data DIR [--epochs 12]
"""

from common import SAVE, datasets, network, options

if __name__ == "__main__":
    given = options(epochs=12)
    train_dataset, eval_dataset = datasets(given.data, given.size)
    model = network(given, len(train_dataset.labels))
    metrics = model.train(
        num_epochs=given.epochs,
        train_dataset=train_dataset,
        eval_dataset=eval_dataset,
        train_batch_size=16,
        optimizer="adamw",
        learning_rate=0.006,
        clip_norm=10.0,
        pretrain_weights=given.pretrain_weights,
        save_dir=f"{SAVE}/dense",
    )
    print(f"mAP {metrics['value']:.4f}, {metrics['size_bytes'] / 1e6:.2f} MB, in {SAVE}/dense/best_model")
