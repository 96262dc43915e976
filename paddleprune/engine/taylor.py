"""How much the loss would change without a channel, to first order, on labelled pictures.

Molchanov et al. 2019 (arXiv 1906.10771), equation 8 and section 3.3: of a channel behind a batch norm the gate is its
scale and shift, of another one its filter. A channel's score is the mean over batches of (sum of gradient x value)^2.
"""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import paddle
from paddle import nn

from ..errors import UserError
from ..modes import evaluating
from ..pruning.criteria import TAYLOR
from ..pruning.groups import Group, Groups

BATCHES = 20  # that are looked at
CALM = (
    nn.layer.norm._BatchNormBase,
    nn.Dropout,
    nn.Dropout2D,
)  # as in evaluation: nothing is random, nothing moves


class FirstOrder:
    """The criterion `taylor`. `loss`: network, batch -> scalar. The network is left as it was."""

    criterion = TAYLOR

    def __init__(
        self, network: nn.Layer, groups: Groups, loss: Callable[[nn.Layer, dict], paddle.Tensor],
        batches: Iterable[dict],
    ):  # fmt: skip
        self._scores = {name: np.zeros(group.size) for name, group in groups.items()}
        count = 0
        for products in _products(network, loss, batches):
            count += 1
            for name, group in groups.items():
                self._scores[name] += np.square(_change(group, products))
        if not count:
            raise UserError("criterion: 'taylor' needs labelled pictures, and there are none; use l1_norm")
        self._scores = {name: score / count for name, score in self._scores.items()}

    def scores(self) -> Mapping[str, np.ndarray]:
        return self._scores


def _products(
    network: nn.Layer, loss: Callable[[nn.Layer, dict], paddle.Tensor], batches: Iterable[dict]
) -> Iterable[dict[str, np.ndarray]]:
    """Gradient x value of every parameter, batch by batch."""
    parameters = dict(network.named_parameters())
    with evaluating(network, train=True):
        for layer in network.sublayers():
            if isinstance(layer, CALM):
                layer.training = False
        for batch, _ in zip(batches, range(BATCHES), strict=False):
            network.clear_gradients()
            loss(network, batch).backward()
            yield {n: p.numpy() * p.grad.numpy() for n, p in parameters.items() if p.grad is not None}
            network.clear_gradients()


def _change(group: Group, products: Mapping[str, np.ndarray]) -> np.ndarray:
    """The loss's change, to first order, without each unit of the group."""
    total = np.zeros(group.size)
    gates = [(slot, 0, name) for slot in group.role("scale") for name in _scale_and_shift(slot.parameter)]
    filters = [(slot, slot.axis, slot.parameter) for slot in group.role("out")]
    for slot, axis, name in gates or filters:
        if name in products:
            first = np.moveaxis(products[name], axis, 0)
            total += first.reshape(len(first), -1).sum(1)[slot.index].sum(1)
    return total


def _scale_and_shift(scale: str) -> tuple[str, str]:
    return scale, f"{scale.removesuffix('weight')}bias"
