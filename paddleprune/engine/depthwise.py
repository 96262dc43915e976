"""Depthwise convolutions, trained faster on CPUs.

Paddle's CPU kernel of their backward pass goes from channel to channel and picture to picture with one
thread; of the many channels of small maps at the end of a MobileNet that is most of a training step. There
the same sums as one batched matrix product take a fraction of that (`benchmarks/training_step.py`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import paddle
import paddle.nn.functional as F
from paddle import nn

MOST = 150  # positions of an output map; of larger ones Paddle's kernel is as fast


@contextmanager
def fast_depthwise(network: nn.Layer) -> Iterator[None]:
    """Inside the block depthwise convolutions in training mode compute small maps the faster way. Their
    outputs and gradients are those of `nn.Conv2D` but for the rounding of sums."""
    layers = [layer for layer in network.sublayers(include_self=True) if _fits(layer)]
    if not paddle.device.get_device().startswith("cpu"):
        layers = []
    for layer in layers:
        layer.forward = partial(_forward, layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _fits(layer: nn.Layer) -> bool:
    if type(layer) is not nn.Conv2D or "forward" in vars(layer):
        return False
    plain = layer._padding_mode == "zeros" and layer._data_format == "NCHW"
    depthwise = layer._groups == layer._in_channels == layer._out_channels > 1
    padding = layer._padding
    sides = isinstance(padding, int) or (
        isinstance(padding, (list, tuple)) and len(padding) == 2 and all(isinstance(n, int) for n in padding)
    )
    return plain and depthwise and sides


def _forward(layer: nn.Conv2D, x: paddle.Tensor) -> paddle.Tensor:
    """[N, C, H, W] -> [N, C, H', W'], as the layer's own forward."""
    kernel, stride, dilation = layer._kernel_size, layer._stride, layer._dilation
    padding = [layer._padding] * 2 if isinstance(layer._padding, int) else list(layer._padding)
    images, channels = x.shape[:2]
    height, width = (
        (size + 2 * p - d * (k - 1) - 1) // s + 1
        for size, p, d, k, s in zip(x.shape[2:], padding, dilation, kernel, stride, strict=True)
    )
    if not layer.training or not 0 < height * width <= MOST:
        return nn.Conv2D.forward(layer, x)
    columns = F.unfold(x, list(kernel), strides=list(stride), paddings=padding, dilations=list(dilation))
    columns = columns.reshape([images, channels, kernel[0] * kernel[1], height * width])
    out = paddle.matmul(layer.weight.reshape([1, channels, 1, -1]), columns)
    out = out.reshape([images, channels, height, width])
    return out if layer.bias is None else out + layer.bias.reshape([1, channels, 1, 1])
