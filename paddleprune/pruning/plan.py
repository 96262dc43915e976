"""The Plan: which channels of each group stay. A pruned architecture is a model plus its plan."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import UserError
from .groups import Groups

FORMAT = 1


@dataclass(frozen=True)
class Plan:
    """`kept`: group -> indices of the units that stay, rising. `sizes`: units of the dense group.

    Groups that lose nothing are not named.
    """

    kept: Mapping[str, tuple[int, ...]]
    sizes: Mapping[str, int]

    def counts(self) -> dict[str, int]:
        return {name: len(units) for name, units in self.kept.items()}

    def removed(self, name: str) -> np.ndarray:
        """Indices of the units of a group that go, rising."""
        return np.setdiff1d(np.arange(self.sizes[name]), np.array(self.kept[name], int))

    def as_dict(self) -> dict[str, Any]:
        groups = {n: {"size": self.sizes[n], "kept": list(units)} for n, units in self.kept.items()}
        return {"format": FORMAT, "groups": groups}

    @staticmethod
    def from_dict(raw: Any) -> "Plan":
        """Raises UserError if `raw` is not what `as_dict` makes."""
        try:
            if raw["format"] != FORMAT:
                raise UserError(f"plan: format {raw['format']} is not known; {FORMAT} is read here")
            kept = {n: tuple(_whole(u) for u in g["kept"]) for n, g in raw["groups"].items()}
            sizes = {n: _whole(g["size"]) for n, g in raw["groups"].items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"plan: damaged ({error!r}); prune again") from error
        for name, units in kept.items():
            if not units or list(units) != sorted(set(units)) or not 0 <= units[0] <= units[-1] < sizes[name]:
                raise UserError(f"plan: the kept channels of '{name}' are not valid; prune again")
        return Plan(kept, sizes)


def _whole(given: Any) -> int:
    if type(given) is not int:
        raise ValueError(f"{given!r} is no whole number")
    return given


def keep_count(size: int, ratio: float, align: int = 1) -> int:
    """How many of `size` units stay at `ratio`: size - round(size * ratio), rounded up to a
    multiple of `align`, at least 1 and at most `size`.

    24 units at ratio 0.5 with align 8: 12 -> 16. PaddleSlim's count is that of align 1.
    """
    exact = max(1, size - round(size * ratio))
    return min(size, -(-exact // align) * align)


def make_plan(
    groups: Groups,
    ratios: Mapping[str, float],
    scores: Mapping[str, np.ndarray],
    align: int = 1,
) -> Plan:
    """Keep the units of highest score in each group; among equal ones, those of lower index go.
    `align` is in channels."""
    kept, sizes = {}, {}
    for name, ratio in ratios.items():
        size = groups[name].size
        count = keep_count(size, ratio, groups[name].units_of(align))
        if count < size:
            best = np.argsort(scores[name], kind="stable")[size - count :]
            kept[name] = tuple(int(u) for u in np.sort(best))
            sizes[name] = size
    return Plan(kept, sizes)
