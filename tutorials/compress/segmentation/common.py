"""What the three scripts share: options, and the two splits of the data."""

import argparse
import importlib.util

import paddleprune as pp

SAVE = "output/tutorial_segmentation"


def options(epochs: int = 0) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="data/sample_segmentation", help="folder with lines `image mask`")
    parser.add_argument("--size", type=int, default=64, help="side of the network's input in pixels")
    parser.add_argument("--scale", type=float, default=0.125, help="width of the network")
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--pretrain_weights", help="first weights of step 1: IMAGENET or a .pdparams file")
    parser.add_argument(
        "--sensitivities_file", default=f"{SAVE}/sensitivities.json", help="a file, or DEFAULT"
    )
    parser.add_argument("--eval_metric_loss", type=float, default=0.1)
    form = "lite" if importlib.util.find_spec("paddlelite") else "inference"
    parser.add_argument("--export", default=form, help="lite or inference")
    return parser.parse_args()


def datasets(folder: str, size: int) -> tuple[pp.datasets.SegDataset, pp.datasets.SegDataset]:
    normalize = pp.transforms.Normalize(mean=[0.5] * 3, std=[0.5] * 3)
    train_transforms = pp.transforms.Compose(
        [pp.transforms.RandomPaddingCrop(size=size), pp.transforms.RandomDistort(), normalize]
    )
    eval_transforms = pp.transforms.Compose([pp.transforms.Resize(size=size), normalize])
    train = pp.datasets.SegDataset(folder, "train_list.txt", "labels.txt", train_transforms)
    val = pp.datasets.SegDataset(folder, "val_list.txt", "labels.txt", eval_transforms)
    return train, val
