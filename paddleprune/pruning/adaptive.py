"""The adaptive + fixed-scale scheme of MODNet-ModelCompression: widths from the weights alone.

adaptive    of each convolution the filters' L1 norms are sorted from the largest down and min-max
            normalised; up to the first below `threshold` they stay, rounded to multiples of 8
fixed       int((1 - ratio) * C) of C filters stay
others      whole

Where layers must agree (expand and depthwise of a block, a residual stream) the largest count counts.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from paddle import nn

from .groups import Group, Groups


def adaptive_fixed(
    groups: Groups, network: nn.Layer, parts: Mapping[str, Sequence[str]], threshold: float, ratio: float,
    keep_backbone: bool = False,
) -> dict[str, float]:  # fmt: skip
    """Ratio per group, to be used without further alignment.

    `parts`: {"adaptive", "fixed", "backbone"}: beginnings of layers' names.
    """
    weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    kept = {}
    for name, group in groups.items():
        if keep_backbone and name.startswith(tuple(parts["backbone"])):
            filters = group.size * group.channels
        elif name.startswith(tuple(parts["adaptive"])):
            filters = max(adaptive_count(_norms(weights[w], axis), threshold) for w, axis in _layers(group))
        elif name.startswith(tuple(parts["fixed"])):
            filters = int((1 - ratio) * group.size * group.channels)
        else:
            filters = group.size * group.channels
        kept[name] = min(group.size, max(1, filters // group.channels))
    return {name: 1 - count / groups[name].size for name, count in kept.items()}


def adaptive_count(norms: np.ndarray, threshold: float) -> int:
    """How many filters stay: [9, 5, 4, 1] normalised is [1, 0.5, 0.375, 0]; below 0.6 is first the
    second, so 2 would stay, and make_divisible makes 8 of them (there are 4: all).
    """
    falling = np.sort(norms)[::-1]
    spread = falling[0] - falling[-1]
    normal = (falling - falling[-1]) / spread if spread > 0 else np.ones_like(falling)
    below = np.flatnonzero(normal < threshold)
    first = int(below[0]) if below.size else len(norms) - 1
    return min(len(norms), make_divisible(first + 1))


def make_divisible(count: float, divisor: int = 8) -> int:
    """The nearest multiple of `divisor`, at least `divisor` and 90 % of `count` (MobileNet's rule)."""
    near = max(divisor, int(count + divisor / 2) // divisor * divisor)
    return near + divisor if near < 0.9 * count else near


def _layers(group: Group) -> list[tuple[str, int]]:
    """(weight, axis of its filters) of the group's convolutions, depthwise ones included."""
    return [
        (s.parameter, s.axis)
        for s in group.slots
        if s.role == "out" or _is_depthwise(s.parameter, s.axis, s.role)
    ]


def _is_depthwise(parameter: str, axis: int, role: str) -> bool:
    return role == "follow" and axis == 0 and parameter.endswith(".weight")


def _norms(weight: np.ndarray, axis: int) -> np.ndarray:
    """L1 norm of each filter."""
    filters = np.moveaxis(weight, axis, 0)
    return np.abs(filters.reshape(len(filters), -1)).sum(1)
