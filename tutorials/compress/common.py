"""What the three scripts share: options, the two splits of the data, and the network, by task."""

import argparse
import importlib.util
import json
from typing import Any

import paddleprune as pp

T, D = pp.transforms, pp.datasets
# task -> options' defaults; what a training takes; name of the metric; what to show of a prediction
TASKS: dict[str, dict[str, Any]] = {
    "classification": {
        "defaults": {"size": 48, "scale": 0.35, "epochs": (10, 4)},
        "training": {"batch": 16, "learning_rates": (0.004, 0.002)},
        "metric": "top-1",
        "shown": lambda found: found["top"][0],
    },
    "segmentation": {
        "defaults": {"size": 64, "scale": 0.125, "epochs": (4, 3)},
        "training": {"batch": 8, "learning_rates": (0.004, 0.002)},
        "metric": "mIoU",
        "shown": lambda found: found["classes"],
    },
    "matting": {
        "defaults": {"size": 64, "scale": 0.35, "width": 16, "epochs": (4, 3)},
        "training": {"batch": 8, "learning_rates": (0.003, 0.002)},
        "metric": "MSE",
        "shown": lambda found: f"{found['share']:.0%} of the picture is foreground",
    },
    "detection": {
        "defaults": {"size": 96, "scale": 0.25, "width": 0.125, "epochs": (12, 8)},
        "training": {"batch": 16, "learning_rates": (0.006, 0.003), "clip_norm": 10.0},
        "metric": "mAP",
        "shown": lambda found: found["boxes"],
    },
}
# of the sample data at 96 px, by tools/anchors.py
ANCHORS = [[14, 22], [12, 28], [17, 25], [20, 30], [23, 33], [23, 38], [27, 37], [28, 41], [32, 43]]


def options(step: int) -> argparse.Namespace:
    """Of step 0 (train), 1 (prune and retrain) or any other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--task", choices=TASKS, default="classification")
    parser.add_argument("--data", help="folder with the lists; the sample data's if left out")
    parser.add_argument("--size", type=int, help="side of the network's input in pixels")
    parser.add_argument("--scale", type=float, help="width of the network, or of its backbone")
    parser.add_argument("--width", type=float, help="width of what is behind the backbone")
    parser.add_argument(
        "--anchors", type=json.loads, default=ANCHORS, help="[[width, height], ...], detection"
    )
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--pretrain_weights", help="first weights of step 1: IMAGENET or a .pdparams file")
    parser.add_argument("--ratios", type=float, nargs="+", help="of step 2; 0.1 to 0.9 if left out")
    parser.add_argument("--sensitivities_file", help="that of step 2 if left out; or DEFAULT")
    parser.add_argument("--eval_metric_loss", type=float, default=0.1)
    form = "lite" if importlib.util.find_spec("paddlelite") else "inference"
    parser.add_argument("--export", default=form, help="lite or inference")
    given = parser.parse_args()
    for name, value in TASKS[given.task]["defaults"].items():
        if getattr(given, name) is None:
            setattr(given, name, value[step] if name == "epochs" else value)
    given.data = given.data or f"data/sample_{given.task}"
    given.save = f"output/tutorial_{given.task}"
    given.sensitivities_file = given.sensitivities_file or f"{given.save}/sensitivities.json"
    return given


def datasets(given: argparse.Namespace) -> tuple[Any, Any]:
    """The training and the validation pictures, with their transforms."""
    size, task = given.size, given.task
    half = {"mean": [0.5] * 3, "std": [0.5] * 3} if task == "segmentation" else {}
    normalize, resize = T.Normalize(**half), T.Resize(size=size)
    crop, distort = T.RandomPaddingCrop(size=size), T.RandomDistort()
    training, evaluation = {
        "classification": (
            [T.RandomCrop(size=size, scale=[0.85, 1.0]), normalize],
            [T.ResizeByShort(size=size), T.CenterCrop(size=size), normalize],
        ),
        "segmentation": ([crop, distort, normalize], [resize, normalize]),
        "matting": ([crop, distort, T.Trimap(width=max(1, size // 20)), normalize], [resize, normalize]),
        "detection": ([distort, resize, normalize], [resize, normalize]),
    }[task]
    labels = [] if task == "matting" else ["labels.txt"]
    kind = {
        "classification": D.ImageNet, "segmentation": D.SegDataset, "matting": D.MattingDataset,
        "detection": D.VOCDetection,
    }[task]  # fmt: skip
    return (
        kind(given.data, "train_list.txt", *labels, T.Compose(training)),
        kind(given.data, "val_list.txt", *labels, T.Compose(evaluation)),
    )


def network(given: argparse.Namespace, dataset: Any) -> Any:
    """The dense model for the data's classes."""
    if given.task == "matting":
        return pp.matting.MODNet(scale=given.scale, width=int(given.width))
    classes = len(dataset.labels)
    if given.task == "detection":
        return pp.det.YOLOv3(num_classes=classes, anchors=given.anchors, scale=given.scale, width=given.width)
    face = pp.cls.MobileNetV2 if given.task == "classification" else pp.seg.UNet
    return face(num_classes=classes, scale=given.scale)


def train(given: argparse.Namespace, step: int, save_dir: str, **more: Any) -> Any:
    """Train, and say how good the network is; the model."""
    training, evaluation = datasets(given)
    how = dict(TASKS[given.task]["training"])
    rates, batch = how.pop("learning_rates"), how.pop("batch")
    model = network(given, training)
    metrics = model.train(
        num_epochs=given.epochs, train_dataset=training, eval_dataset=evaluation, train_batch_size=batch,
        optimizer="adamw", learning_rate=rates[step], save_dir=save_dir, **how, **more,
    )  # fmt: skip
    size = f"{metrics['size_bytes'] / 1e6:.2f} MB"
    print(f"{TASKS[given.task]['metric']} {metrics['value']:.5f}, {size}, in {save_dir}/best_model")
    return model
