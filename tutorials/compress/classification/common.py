"""What the three scripts share: options, and the two splits of the data."""

import argparse
import importlib.util

import paddleprune as pp

SAVE = "output/tutorial_classification"


def options(epochs: int = 0) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--data", default="data/sample_classification", help="folder in the ImageNet-list layout"
    )
    parser.add_argument("--size", type=int, default=48, help="side of the network's input in pixels")
    parser.add_argument("--scale", type=float, default=0.35, help="width of the network")
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--pretrain_weights", help="first weights of step 1: IMAGENET or a .pdparams file")
    parser.add_argument(
        "--sensitivities_file", default=f"{SAVE}/sensitivities.json", help="a file, or DEFAULT"
    )
    parser.add_argument("--eval_metric_loss", type=float, default=0.1)
    form = "lite" if importlib.util.find_spec("paddlelite") else "inference"
    parser.add_argument("--export", default=form, help="lite or inference")
    return parser.parse_args()


def datasets(folder: str, size: int) -> tuple[pp.datasets.ImageNet, pp.datasets.ImageNet]:
    train_transforms = pp.transforms.Compose(
        [pp.transforms.RandomCrop(size=size, scale=[0.85, 1.0]), pp.transforms.Normalize()]
    )
    eval_transforms = pp.transforms.Compose(
        [
            pp.transforms.ResizeByShort(size=size),
            pp.transforms.CenterCrop(size=size),
            pp.transforms.Normalize(),
        ]
    )
    train = pp.datasets.ImageNet(folder, "train_list.txt", "labels.txt", train_transforms)
    val = pp.datasets.ImageNet(folder, "val_list.txt", "labels.txt", eval_transforms)
    return train, val
