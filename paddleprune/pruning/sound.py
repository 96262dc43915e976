"""Which of the groups that a graph shows can really be removed.

A forward may hold numbers that the graph cannot tell from widths: `reshape([-1, 2048])`, `x[:, :64]`. So the network
is tried with half of every group gone, on random weights: it must run, and say what the masked dense one
says. Where it does not, halves of the groups are tried until the guilty ones are found. They are locked,
with what they did; the others stay.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from paddle import nn

from ..channels.cost import is_statistic
from ..channels.groups import Groups
from ..graph.example import Example
from .plan import plan_keeping
from .surgery import Fault, compare, expected_of, narrowed, refuse_not_running, runs_in_training


def sound(network: nn.Layer, example: Any, groups: Groups) -> Groups:
    """`groups` without those that cannot be pruned, which are among the reasons. The network is left as it was."""
    example, locked = Example(example), {}
    refuse_not_running(network, example)
    with random_weights(network):
        trains = runs_in_training(network, example)

        def fault(names: Sequence[str]) -> str | None:
            """What goes wrong if half of these groups goes; None if nothing does."""
            rng = np.random.default_rng(len(names))
            kept = {}
            for name in names:
                size = groups[name].size
                some = rng.permutation(size)[: max(1, size // 2)]
                if size > 1:
                    kept[name] = tuple(int(unit) for unit in np.sort(some))
            plan = plan_keeping(groups, kept)
            try:
                expected = expected_of(network, groups, plan, example)
                with narrowed(network, plan):
                    compare(network, example, expected, trains)
            except Fault as found:
                return str(found)
            return None

        def settle(good: list[str], candidates: list[str]) -> list[str]:
            found = fault(good + candidates) if candidates else None
            if found is None:
                return good + candidates
            if len(candidates) == 1:
                locked[candidates[0]] = f"without some of its channels the network {found}"
                return good
            half = len(candidates) // 2
            return settle(settle(good, candidates[:half]), candidates[half:])

        settle([], list(groups))
    return groups.without(locked) if locked else groups


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
