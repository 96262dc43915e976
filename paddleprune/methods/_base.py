"""The contract of a training method."""

from collections.abc import Callable

import paddle
from paddle import nn

from ..engine.fit import Hook

# (network, batch) -> scalar losses by name; "loss" is the one that is minimised
Loss = Callable[[nn.Layer, dict], dict[str, paddle.Tensor]]


class Method:
    """Does nothing by default. A run that goes on must do exactly what an unbroken one does: a method draws no
    random numbers but Paddle's, which are seeded step by step, and remembers nothing from one step to the next but in
    its helper."""

    def wrap(self, loss: Loss) -> Loss:
        """The loss that is minimised instead of `loss`."""
        return loss

    def helper(self) -> nn.Layer | None:
        """A layer that is trained along, and goes into checkpoints, but not into the model."""
        return None

    def prepare(self, network: nn.Layer, fresh: bool) -> None:
        """Called once before the optimizer is made; `fresh`: of a run that begins, whose weights may be set."""

    def hooks(self) -> list[Hook]:
        """What happens around a step; before the hooks that look at the network."""
        return []
