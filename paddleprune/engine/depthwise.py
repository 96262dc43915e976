"""Depthwise convolutions, trained faster on CPUs.

Paddle's CPU kernels of them go from channel to channel and picture to picture with one thread; of the many
channels of small maps at the end of a MobileNet that is most of a training step. Here a kernel's place is one
product and one sum over whole maps, with pictures and channels together on the last axis.

Of large maps Paddle's kernel forward is fast, the one backward is not. There the gradient of the input is a
convolution forward, too, and each place's weight has one inner product per map, of rows that padding made one
vector (`benchmarks/training_step.py` has the times).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
import paddle
from paddle import nn
from paddle.autograd import PyLayer
from paddle.nn import functional as F

BLOCK = 1 << 17  # numbers of the input that are worked on at a time: they stay in a processor's cache
LARGE = (
    14 * 14
)  # numbers of a map from which on Paddle's kernel forward is the faster one, of 3x3 places or fewer


@contextmanager
def fast_depthwise(network: nn.Layer) -> Iterator[None]:
    """Inside the block depthwise convolutions in training mode compute the faster way. Their outputs and
    gradients are those of `nn.Conv2D` but for the rounding of sums."""
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
    paddings = [layer._padding] * 2 if isinstance(layer._padding, int) else layer._padding
    sides = zip(x.shape[2:], layer._kernel_size, layer._stride, paddings, layer._dilation, strict=True)
    rows, columns = (_along(*side) for side in sides)
    plain = x.dtype == layer.weight.dtype == paddle.float32
    if not (layer.training and plain and rows.size > 0 and columns.size > 0):
        return nn.Conv2D.forward(layer, x)
    if _is_large(layer, rows.size * columns.size, paddings):
        out = _Large.apply(x, layer.weight, paddings, layer._dilation)
    else:
        out = _Depthwise.apply(x, layer.weight, rows, columns)
    return out if layer.bias is None else out + layer.bias.reshape([1, -1, 1, 1])


def _is_large(layer: nn.Conv2D, numbers: int, paddings: Sequence[int]) -> bool:
    sides = zip(layer._kernel_size, layer._dilation, paddings, strict=True)
    turned = all(padding <= dilation * (kernel - 1) for kernel, dilation, padding in sides)
    return numbers >= LARGE and np.prod(layer._kernel_size) <= 9 and tuple(layer._stride) == (1, 1) and turned


class _Axis(NamedTuple):
    """One axis of an output map: its size, and per place of the kernel (where it writes, where it reads)."""

    size: int
    places: list[tuple[slice, slice]]


def _along(size: int, kernel: int, stride: int, padding: int, dilation: int) -> _Axis:
    out = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    places = []
    for place in range(kernel):
        shift = place * dilation - padding  # output o reads input o * stride + shift
        first = max(0, -(shift // stride))
        last = max(first, min(out, (size - 1 - shift) // stride + 1))
        start = first * stride + shift
        stop = max(start, start + (last - first - 1) * stride + 1)
        places.append((slice(first, last), slice(start, stop, stride)))
    return _Axis(out, places)


def _taps(rows: _Axis, columns: _Axis) -> Iterator[tuple[int, int, tuple, tuple]]:
    """Places of the kernel that touch the picture: row, column, where they write, where they read."""
    for i, (to_row, from_row) in enumerate(rows.places):
        for j, (to_column, from_column) in enumerate(columns.places):
            if to_row.start < to_row.stop and to_column.start < to_column.stop:
                yield i, j, (to_row, to_column), (from_row, from_column)


def _blocks(x: np.ndarray) -> Iterator[slice]:
    pictures = max(1, BLOCK // x[0].size)
    return (slice(start, start + pictures) for start in range(0, len(x), pictures))


def _last(x: np.ndarray) -> np.ndarray:
    """[N, C, H, W] -> [H, W, N * C]."""
    pictures, channels, height, width = x.shape
    return cv2.transpose(x.reshape(pictures * channels, -1)).reshape(height, width, -1)


class _Depthwise(PyLayer):
    """x [N, C, H, W], weight [C, 1, h, w] -> [N, C, H', W'], all float32."""

    @staticmethod
    def forward(ctx, x, weight, rows, columns):
        ctx.frozen = x.stop_gradient, weight.stop_gradient
        x, weight = x.numpy(), weight.numpy()
        ctx.seen = x, weight, rows, columns
        out = np.empty((*x.shape[:2], rows.size, columns.size), x.dtype)
        for block in _blocks(x):
            read = _last(x[block])
            written = np.zeros((rows.size, columns.size, read.shape[-1]), x.dtype)
            room = np.empty_like(written)
            for i, j, to, start in _taps(rows, columns):
                part = read[start]
                product = room[: part.shape[0], : part.shape[1]]
                np.multiply(part, np.tile(weight[:, 0, i, j], len(x[block])), out=product)
                written[to] += product
            out[block] = cv2.transpose(written.reshape(-1, read.shape[-1])).reshape(out[block].shape)
        return paddle.to_tensor(out)

    @staticmethod
    def backward(ctx, gradient):
        x, weight, rows, columns = ctx.seen
        gradient = gradient.numpy()
        of_x, of_weight = np.empty_like(x), np.zeros_like(weight)
        for block in _blocks(x):
            read, given = _last(x[block]), _last(gradient[block])
            written = np.zeros_like(read)
            room = np.empty(given.size, x.dtype)
            for i, j, to, start in _taps(rows, columns):
                part = given[to]
                product = room[: part.size].reshape(part.shape)
                np.multiply(part, np.tile(weight[:, 0, i, j], len(x[block])), out=product)
                written[start] += product
                np.multiply(part, read[start], out=product)
                sums = np.ones(part.shape[0] * part.shape[1], x.dtype) @ product.reshape(-1, part.shape[2])
                of_weight[:, 0, i, j] += sums.reshape(-1, x.shape[1]).sum(axis=0)
            of_x[block] = cv2.transpose(written.reshape(-1, read.shape[-1])).reshape(x[block].shape)
        found = zip((of_x, of_weight), ctx.frozen, strict=True)
        return tuple(None if frozen else paddle.to_tensor(array) for array, frozen in found)


class _Large(PyLayer):
    """As `_Depthwise`, of a stride of 1."""

    @staticmethod
    def forward(ctx, x, weight, paddings, dilation):
        ctx.frozen = x.stop_gradient, weight.stop_gradient
        ctx.seen = x, weight, paddings, dilation
        return F.conv2d(x, weight, padding=list(paddings), dilation=dilation, groups=len(weight))

    @staticmethod
    def backward(ctx, gradient):
        x, weight, paddings, dilation = ctx.seen
        of_x = of_weight = None
        if not ctx.frozen[0]:
            sides = zip(weight.shape[2:], dilation, paddings, strict=True)
            rest = [apart * (kernel - 1) - padding for kernel, apart, padding in sides]
            turned = paddle.flip(weight, axis=[2, 3])
            of_x = F.conv2d(gradient, turned, padding=rest, dilation=dilation, groups=len(weight))
        if not ctx.frozen[1]:
            kernel = weight.shape[2:]
            of_weight = paddle.to_tensor(_of_places(x.numpy(), gradient.numpy(), kernel, paddings, dilation))
        return of_x, of_weight


def _of_places(
    x: np.ndarray, given: np.ndarray, kernel: Sequence[int], paddings: Sequence[int], dilation: Sequence[int]
) -> np.ndarray:
    """Gradient [C, 1, h, w] of the weight: x [N, C, H, W] is padded, and the gradient `given` [N, C, H', W'] has zeros
    behind its rows, so that rows of both are equally long, and a place of the kernel is a shift of all rows at once."""
    (_, channels, height, width), found = x.shape, np.zeros((x.shape[1], 1, *kernel), x.dtype)
    high, wide = height + 2 * paddings[0], width + 2 * paddings[1]
    rows, most = given.shape[2], max(len(x[block]) for block in _blocks(x))
    padded = np.zeros((most, channels, high + 1, wide), x.dtype)  # a row more: the last shifts end in it
    inner = padded[:, :, paddings[0] : paddings[0] + height, paddings[1] : paddings[1] + width]
    filled = np.zeros((most, channels, rows, wide), x.dtype)
    flat, other = padded.reshape(most, channels, 1, -1), filled.reshape(most, channels, -1, 1)
    for block in _blocks(x):
        now = len(x[block])
        inner[:now], filled[:now, ..., : given.shape[3]] = x[block], given[block]
        for i, j in np.ndindex(*kernel):
            shift = i * dilation[0] * wide + j * dilation[1]
            product = flat[:now, ..., shift : shift + rows * wide] @ other[:now]
            found[:, 0, i, j] += product.sum(axis=(0, 2, 3))
    return found
