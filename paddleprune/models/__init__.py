"""One file a model. Each has `build(**args) -> paddle.nn.Layer`, the `TASK` it is for, and an `EXAMPLE` for the tests.

`EXAMPLE = {"args": {...}, "image_shape": [C, H, W]}`: small arguments that the contract tests
build the model with. A new file here is found by its name: `model.name: foo` in a config. Networks of other
packages and of the user's own: own.py.
"""

import math
import sys
from pathlib import Path
from typing import Any

from paddle import nn
from paddle.utils.download import WEIGHTS_HOME, get_weights_path_from_url

from ..errors import UserError
from ..lookup import construct, find_module, module_names
from . import own

# What no network needs, and memory does not hold.
NARROWEST = 0.01
LARGEST = {"num_classes": 100_000, "scale": 16, "width": 512}


def names() -> list[str]:
    """The models that exist as files here."""
    return [name for name in module_names(sys.modules[__name__]) if name != "own"]


def build(name: str, args: dict) -> nn.Layer:
    """Build the dense model `name`. Raises UserError for a name or an argument that is unknown."""
    _check_args(name, args)
    if own.is_own(name):
        return own.build(name, args)
    module = _module(name)
    return construct(module.build, args, f"model.args of {name}")


def _check_args(name: str, args: dict) -> None:
    """Raises UserError for numbers that would make no network, or one that no memory holds."""
    for key, value in args.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        if (
            not math.isfinite(value)
            or value > LARGEST.get(key, math.inf)
            or (isinstance(value, float) and 0 < value < NARROWEST)
        ):
            valid = f"{NARROWEST} to {LARGEST[key]}" if key in LARGEST else "a finite number"
            raise UserError(f"model.args of {name}: {key} {value} is out of range; it must be {valid}")
    classes = args.get("num_classes", 1)
    if type(classes) is not int:
        raise UserError(
            f"model.args of {name}: num_classes {classes!r:.80} must be a whole number, 1 or more"
        )


def example(name: str) -> dict:
    """The model's EXAMPLE: {"args", "image_shape"}."""
    return _module(name).EXAMPLE


def is_for(name: str, task: str) -> bool:
    """Is the model for that task? A network of another package is for several."""
    return task in tasks_of(name)


def tasks_of(name: str) -> tuple[str, ...]:
    """The tasks that the model can be for."""
    return own.TASKS if own.is_own(name) else (_module(name).TASK,)


def _module(name: str) -> Any:
    return own if own.is_own(name) else find_module(sys.modules[__name__], name, "model.name", names())


def backbone_prefix(name: str) -> str:
    """What stands before the names of a classifier's weights where the model uses it as its backbone."""
    return getattr(_module(name), "BACKBONE", "")


def parts(name: str) -> dict[str, tuple[str, ...]]:
    """Parts of the model, each as beginnings of its layers' names; none if it names none."""
    return getattr(_module(name), "PARTS", {})


def imagenet_weights(name: str, args: dict) -> Path:
    """The file with the library's ImageNet weights for this architecture, downloaded if need be.

    Raises UserError where the model has none, or where they are neither cached nor reachable.
    """
    module = _module(name)
    if hasattr(module, "classifier"):  # the weights of its backbone's classifier
        return imagenet_weights(*module.classifier(args))
    known = getattr(module, "IMAGENET", {})
    key = f"{float(args.get('scale', 1.0))}"
    if own.is_own(name) and (address := own.imagenet_address(name)) is not None:
        known = {key: address}
    if key not in known:
        scales = ", ".join(known) or "none"
        raise UserError(
            f"IMAGENET: no weights for {name} at scale {key}; there are: {scales}; "
            "pass a file with --pretrain_weights PATH, or leave the option out"
        )
    url, md5 = known[key]
    cached = Path(WEIGHTS_HOME) / Path(url).name
    try:
        return Path(get_weights_path_from_url(url, md5))
    except Exception as error:  # the downloader raises bare RuntimeErrors of several kinds
        raise UserError(
            f"IMAGENET: cannot download the weights of {name} ({type(error).__name__}); get "
            f"{cached.name} (md5 {md5}) on another machine and put it at {cached}, "
            "or pass a file with --pretrain_weights PATH"
        ) from error
