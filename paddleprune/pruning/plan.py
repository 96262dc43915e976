"""The Plan: which channels of each group stay. A pruned architecture is a model plus its plan."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..channels.groups import Groups
from ..errors import UserError
from ..files import write_json
from ..texts import read_json

FORMAT = 2
Place = tuple[str, int]  # a parameter and an axis of it


@dataclass(frozen=True)
class Slice:
    """Of `length` positions on an axis of a parameter `kept` stay, rising."""

    length: int
    kept: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """`kept`: group -> indices of the units that stay, rising. `sizes`: units of the dense group.
    `slices`: the same for every parameter that becomes narrower, so that it takes no look at the network to
    carry the plan out. None in a plan of the first format. `numbers`: what layers shall remember (remembered.py).

    Groups that lose nothing are not named.
    """

    kept: Mapping[str, tuple[int, ...]]
    sizes: Mapping[str, int]
    slices: Mapping[Place, Slice] | None = field(default_factory=dict)
    numbers: Mapping[str, int] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        return {name: len(units) for name, units in self.kept.items()}

    def removed(self, name: str) -> np.ndarray:
        """Indices of the units of a group that go, rising."""
        return np.setdiff1d(np.arange(self.sizes[name]), np.array(self.kept[name], int))

    def then(self, later: "Plan") -> "Plan":
        """One plan that does what this one and then `later`, made for the narrow network, do.

        Raises UserError if `later` was made for another network."""
        kept, sizes, slices = dict(self.kept), dict(self.sizes), dict(self.slices or {})
        if self.slices is None or later.slices is None:
            raise UserError("plan: of the first format; load its model and save it again to go on from it")
        for name, units in later.kept.items():
            before = kept.get(name, tuple(range(later.sizes[name])))
            _refuse_other(name, len(before), later.sizes[name])
            kept[name] = tuple(before[unit] for unit in units)
            sizes.setdefault(name, later.sizes[name])
        for place, part in later.slices.items():
            first = slices.get(place, Slice(part.length, tuple(range(part.length))))
            _refuse_other(f"{place[0]}, axis {place[1]}", len(first.kept), part.length)
            slices[place] = Slice(first.length, tuple(first.kept[position] for position in part.kept))
        return Plan(kept, sizes, slices, {**self.numbers, **later.numbers})

    def as_dict(self) -> dict[str, Any]:
        groups = {n: {"size": self.sizes[n], "kept": list(units)} for n, units in self.kept.items()}
        if self.slices is None:
            return {"format": 1, "groups": groups}
        slices = [
            {"parameter": name, "axis": axis, "size": part.length, "kept": list(part.kept)}
            for (name, axis), part in self.slices.items()
        ]
        numbers = {"numbers": dict(self.numbers)} if self.numbers else {}
        return {"format": FORMAT, "groups": groups, "slices": slices, **numbers}

    @staticmethod
    def from_dict(raw: Any) -> "Plan":
        """Raises UserError if `raw` is not what `as_dict` makes. Plans of format 1 name groups alone."""
        try:
            if raw["format"] not in (1, FORMAT):
                raise UserError(f"plan: format {raw['format']} is not known; 1 and {FORMAT} are read here")
            kept = {n: _units(n, g["kept"], g["size"]) for n, g in raw["groups"].items()}
            sizes = {n: _whole(g["size"]) for n, g in raw["groups"].items()}
            slices = None
            if raw["format"] == FORMAT:
                slices = {
                    (str(s["parameter"]), _whole(s["axis"])): Slice(
                        s["size"], _units(s["parameter"], s["kept"], s["size"])
                    )
                    for s in raw["slices"]
                }
            numbers = {str(place): _width(value) for place, value in raw.get("numbers", {}).items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"plan: damaged ({error!r}); prune again") from error
        if slices is not None:
            _refuse_contradiction(kept, sizes, slices)
        return Plan(kept, sizes, slices, numbers)

    def save(self, path: str | Path) -> None:
        """Write the plan as JSON."""
        write_json(Path(path), self.as_dict())

    @staticmethod
    def load(path: str | Path) -> "Plan":
        """Read what `save` wrote. Raises UserError if it is something else."""
        return Plan.from_dict(read_json(path, "plan"))


def _whole(given: Any) -> int:
    if type(given) is not int:
        raise ValueError(f"{given!r} is no whole number")
    return given


def _width(given: Any) -> int:
    if _whole(given) < 1:
        raise ValueError(f"{given} is no width")
    return given


def _units(name: str, given: Any, size: Any) -> tuple[int, ...]:
    units = tuple(_whole(unit) for unit in given)
    if not units or list(units) != sorted(set(units)) or not 0 <= units[0] <= units[-1] < _whole(size):
        raise UserError(f"plan: the kept channels of '{name}' are not valid; prune again")
    return units


def _refuse_contradiction(
    kept: Mapping[str, tuple[int, ...]], sizes: Mapping[str, int], slices: Mapping[Place, Slice]
) -> None:
    """A group is named by a parameter that it makes narrower; several groups may share that parameter's axis."""

    def fits(name: str, part: Slice) -> bool:
        gone, here = sizes[name] - len(kept[name]), part.length - len(part.kept)
        return here == gone if part.length == sizes[name] else part.length > sizes[name] and here >= gone

    for name in kept:
        own = name.split("#")[0]
        if not any(parameter == own and fits(name, part) for (parameter, _), part in slices.items()):
            raise UserError(f"plan: the channels of '{name}' and what is cut out of it differ; prune again")
    if slices and not kept:
        raise UserError("plan: it names no group, and cuts all the same; prune again")


def _refuse_other(name: str, here: int, wanted: int) -> None:
    if here != wanted:
        raise UserError(
            f"plan: '{name}' has {here} channels after the first plan, {wanted} in the second; they do not fit"
        )


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
    kept = {}
    for name, ratio in ratios.items():
        size = groups[name].size
        count = keep_count(size, ratio, groups[name].units_of(align))
        if count < size:
            best = np.argsort(scores[name], kind="stable")[size - count :]
            kept[name] = tuple(int(u) for u in np.sort(best))
    return plan_keeping(groups, kept)


def plan_keeping(groups: Groups, kept: Mapping[str, tuple[int, ...]]) -> Plan:
    """The plan that keeps these units, and all of the groups that are not named."""
    sizes = {name: groups[name].size for name in kept}
    gone: dict[Place, list[np.ndarray]] = {}
    for name, units in kept.items():
        removed = np.setdiff1d(np.arange(sizes[name]), np.array(units, int))
        for slot in groups[name].slots:
            gone.setdefault((slot.parameter, slot.axis), []).append(slot.index[removed].ravel())
    slices = {}
    for (parameter, axis), parts in gone.items():
        length = groups.shapes[parameter][axis]
        stay = np.setdiff1d(np.arange(length), np.concatenate(parts))
        slices[parameter, axis] = Slice(length, tuple(int(p) for p in stay))
    numbers = {
        place: before * len(units) // sizes[name]
        for name, units in kept.items()
        for place, before in groups[name].numbers.items()
    }
    return Plan(dict(kept), sizes, slices, numbers)
