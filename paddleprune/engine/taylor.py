"""How much the loss would change without a channel, to first order, on labelled pictures.

Molchanov et al. 2019 (arXiv 1906.10771), equation 8, with the weights that read a channel for its gate: without them it is
gone, whatever normalisation is before them. A channel's score is the mean over batches of (sum of gradient x weight)^2.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np
import paddle
from paddle import nn

from ..config import DataConfig
from ..data.dataset import Batches, Subset, open_dataset, stratified_order
from ..errors import UserError
from ..modes import evaluating
from ..pruning.criteria import TAYLOR
from ..pruning.groups import Group, Groups, Slot
from ..tasks._base import Task, names_of

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


def first_order(network: nn.Layer, groups: Groups, task: Task, batches: Batches) -> FirstOrder:
    """The criterion by the task's own loss."""
    return FirstOrder(network, groups, lambda net, batch: task.loss(net, batch)["loss"], batches.epoch())


def labelled(data: DataConfig, task: Task) -> Batches:
    """As many training pictures as are looked at, classes in proportion, as the evaluation transforms make them, with what
    the loss needs besides."""
    made = list(data.eval_transforms)
    own = dict(zip(names_of(data.train_transforms), data.train_transforms, strict=True))
    more = [own.get(name, name) for name in task.head.needs if name not in names_of(made)]
    last = names_of(made).index("Normalize") if "Normalize" in names_of(made) else len(made)
    found = open_dataset(replace(data, train_transforms=[*made[:last], *more, *made[last:]]), "train")
    some = Subset(found, stratified_order(found)[: BATCHES * data.batch_size])
    return Batches(some, data.batch_size, train=False)


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
            yield {  # what the loss does not look at has no gradient, and changes nothing
                n: p.numpy() * (0.0 if p.grad is None else p.grad.numpy())
                for n, p in parameters.items() if not p.stop_gradient
            }  # fmt: skip
            network.clear_gradients()


def _change(group: Group, products: Mapping[str, np.ndarray]) -> np.ndarray:
    """The loss's change, to first order, without each unit of the group; by the filters where no weight reads it."""
    for role in ("in", "out"):
        slots = [slot for slot in group.role(role) if slot.parameter in products]
        if slots:
            return np.sum([_per_unit(products[slot.parameter], slot) for slot in slots], axis=0)
    raise UserError(
        f"criterion: 'taylor' cannot judge the group '{group.name}', whose weights are frozen; use reconstruction"
    )


def _per_unit(product: np.ndarray, slot: Slot) -> np.ndarray:
    first = np.moveaxis(product, slot.axis, 0)
    return first.reshape(len(first), -1).sum(1)[slot.index].sum(1)
