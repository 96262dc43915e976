"""Networks that are no file of this package, by name.

paddle.vision.resnet18       of paddle.vision.models
paddleseg.PPLiteSeg          of paddleseg.models; {name: paddleseg.STDC1} among the arguments is built, too
my_package.my_module:build   a function or a Layer's class of your own
my_package.my_module:CARD    a paddleprune.models.Card of your own, with a head of its own: any task
"""

import importlib
import importlib.util
import inspect
import os
import sys
import sysconfig
from pathlib import Path
from typing import Any

from paddle import nn

from ..errors import UserError
from ..lookup import construct, suggest
from ._card import Card
from ._logits import INSTALL, Pictures, Pixels

# What the tasks ask of a network: logits [N, classes], or [N, classes, H, W], perhaps in a list with helpers.
HEADS = {"classification": Pictures, "segmentation": Pixels}
LIBRARIES = {"paddle.vision": "paddle.vision.models", "paddleseg": "paddleseg.models"}


def is_own(name: Any) -> bool:
    """Is it the name of such a network?"""
    return isinstance(name, str) and ("." in name or ":" in name)


def card(name: str) -> Card:
    """The user's own card, or one that says what the tasks ask of a network of logits."""
    found = None if name.rpartition(".")[0] in LIBRARIES else _find(name)
    return found if isinstance(found, Card) else Card(lambda **args: build(name, args), HEADS)


def build(name: str, args: dict) -> nn.Layer:
    """The network `name(**args)`. Raises UserError for a name or an argument that is unknown, and for what is no
    network; what is installed is called by no name in a file, but for the two libraries."""
    found = _find(name)
    function = found.build if isinstance(found, Card) else found
    network = construct(function, {k: _built(v) for k, v in args.items()}, f"model.args of {name}")
    if not isinstance(network, nn.Layer):
        raise UserError(f"model.name: {name} made a {type(network).__name__}, not a paddle.nn.Layer")
    return network


def imagenet(name: str) -> dict[str, tuple[str, str]]:
    """(address, md5) of the library's own ImageNet weights, by scale, which is 1."""
    if name.rpartition(".")[0] != "paddle.vision":
        return {}
    function = _find(name)
    urls = getattr(sys.modules[function.__module__], "model_urls", {})
    return {"1.0": urls[function.__name__]} if function.__name__ in urls else {}


def _built(value: Any) -> Any:
    if isinstance(value, dict) and is_own(value.get("name")):
        return build(value["name"], {k: v for k, v in value.items() if k != "name"})
    return value


def _find(name: str) -> Any:
    path, _, function = name.rpartition(":" if ":" in name else ".")
    if ":" not in name:
        if path not in LIBRARIES:
            valid = "paddle.vision.NAME, paddleseg.NAME, or your.module:function"
            raise UserError(f"model.name: '{name[:80]}' is not known; valid: {valid}")
        path = LIBRARIES[path]
    module = _module(path, name)
    found = getattr(module, function, None)
    if not _makes_networks(module, function, found):
        valid = [n for n, value in vars(module).items() if _makes_networks(module, n, value)]
        raise UserError(f"model.name: '{path}' has no network '{function[:80]}'; {suggest(function, valid)}")
    return found


def _makes_networks(module: Any, name: str, value: Any) -> bool:
    """Is it a Layer's class, a card, or a function of the module's own package? What the module imported from others
    is not for a file to call."""
    if isinstance(value, Card):
        return True
    if inspect.isclass(value):
        return issubclass(value, nn.Layer)
    package = module.__name__.split(".")[0]
    return inspect.isfunction(value) and value.__module__.split(".")[0] == package and name[0] != "_"


def _module(path: str, name: str) -> Any:
    if not all(part.isidentifier() for part in path.split(".")):
        raise UserError(
            f"model.name: '{name[:80]}' is no name of a network; as in my_package.my_module:build"
        )
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    if path not in LIBRARIES.values() and _is_installed(path.split(".")[0]):
        raise UserError(
            f"model.name: '{name[:80]}' is of an installed package, of which a file must not call what it likes; "
            "give a module of yours that makes the network"
        )
    try:
        return importlib.import_module(path)
    except ImportError as error:
        advice = f"install it with: {INSTALL}" if path.startswith("paddleseg") else (
            "run where the module is, or put its folder into PYTHONPATH"
        )  # fmt: skip
        raise UserError(f"model.name: '{path}' cannot be imported ({error}); {advice}") from error
    except Exception as error:  # whatever a user's module does when it is imported
        raise UserError(f"model.name: '{path}' fails when it is imported: {error!r}") from error


def _is_installed(first: str) -> bool:
    """Does a module come with Python, or with one of its packages? A downloaded model names what is called."""
    if first in sys.stdlib_module_names or first in sys.builtin_module_names:
        return True
    spec = importlib.util.find_spec(first)
    origin = Path(spec.origin) if spec is not None and spec.origin else None
    installed = [Path(sysconfig.get_path(which)) for which in ("purelib", "platlib")]
    return origin is not None and any(origin.is_relative_to(folder) for folder in installed)
