"""What the three scripts share: options, and the two splits of the data."""

import argparse
import importlib.util
import json

import paddleprune as pp

SAVE = "output/tutorial_detection"
# of the sample data at 96 px, by tools/anchors.py
ANCHORS = [[14, 22], [12, 28], [17, 25], [20, 30], [23, 33], [23, 38], [27, 37], [28, 41], [32, 43]]


def options(epochs: int = 0) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="data/sample_detection", help="folder with lines `image xml`")
    parser.add_argument("--size", type=int, default=96, help="side of the network's input in pixels")
    parser.add_argument("--scale", type=float, default=0.25, help="width of the backbone")
    parser.add_argument("--width", type=float, default=0.125, help="width of what is behind it")
    parser.add_argument("--anchors", type=json.loads, help="[[width, height], ...] of tools/anchors.py")
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--pretrain_weights", help="first weights of step 1: IMAGENET or a .pdparams file")
    parser.add_argument(
        "--sensitivities_file", default=f"{SAVE}/sensitivities.json", help="a file, or DEFAULT"
    )
    parser.add_argument("--eval_metric_loss", type=float, default=0.1)
    form = "lite" if importlib.util.find_spec("paddlelite") else "inference"
    parser.add_argument("--export", default=form, help="lite or inference")
    return parser.parse_args()


def datasets(folder: str, size: int) -> tuple[pp.datasets.VOCDetection, pp.datasets.VOCDetection]:
    resize, normalize = pp.transforms.Resize(size=size), pp.transforms.Normalize()
    train_transforms = pp.transforms.Compose([pp.transforms.RandomDistort(), resize, normalize])
    eval_transforms = pp.transforms.Compose([resize, normalize])
    train = pp.datasets.VOCDetection(folder, "train_list.txt", "labels.txt", train_transforms)
    val = pp.datasets.VOCDetection(folder, "val_list.txt", "labels.txt", eval_transforms)
    return train, val


def network(given: argparse.Namespace, classes: int) -> pp.det.YOLOv3:
    anchors = given.anchors or ANCHORS
    return pp.det.YOLOv3(num_classes=classes, anchors=anchors, scale=given.scale, width=given.width)
