"""What the three scripts share: options, and the two splits of the data."""

import argparse
import importlib.util

import paddleprune as pp

SAVE = "output/tutorial_matting"


def options(epochs: int = 0) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="data/sample_matting", help="folder with lines `image alpha`")
    parser.add_argument("--size", type=int, default=64, help="side of the network's input in pixels")
    parser.add_argument("--scale", type=float, default=0.35, help="width of the backbone")
    parser.add_argument("--width", type=int, default=16, help="width of what is behind it")
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--pretrain_weights", help="first weights of step 1: IMAGENET or a .pdparams file")
    parser.add_argument(
        "--sensitivities_file", default=f"{SAVE}/sensitivities.json", help="a file, or DEFAULT"
    )
    parser.add_argument("--eval_metric_loss", type=float, default=0.1)
    form = "lite" if importlib.util.find_spec("paddlelite") else "inference"
    parser.add_argument("--export", default=form, help="lite or inference")
    return parser.parse_args()


def datasets(folder: str, size: int) -> tuple[pp.datasets.MattingDataset, pp.datasets.MattingDataset]:
    normalize = pp.transforms.Normalize()  # as ImageNet weights want it
    train_transforms = pp.transforms.Compose(
        [
            pp.transforms.RandomPaddingCrop(size=size),
            pp.transforms.RandomDistort(),
            pp.transforms.Trimap(width=max(1, size // 20)),
            normalize,
        ]
    )
    eval_transforms = pp.transforms.Compose([pp.transforms.Resize(size=size), normalize])
    train = pp.datasets.MattingDataset(folder, "train_list.txt", train_transforms)
    val = pp.datasets.MattingDataset(folder, "val_list.txt", eval_transforms)
    return train, val
