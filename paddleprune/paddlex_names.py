"""What PaddleX 1.x called things: arguments of transforms and of train(), networks that other packages have.

Scripts of its pruning tutorials run with `import paddleprune as pdx`; what they name otherwise is translated here, and what
has no counterpart is named in one line.
"""

import logging
from collections.abc import Mapping
from typing import Any

from .errors import UserError
from .lookup import suggest

log = logging.getLogger(__name__)

# PaddleX's transform -> ours, its arguments -> ours; None: it has no effect here, which is said.
SIZES = {"crop_size": "size", "short_size": "size", "target_size": "size", "max_size": None, "interp": None,
         "lower_scale": None, "lower_ratio": None, "upper_ratio": None}  # fmt: skip
DISTORT = {f"{what}_range": what for what in ("brightness", "contrast", "saturation")} | dict.fromkeys(
    ("hue_range", "hue_prob", "brightness_prob", "contrast_prob", "saturation_prob")
)
TRANSFORMS: Mapping[str, tuple[str, Mapping[str, str | None]]] = {
    "RandomCrop": ("RandomCrop", SIZES),
    "CenterCrop": ("CenterCrop", SIZES),
    "ResizeByShort": ("ResizeByShort", SIZES),
    "Resize": ("Resize", SIZES),
    "RandomPaddingCrop": (
        "RandomPaddingCrop",
        {**SIZES, "im_padding_value": None, "label_padding_value": None},
    ),
    "ResizeStepScaling": (
        "ResizeStepScaling",
        {"min_scale_factor": "min_scale", "max_scale_factor": "max_scale", "scale_step_size": "step"},
    ),
    "RandomDistort": ("RandomDistort", DISTORT),
    "MixupImage": ("Mixup", {"mixup_epoch": None}),
    "RandomExpand": ("RandomExpand", {"ratio": "upper_ratio", "fill_value": None}),
    "ResizeByLong": ("Resize", {"long_size": "size"}),
}
# Its detector's RandomCrop cuts around boxes.
OF_BOXES = {"RandomCrop": ("RandomBoxCrop", dict.fromkeys(
    ("aspect_ratio", "thresholds", "scaling", "num_attempts", "allow_no_crop", "cover_all_box")))}  # fmt: skip
# Networks by its names, of packages that have them.
# Names with _ssld are of weights that a teacher made, of the same networks.
_VISION = {
    **{f"ResNet{depth}": f"resnet{depth}" for depth in (18, 34, 50, 101)},
    **{f"DenseNet{depth}": f"densenet{depth}" for depth in (121, 161, 201)},
    **{f"MobileNetV3_{size}{taught}": f"mobilenet_v3_{size}" for size in ("small", "large") for taught in ("", "_ssld")},
    "ShuffleNetV2": "shufflenet_v2_x1_0",
    "AlexNet": "alexnet",
}  # fmt: skip
_BACKBONES = {
    "DarkNet53": "darknet53",
    **{f"Xception{depth}": {"name": f"paddleseg.Xception{depth}_deeplab", "output_stride": 32} for depth in (41, 65)},
    **{f"ResNet{depth}_vd{taught}": {"name": f"paddleseg.ResNet{depth}_vd", "output_stride": 32}
       for depth in (50, 101) for taught in ("", "_ssld")},
    "HRNet_W18": {"name": "paddleseg.HRNet_W18"},
}  # fmt: skip
CLASSIFIERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    **{name: (f"paddle.vision.{found}", {}) for name, found in _VISION.items()},
    **{name: ("classifier", {"backbone": backbone}) for name, backbone in _BACKBONES.items()},
}
SEGMENTERS = {
    "DeepLabv3p": ("paddleseg.DeepLabV3P", {"backbone": {"name": "paddleseg.ResNet50_vd"}}),
    "HRNet": ("paddleseg.FCN", {"backbone": {"name": "paddleseg.HRNet_W18"}, "backbone_indices": [-1]}),
    "FastSCNN": ("paddleseg.FastSCNN", {}),
}
BACKBONES = {"MobileNetV1": "mobilenet_v1", "MobileNetV2": "mobilenet_v2", "MobileNetV3_large": "mobilenet_v3_large",
             "MobileNetV3_small": "mobilenet_v3_small", "ResNet18": "resnet18", "ResNet34": "resnet34",
             "DarkNet53": "darknet53"}  # of YOLOv3  # fmt: skip
MISSING = {
    "FasterRCNN": "it could be pruned in PaddleX 1.3, here it cannot be trained",
    "MaskRCNN": "PaddleX could not prune it either",
    "PPYOLO": "PaddleX could not prune it either",
}  # fmt: skip


def transform(name: str, arguments: Mapping[str, Any], boxes: bool = False) -> tuple[str, dict[str, Any]]:
    """Our name and arguments of a transform that PaddleX's name and arguments describe."""
    known = OF_BOXES if boxes and name in OF_BOXES else TRANSFORMS
    ours, names = known.get(name, (name, {}))
    for key in arguments:
        if names.get(key, key) is None:
            log.warning("transforms.%s: %s has no effect here", name, key)
    if name == "ResizeByLong" and arguments:
        log.warning("transforms.ResizeByLong: pictures become a square here, their shape is not kept")
    given = {names.get(key, key): value for key, value in arguments.items()}
    return ours, {key: value for key, value in given.items() if key is not None}


def train_options(given: Mapping[str, Any], steps_per_epoch: int) -> dict[str, Any]:
    """PaddleX's arguments of train() among `given` -> keys of the config's `train`; the others as they are."""
    options, rest = {}, dict(given)
    for theirs, ours in (("save_interval_epochs", "eval_every"), ("log_interval_steps", "log_every")):
        if theirs in rest:
            options[ours] = rest.pop(theirs)
    if "lr_decay_epochs" in rest:
        options |= {"schedule": "step", "step_epochs": list(rest.pop("lr_decay_epochs"))}
    if rest.pop("lr_decay_gamma", 0.1) != 0.1:
        raise UserError("lr_decay_gamma: steps of the learning rate are to a tenth here; leave it out")
    if "warmup_steps" in rest:
        options["warmup_epochs"] = rest.pop("warmup_steps") / max(1, steps_per_epoch)
    rest.pop("use_vdl", None)  # its log is always written
    for nothing in ("warmup_start_lr", "metric"):
        if rest.pop(nothing, None) is not None:
            log.warning("train: %s has no effect here", nothing)
    return {**options, **rest}


def network_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a network, with our name of the backbone for PaddleX's."""
    backbone = given.get("backbone")
    if not isinstance(backbone, str) or backbone in BACKBONES.values():
        return dict(given)
    if backbone not in BACKBONES:
        raise UserError(f"backbone: '{backbone}' is not known; {suggest(backbone, BACKBONES)}")
    return {**given, "backbone": BACKBONES[backbone]}


def missing(name: str, there: Mapping[str, Any]) -> str:
    """Why PaddleX's network `name` is not here, or what was meant."""
    if name in MISSING:
        return f"'{name}' is not here: {MISSING[name]}"
    return f"'{name}' is not known; {suggest(name, there)}"
