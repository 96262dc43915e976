"""What is known of an architecture besides its layers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paddle import nn

from ._head import Head


@dataclass(frozen=True)
class Card:
    """`CARD` of a file in this folder. `build(**args)` makes the dense network."""

    build: Callable[..., nn.Layer]
    heads: Mapping[str, type[Head]]  # by task; mostly one
    face: str = ""  # its name in scripts, as pp.cls.MobileNetV2
    # A small one, for tests and examples: arguments of build() and the input, [C, H, W].
    args: dict = field(default_factory=dict)
    image_shape: tuple[int, int, int] = (3, 32, 32)
    imagenet: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # scale -> (address, md5)
    # Where ImageNet weights are those of a classifier: what stands before their names here, and the name and
    # arguments of that classifier, by the arguments of build().
    backbone: str = ""
    classifier: Callable[[dict], tuple[str, dict]] | None = None
    # Other files of weights that it can take: ending -> (path, network) -> arrays by name.
    reads: Mapping[str, Callable[[Path, nn.Layer], dict[str, Any]]] = field(default_factory=dict)
    # Layers, by name, whose maps a teacher's are compared with, the deepest last; and the batch norms before them.
    levels: tuple[str, ...] = ()
    norms: tuple[str, ...] = ()
    # For prune.scope: parts, each as beginnings of its layers' names.
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # For prune.residuals=untied: network, threshold, ratio, keep_backbone -> what build() takes as `widths`.
    untied: Callable[[nn.Layer, float, float, bool], Any] | None = None
