"""UNet (Ronneberger et al. 2015, arXiv 1505.04597), PaddleSeg's implementation."""

import itertools
from typing import Any

from paddle import nn

from ..errors import UserError
from ._card import Card
from ._logits import INSTALL, Pixels

WIDTHS = (64, 128, 256, 512, 512)  # of the encoder's levels, from full resolution to 1/16


def build(num_classes: int, scale: float = 1.0) -> nn.Layer:
    """Input [N, 3, H, W], H and W multiples of 16 -> logits [N, num_classes, H, W]. `scale` multiplies
    every width. Weights are named as PaddleSeg's; its second name of the head, `conv`, is left out.
    """
    if scale <= 0:
        raise ValueError(f"scale {scale} must be above 0")
    try:
        from paddleseg.models.layers import ConvBNReLU
        from paddleseg.models.unet import UNet, UpSampling
    except ImportError as error:
        raise UserError(
            f"unet: PaddleSeg cannot be imported ({error}); install it with: {INSTALL}"
        ) from error
    network = UNet(num_classes)
    del network._sub_layers["conv"]  # the same layer as `cls`
    if scale != 1:
        _rescale(network, num_classes, scale, ConvBNReLU, UpSampling)
    return network


def _rescale(network: Any, num_classes: int, scale: float, conv: Any, up: Any) -> None:
    """Put narrower layers of the same kind under the same names; PaddleSeg's widths are fixed."""
    widths = [max(8, round(w * scale / 8) * 8) for w in WIDTHS]
    full, encode, decode = widths[0], network.encode, network.decode
    encode.double_conv = nn.Sequential(conv(3, full, 3), conv(full, full, 3))
    for i, (before, after) in enumerate(itertools.pairwise(widths)):
        encode.down_sample_list[i] = encode.down_sampling(before, after)
    skips, ends = widths[-2::-1], [*widths[-3::-1], full]
    for i, (before, after) in enumerate(zip(skips, ends, strict=True)):
        decode.up_sample_list[i] = up(before, after, False)
    network.cls = nn.Conv2D(full, num_classes, 3, padding=1)


CARD = Card(build, {"segmentation": Pixels}, face="UNet", args={"num_classes": 3, "scale": 0.125})
