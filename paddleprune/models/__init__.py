"""One file an architecture. Each has a `CARD` (_card.py): how it is built, its head by task, a small example.

A new file here is found by its name: `model.name: foo` in a config. Networks of other packages and of the user's
own: own.py.
"""

import math
import sys
from pathlib import Path

from paddle import nn
from paddle.utils.download import WEIGHTS_HOME, get_weights_path_from_url

from ..errors import UserError
from ..lookup import construct, find_module, module_names
from . import own
from ._card import Card
from ._head import Head

__all__ = ["Card", "Head", "build", "card", "imagenet_weights", "names"]

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
    return construct(card(name).build, args, f"model.args of {name}")


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


def card(name: str) -> Card:
    """What is known of the model. Raises UserError for an unknown name."""
    if own.is_own(name):
        return own.card(name)
    return find_module(sys.modules[__name__], name, "model.name", names()).CARD


def imagenet_weights(name: str, args: dict) -> Path:
    """The file with the library's ImageNet weights for this architecture, downloaded if need be.

    Raises UserError where the model has none, or where they are neither cached nor reachable.
    """
    known, key = card(name), f"{float(args.get('scale', 1.0))}"
    if known.classifier is not None:  # the weights of its backbone's classifier
        return imagenet_weights(*known.classifier(args))
    addresses = own.imagenet(name) if own.is_own(name) else known.imagenet
    if not addresses:
        backbone = args.get("backbone", name)
        what = backbone.get("name") if isinstance(backbone, dict) else backbone
        raise UserError(
            f"IMAGENET: there are no weights for {what}; pass a file with --pretrain_weights PATH, or leave the option out"
        )
    if key not in addresses:
        scales = ", ".join(addresses)
        raise UserError(
            f"IMAGENET: no weights for {name} at scale {key}; there are: {scales}; "
            "pass a file with --pretrain_weights PATH, or leave the option out"
        )
    url, md5 = addresses[key]
    cached = Path(WEIGHTS_HOME) / Path(url).name
    try:
        return Path(get_weights_path_from_url(url, md5))
    except Exception as error:  # the downloader raises bare RuntimeErrors of several kinds
        raise UserError(
            f"IMAGENET: cannot download the weights of {name} ({type(error).__name__}); get "
            f"{cached.name} (md5 {md5}) on another machine and put it at {cached}, "
            "or pass a file with --pretrain_weights PATH"
        ) from error
