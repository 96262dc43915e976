"""Widths that MODNet-ModelCompression gives a MODNet, block by block.

No plan makes such a network of the dense one: a block's shortcut is there where stride is 1 and its widths are equal AFTER
pruning, so shortcuts come and go, and hidden widths are whole multiples of the block's input. It is trained from random
weights, which their tables found the better way.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from paddle import nn
from paddle.vision.models import mobilenetv2
from paddle.vision.ops import ConvNormActivation

from ..pruning.adaptive import adaptive_count

STRIDES = (1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1)  # of the backbone's blocks
PUBLISHED = {  # their network of 1.34 M parameters
    "first": 8, "blocks": [8, 8, 16, 24, 16, 16, 48, 16, 16, 8, 32, 16, 32, 104, 32, 64, 232], "last": 584,
    "expansions": [1, 9, 14, 4, 7, 9, 3, 7, 19, 22, 24, 15, 30, 17, 7, 26, 15], "middle": 16, "low": 32, "width": 16,
}  # fmt: skip


def checked(widths: Any) -> Mapping[str, Any]:
    """Widths of all parts, by `PUBLISHED`'s names; "published" stands for those. Raises ValueError for others."""
    if widths == "published":
        return PUBLISHED
    if not isinstance(widths, Mapping) or set(widths) != set(PUBLISHED):
        raise ValueError(
            f"widths {str(widths)[:60]!r} must be 'published', or a mapping of {', '.join(PUBLISHED)}"
        )
    for name, like in PUBLISHED.items():
        given = widths[name] if isinstance(like, list) else [widths[name]]
        count = len(like) if isinstance(like, list) else 1
        good = isinstance(given, list) and len(given) == count
        if not good or not all(type(n) is int and 0 < n <= 8192 for n in given):
            raise ValueError(
                f"widths: {name}: {str(given)[:60]} must be {count} whole numbers above 0, up to 8192"
            )
    if widths["width"] % 2:
        raise ValueError(f"widths: width: {widths['width']} must be even")
    return widths


def backbone(widths: Mapping[str, Any]) -> nn.Layer:
    """A MobileNetV2 of these widths."""
    network = mobilenetv2.mobilenet_v2(num_classes=0, with_pool=False)
    before = widths["first"]
    layers = [ConvNormActivation(3, before, stride=2, activation_layer=nn.ReLU6)]
    for after, stride, expansion in zip(widths["blocks"], STRIDES, widths["expansions"], strict=True):
        layers.append(mobilenetv2.InvertedResidual(before, after, stride, expansion))
        before = after
    last = ConvNormActivation(before, widths["last"], kernel_size=1, activation_layer=nn.ReLU6)
    network.features = nn.Sequential(*layers, last)
    return network


def untied(network: nn.Layer, threshold: float, ratio: float, keep_backbone: bool = False) -> dict[str, Any]:
    """The widths by their rule, layer by layer (main_prune.py): the backbone and the convolution at 1/16 by their filters'
    norms, the high-resolution and the fusion branch by the ratio, the rest whole."""

    def count(convolution: nn.Layer, whole: bool = keep_backbone) -> int:
        weight = convolution.weight.numpy()
        norms = np.abs(weight.reshape(len(weight), -1)).sum(1)
        return len(norms) if whole else adaptive_count(norms, threshold)

    first, *blocks, last = network.backbone.features
    before = count(first[0])
    found: dict[str, Any] = {"first": before, "blocks": [], "expansions": []}
    for block in blocks:
        inner, project = (
            [part[0] for part in block.conv if isinstance(part, ConvNormActivation)],
            block.conv[-2],
        )
        hidden = max(count(convolution) for convolution in inner)
        # The first block does not expand, and its depthwise convolution goes with the layer before it.
        found["expansions"].append(1 if len(inner) == 1 else max(1, hidden // before))
        before = count(project)
        found["blocks"].append(before)
    low, width = (branch[0].weight.shape[0] for branch in (network.low.at8, network.high.from2))
    found |= {"last": count(last[0]), "middle": count(network.low.at16[0], whole=False), "low": low}
    return {**found, "width": max(2, int((1 - ratio) * width) // 2 * 2)}
