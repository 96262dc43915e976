"""Step 1: train a network on pictures.

python 1_train.py --task classification --data DIR [--epochs 10] [--pretrain_weights IMAGENET]
"""

from common import options, train

if __name__ == "__main__":
    given = options(0)
    train(given, 0, f"{given.save}/dense", pretrain_weights=given.pretrain_weights)
