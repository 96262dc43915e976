"""How much each unit of a group seems to matter: Group, weights -> score [size], higher stays.

Most criteria look at the filters that make the channel; `reconstruction` (reconstruction.py) looks at what the
layers behind it can do without it, `taylor` (engine/taylor.py) at what the loss would be. Where a group has several
producers (a residual stream) their scores are averaged; per filter the MEAN over its weights is taken, not the sum, so
that a producer with larger filters does not outvote the others.
`weights` maps structured names to arrays.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
from paddle import nn

from ..errors import UserError
from ..lookup import suggest
from .groups import Group, Groups, Slot

Weights = Mapping[str, np.ndarray]
Criterion = Callable[[Group, Weights], np.ndarray]
RECONSTRUCTION, TAYLOR = "reconstruction", "taylor"
NEEDS = {
    RECONSTRUCTION: "looks at the network on pictures, and there are none; use l1_norm, or give pictures",
    TAYLOR: "needs a loss on labelled pictures, and there is none here; use l1_norm",
}


class Observed(Protocol):
    """What has seen the network on pictures: observed.py, and with their labels engine/taylor.py."""

    criterion: str

    def scores(self) -> dict[str, np.ndarray]: ...


def l1_norm(group: Group, weights: Weights) -> np.ndarray:
    """Mean |w| of the filter (Li et al. 2017, arXiv 1608.08710, section 3.1)."""
    return _over(group.role("out"), lambda s: _per_unit(s, np.abs(_filters(s, weights)).mean(1)))


def l2_norm(group: Group, weights: Weights) -> np.ndarray:
    """Root of the mean w^2 of the filter (He et al. 2018, arXiv 1808.06866, section 3.2)."""

    def score(slot: Slot) -> np.ndarray:
        return _per_unit(slot, np.sqrt((_filters(slot, weights) ** 2).mean(1)))

    return _over(group.role("out"), score)


def fpgm(group: Group, weights: Weights) -> np.ndarray:
    """Mean distance of the filter to all filters of its layer: one near the geometric median can
    be replaced by the others (He et al. 2019, arXiv 1811.00250, eq. 8)."""

    def score(slot: Slot) -> np.ndarray:
        flat = _filters(slot, weights).astype(np.float64)
        squared = (flat**2).sum(1)
        gram = squared[:, None] + squared[None] - 2 * flat @ flat.T
        distance = np.sqrt(np.clip(gram, 0, None)).mean(1)
        return _per_unit(slot, distance / np.sqrt(flat.shape[1]))

    return _over(group.role("out"), score)


def bn_scale(group: Group, weights: Weights) -> np.ndarray:
    """|scale| of the channel's normalisations (Liu et al. 2017, arXiv 1708.06519, section 3).

    Raises UserError where a group has no normalisation.
    """
    slots = group.role("scale")
    if not slots:
        raise UserError(
            f"criterion bn_scale: the group '{group.name}' has no normalisation with a scale; "
            "use l1_norm, l2_norm or fpgm"
        )
    return _over(slots, lambda s: _per_unit(s, np.abs(weights[s.parameter])))


def names() -> list[str]:
    return ["bn_scale", "fpgm", "l1_norm", "l2_norm", RECONSTRUCTION, TAYLOR]


def refuse_unknown(name: str) -> None:
    """Raises UserError for a name of no criterion."""
    if name not in names():
        raise UserError(f"criterion: '{name}' is not known; {suggest(name, names())}")


def scores(
    name: str, groups: Groups, network: nn.Layer, observed: Observed | None = None
) -> Mapping[str, np.ndarray]:
    """The criterion `name` over all groups of `network`. Raises UserError for an unknown one, and for `reconstruction`
    and `taylor` without a network that has been `observed` for it."""
    refuse_unknown(name)
    if name in NEEDS:
        if observed is None or observed.criterion != name:
            raise UserError(f"criterion: '{name}' {NEEDS[name]}")
        return observed.scores()
    criterion: Criterion = getattr(sys.modules[__name__], name)
    weights = {key: tensor.numpy() for key, tensor in network.state_dict().items()}
    return {group.name: criterion(group, weights) for group in groups.values()}


def _filters(slot: Slot, weights: Weights) -> np.ndarray:
    """The parameter with its channel axis first, the rest flat: [channels, values]."""
    array = np.moveaxis(weights[slot.parameter], slot.axis, 0)
    return array.reshape(len(array), -1)


def _per_unit(slot: Slot, per_channel: np.ndarray) -> np.ndarray:
    return per_channel[slot.index].mean(1)


def _over(slots: list[Slot], score: Callable[[Slot], np.ndarray]) -> np.ndarray:
    return np.mean([score(slot) for slot in slots], axis=0)
