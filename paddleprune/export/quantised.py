"""What a network needs before Paddle Lite stores its weights as integers."""

import copy

import paddle
import paddle.nn.functional as F
from paddle import nn


class _Pointwise(nn.Layer):
    """A linear layer as a convolution of 1 x 1."""

    def __init__(self, linear: nn.Linear):
        super().__init__()
        self.weight = paddle.create_parameter(
            [*linear.weight.shape[::-1], 1, 1],
            "float32",
            default_initializer=nn.initializer.Assign(linear.weight.numpy().T[..., None, None]),
        )
        self.bias = linear.bias

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return F.conv2d(x.unsqueeze([2, 3]), self.weight, self.bias).flatten(1)


def with_convolutions(network: nn.Layer) -> nn.Layer:
    """A copy whose linear layers are convolutions: Lite's x86 runtime takes the integers of a linear layer
    for floats. Linear layers must read [N, C]."""
    changed = copy.deepcopy(network)
    for layer in list(changed.sublayers(include_self=True)):
        for name, child in list(layer.named_children()):
            if isinstance(child, nn.Linear):
                setattr(layer, name, _Pointwise(child))
    return changed
