"""Which of the groups that a graph shows can really be removed.

A forward may hold numbers that the graph cannot tell from widths: `reshape([-1, 2048])`, `x[:, :64]`. So the network
is tried with half of every group gone, on random weights: it must run, and say what the masked dense one
says. Where it does not, halves of the groups are tried until the guilty ones are found. If it is a number that a layer
remembers (remembered.py), that shrinks with the group; else the group is locked, with what it did. The others stay.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from paddle import nn

from ..channels.cost import is_statistic
from ..channels.groups import Groups
from ..graph.example import Example
from .plan import plan_keeping
from .remembered import number, numbers_of
from .surgery import Fault, compare, expected_of, narrowed, refuse_not_running, runs_in_training


def sound(network: nn.Layer, example: Any, groups: Groups) -> Groups:
    """`groups` without those that cannot be pruned, which are among the reasons. The network is left as it was."""
    example, locked = Example(example), {}
    numbers: dict[str, dict[str, int]] = {}
    refuse_not_running(network, example)
    with random_weights(network):
        trains = runs_in_training(network, example)

        def fault(names: Sequence[str], tried: Mapping[str, dict[str, int]] = numbers) -> str | None:
            """What goes wrong if half of these groups goes; None if nothing does."""
            rng = np.random.default_rng(len(names))
            kept = {}
            for name in names:
                size = groups[name].size
                some = rng.permutation(size)[: max(1, size // 2)]
                if size > 1:
                    kept[name] = tuple(int(unit) for unit in np.sort(some))
            plan = plan_keeping(groups.remembering(tried), kept)
            try:
                expected = expected_of(network, groups, plan, example)
                with narrowed(network, plan):
                    compare(network, example, expected, trains)
            except Fault as found:
                return str(found)
            return None

        def remembers(good: list[str], name: str) -> bool:
            """Are there numbers with which the group can go? Those that are not another's already."""
            taken = {place for others in numbers.values() for place in others}
            places = [place for place in numbers_of(network, groups[name]) if place not in taken]
            for some in _together(places):
                found = {place: number(network, place) for place in some}
                if fault([*good, name], {**numbers, name: found}) is None:
                    numbers[name] = found
                    return True
            return False

        def settle(good: list[str], candidates: list[str]) -> list[str]:
            found = fault(good + candidates) if candidates else None
            if found is None:
                return good + candidates
            if len(candidates) == 1 and remembers(good, candidates[0]):
                return good + candidates
            if len(candidates) == 1:
                locked[candidates[0]] = f"without some of its channels the network {found}"
                return good
            half = len(candidates) // 2
            return settle(settle(good, candidates[:half]), candidates[half:])

        settle([], list(groups))
    return groups.remembering(numbers).without(locked) if locked or numbers else groups


def _together(places: Sequence[str]) -> list[tuple[str, ...]]:
    """What is tried: each place alone, those of one name, those of one layer, all of them."""
    tried: list[tuple[str, ...]] = [(place,) for place in places]
    for part in (2, 0):
        ends = dict.fromkeys(place.rpartition(".")[part] for place in places)
        tried += [tuple(place for place in places if place.rpartition(".")[part] == end) for end in ends]
    return list(dict.fromkeys([*tried, tuple(places)])) if places else []


@contextmanager
def random_weights(network: nn.Layer) -> Iterator[None]:
    """Inside the block no weight is zero and no two filters are alike, whatever the network was begun with."""
    rng = np.random.default_rng(0)
    tensors = [*network.named_parameters(), *network.named_buffers()]
    saved = {name: tensor.numpy() for name, tensor in tensors if tensor.is_floating_point()}
    own = dict(tensors)
    try:
        for name, array in saved.items():
            if array.ndim > 1:
                scale = np.sqrt(3 / max(1, int(np.prod(array.shape[1:]))))
                value = (rng.random(array.shape, np.float32) - 0.5) * 2 * scale
            elif is_statistic(name) and name.endswith("_variance"):
                value = rng.uniform(0.5, 2, array.shape)
            else:
                value = rng.uniform(0.1, 0.9, array.shape)
            own[name].set_value(value.astype(array.dtype))
        yield
    finally:
        for name, array in saved.items():
            own[name].set_value(array)
