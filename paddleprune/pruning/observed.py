"""A dense network as it is on a few pictures: what each group's channels carry, and what could stand in for them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import paddle
from paddle import nn

from ..channels.groups import Groups
from ..graph.example import Example
from ..progress import bar
from . import criteria
from .compensate import mix_of_dense
from .plan import Plan
from .readers import Reader, hooked, observe, readers_of
from .reconstruction import Moments, Ranked, moments_of, ranked
from .sensitivity import RATIOS
from .surgery import masked

T = TypeVar("T")


class OnDemand(Mapping[str, T]):
    """{name: make(name)} of `names`; each is made when it is first asked for."""

    def __init__(self, names: Iterable[str], make: Callable[[str], T]):
        self._names, self._make, self._made = dict.fromkeys(names), make, dict[str, T]()

    def __getitem__(self, name: str) -> T:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Observed:
    """`moments` {weight: a list, of each block} of the layers that read groups; of layers without one nothing is known.

    `ranked` {group: the order in which its units go, and what is lost on the way}, on demand; None where nothing is
    known. The network is run once on `pictures`, a batch of its inputs. Its weights are not changed.
    """

    criterion = criteria.RECONSTRUCTION

    def __init__(self, network: nn.Layer, example: Example, groups: Groups, pictures: np.ndarray):
        self.groups, self.count = groups, len(pictures)
        self.readers = readers_of(network, groups, groups)
        observe(network, example, pictures, self.readers.values())
        self.moments: Mapping[str, list[Moments]] = {
            name: moments_of(reader) for name, reader in self.readers.items() if reader.inputs
        }
        for reader in self.readers.values():
            reader.inputs.clear()
        self.ranked: Mapping[str, Ranked | None] = OnDemand(
            groups, lambda name: ranked(groups[name], self.moments)
        )
        self._weights = {key: tensor.numpy() for key, tensor in network.state_dict().items()}

    def scores(self) -> Mapping[str, np.ndarray]:
        """The criterion `reconstruction`, on demand; where nothing is known of a group, `l1_norm`."""
        return OnDemand(self.groups, self._score)

    def _score(self, name: str) -> np.ndarray:
        found = self.ranked[name]
        return criteria.l1_norm(self.groups[name], self._weights) if found is None else found.scores

    def curves(self) -> dict[str, dict[float, float]]:
        """{group: {ratio: share of variance that is lost}} of the groups that are known: what can be said of
        sensitivities without evaluating anything."""
        found: dict[str, dict[float, float]] = {}
        for name in bar(self.groups, "rank channels", len(self.groups), "group"):
            known = self.ranked[name]
            if known is not None:
                counts = {ratio: round(ratio * len(known.residuals)) for ratio in RATIOS}
                found[name] = {
                    r: float(known.residuals[n]) for r, n in counts.items() if n < len(known.residuals)
                }
        return found

    def mixes(self, group: str, removed: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """{weight: (matrix [channels, channels], shift [channels])}: what its layer is to be fed of what it is fed, matrix @ x
        + shift, when `removed` units are gone and all else is as it was: the kept channels, and what they can say
        of the others."""
        found = {}
        for slot in self.groups[group].role("in"):
            blocks = self.moments.get(slot.parameter)
            if blocks is None:
                continue
            size = len(blocks[0].means)
            kept = np.setdiff1d(np.arange(size), slot.index[removed].ravel())
            matrix, shift = np.zeros((size * len(blocks),) * 2, np.float32), []
            for number, block in enumerate(blocks):
                constant = self.readers[slot.parameter].constant
                part, moved = mix_of_dense(block.covariance, block.means, kept, constant, block.positions)
                matrix[number * size : (number + 1) * size, number * size + kept] = part
                shift.append(moved)
            found[slot.parameter] = matrix, np.concatenate(shift).astype(np.float32)
        return found


@contextmanager
def compensated(network: nn.Layer, observed: Observed, plan: Plan) -> Iterator[None]:
    """Inside the block the dense network computes what it would without what `plan` removes of ONE group, if its
    readers made up for it."""
    hooks, mixed = [], set()
    for name in plan.kept:
        for parameter, mix in observed.mixes(name, plan.removed(name)).items():
            reader = observed.readers[parameter]
            hooks.append((reader.layer, _mixing(reader, *mix)))
            mixed.add(parameter)
    with masked(network, observed.groups, plan, mixed), hooked(hooks):
        yield


def _mixing(reader: Reader, matrix: np.ndarray, shift: np.ndarray) -> Any:
    weight, bias = paddle.to_tensor(matrix), paddle.to_tensor(shift)

    def hook(layer: nn.Layer, inputs: Any) -> Any:
        x, *rest = inputs
        if reader.axis == -1:
            return (paddle.matmul(x, weight, transpose_y=True) + bias, *rest)
        flat = x.reshape([x.shape[0], x.shape[1], -1])
        return ((paddle.matmul(weight, flat) + bias.unsqueeze(-1)).reshape(x.shape), *rest)

    return hook
