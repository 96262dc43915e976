"""What a network costs: parameters, multiply-accumulates, bytes of weights."""

from dataclasses import asdict, dataclass

import numpy as np
import paddle
from paddle import nn

from .modes import evaluating


@dataclass(frozen=True)
class Cost:
    """`params`: count of trainable and frozen parameters, batch-norm statistics not included.
    `macs`: multiply-accumulates of convolutions and linear layers for ONE image.
    `size_bytes`: the weights as float32, batch-norm statistics included (what a file holds)."""

    params: int
    macs: int
    size_bytes: int

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


def count(network: nn.Layer, input_shape: tuple[int, int, int]) -> Cost:
    """Measure `network` by running one zero image of `input_shape` (C, H, W) through it.

    A convolution that makes an output of H' x W' with a weight [O, I/groups, kh, kw] costs
    O * I/groups * kh * kw * H' * W' macs: 3x3, 8 -> 16 channels at 10x10 is
    16 * 8 * 3 * 3 * 100 = 115200.
    """
    macs = 0

    def add(layer: nn.Layer, inputs: tuple, output: paddle.Tensor) -> None:
        nonlocal macs
        if isinstance(layer, nn.Linear):
            positions = int(np.prod(output.shape[:-1]))
        elif isinstance(layer, nn.Conv2DTranspose):
            positions = int(np.prod(inputs[0].shape[2:])) * output.shape[0]
        else:
            positions = int(np.prod(output.shape[2:])) * output.shape[0]
        macs += int(np.prod(layer.weight.shape)) * positions

    counted = (nn.Conv2D, nn.Conv2DTranspose, nn.Linear)
    hooks = [
        layer.register_forward_post_hook(add)
        for layer in network.sublayers(include_self=True)
        if isinstance(layer, counted)
    ]
    try:
        with evaluating(network), paddle.no_grad():
            network(paddle.zeros([1, *input_shape]))
    finally:
        for hook in hooks:
            hook.remove()
    tensors = {id(t): (name, t) for name, t in network.state_dict().items()}.values()
    sizes = {name: int(np.prod(t.shape)) for name, t in tensors}
    return Cost(
        params=sum(n for name, n in sizes.items() if not is_statistic(name)),
        macs=macs,
        size_bytes=4 * sum(sizes.values()),
    )


def count_nonzero(network: nn.Layer) -> int:
    """How many of the parameters are not 0, batch-norm statistics not included."""
    named = network.named_parameters()
    return sum(int((p.numpy() != 0).sum()) for name, p in named if not is_statistic(name))


def is_statistic(name: str) -> bool:
    """Is `name` a running mean or variance? Paddle keeps them among the parameters."""
    return name.rsplit(".", 1)[-1] in ("_mean", "_variance")
