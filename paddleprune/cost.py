"""Measuring what a network costs: parameters, multiply-accumulates, bytes of weights."""

from typing import Any

import numpy as np
import paddle
from paddle import nn

from .channels.cost import Cost, is_statistic
from .graph.example import Example
from .modes import evaluating
from .weights import weights_of

TRANSPOSED = (nn.Conv1DTranspose, nn.Conv2DTranspose, nn.Conv3DTranspose)
CONVOLUTIONS = (nn.Conv1D, nn.Conv2D, nn.Conv3D, *TRANSPOSED)


def count(network: nn.Layer, example: Any) -> Cost:
    """Measure `network` by running it once on `example` (an image shape [C, H, W], or as in `Example`).

    A convolution that makes an output of H' x W' with a weight [O, I/groups, kh, kw] costs
    O * I/groups * kh * kw * H' * W' macs: 3x3, 8 -> 16 channels at 10x10 is
    16 * 8 * 3 * 3 * 100 = 115200.
    """
    example, macs = Example(example), 0
    batch = 1 if example.shape is not None else example.batch

    def add(layer: nn.Layer, inputs: tuple, output: paddle.Tensor) -> None:
        nonlocal macs
        if isinstance(layer, nn.Linear):
            positions = int(np.prod(output.shape[:-1]))
        else:
            counted = inputs[0] if isinstance(layer, TRANSPOSED) else output
            first = layer._data_format.startswith("NC")
            positions = int(np.prod(counted.shape)) // counted.shape[1 if first else -1]
        macs += int(np.prod(layer.weight.shape)) * positions

    hooks = [
        layer.register_forward_post_hook(add)
        for layer in network.sublayers(include_self=True)
        if isinstance(layer, (*CONVOLUTIONS, nn.Linear))
    ]
    try:
        with evaluating(network), paddle.no_grad():
            example.call(network, example.values(batch=batch))
    finally:
        for hook in hooks:
            hook.remove()
    shapes, parameters, stored = weights_of(network)
    sizes = {name: int(np.prod(shape)) for name, shape in shapes.items()}
    return Cost(
        params=sum(n for name, n in sizes.items() if name in parameters),
        macs=macs // batch,
        size_bytes=4 * sum(n for name, n in sizes.items() if name in stored),
    )


def count_nonzero(network: nn.Layer) -> int:
    """How many of the parameters are not 0, batch-norm statistics not included."""
    named = network.named_parameters()
    return sum(int((p.numpy() != 0).sum()) for name, p in named if not is_statistic(name))
