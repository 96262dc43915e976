"""What a strategy can look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from paddle import nn

from ..pruning.groups import Groups
from ..pruning.plan import keep_count

Curves = Mapping[str, Mapping[float, float]]
Intervals = Mapping[str, Mapping[float, tuple[float, float]]]


@dataclass(frozen=True)
class Setting:
    """`groups` of the network, `names` of those that may be pruned, `curves` {group: {ratio: sensitivity}} of those that
    were analysed, the `align` of channels that plans are rounded to, the `scales` of its batch norms by
    name, its `filters`: {weight of a convolution: (array, axis of its filters)}, and the curves' `intervals`: {group:
    {ratio: (low, high)}}, of what they would be on other pictures."""

    groups: Groups
    names: Sequence[str]
    curves: Curves = field(default_factory=dict)
    align: int = 1
    scales: Mapping[str, np.ndarray] = field(default_factory=dict)
    filters: Mapping[str, tuple[np.ndarray, int]] = field(default_factory=dict)
    intervals: Intervals = field(default_factory=dict)

    def left(self, ratios: Mapping[str, float], what: str) -> float:
        """Fraction of the dense network's cost ("params", "macs" or "size_bytes") that is left at these ratios."""
        groups = self.groups
        kept = {
            name: keep_count(groups[name].size, ratio, groups[name].units_of(self.align))
            for name, ratio in ratios.items()
        }
        return getattr(groups.cost(kept), what) / getattr(groups.cost(), what)


def looked_at(groups: Groups, network: nn.Layer) -> dict[str, Any]:
    """`scales` and `filters` of a Setting."""
    weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    norms = [f"{name}.weight" for name, layer in network.named_sublayers() if hasattr(layer, "_mean")]
    axes = {slot.parameter: slot.axis for group in groups.values() for slot in group.role("out")}
    return {
        "scales": {name: weights[name] for name in norms if name in weights},
        "filters": {
            name: (weights[name], axes.get(name, 0))
            for name in groups.layers
            if name in weights and weights[name].ndim == 4  # it is not where a layer computes its weight
        },
    }


class Strategy(Protocol):
    """Chooses a ratio for each group. Raises UserError where its arguments, or the setting, do not allow it."""

    def ratios(self, setting: Setting) -> dict[str, float]: ...
