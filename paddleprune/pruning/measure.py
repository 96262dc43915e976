"""Finding the points of a sensitivity table: all of them, or those that a budget depends on."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from paddle import nn

from ..errors import UserError
from ..files import write_json
from .groups import Groups
from .observed import Observed, compensated
from .plan import Plan, make_plan
from .sensitivity import RATIOS, Point, Points, Provenance, Sensitivities, refuse_other, sensitivity
from .surgery import masked

Found = Iterator[tuple[str, Points]]  # points of a group as they are found; none: it is finished


class Engine(Protocol):
    """Evaluates the dense network and its masked variants. Values are the main metric's."""

    def baseline(self) -> float: ...

    def points(self, group: str, plans: Sequence[Plan]) -> Iterator[float]:
        """The metric under each plan; all remove channels of `group` only."""


class PlainEngine:
    """One full evaluation per point, with the weights that read removed channels set to zero; or, of a network that
    was `observed`, with what is left for them made up for it."""

    def __init__(
        self, network: nn.Layer, groups: Groups, score: Callable[[], float], observed: Observed | None = None
    ):
        self.network, self.groups, self.score, self.observed = network, groups, score, observed

    def baseline(self) -> float:
        return self.score()

    def points(self, group: str, plans: Sequence[Plan]) -> Iterator[float]:
        for plan in plans:
            with self._without(plan):
                value = self.score()
            yield value

    def _without(self, plan: Plan) -> AbstractContextManager:
        if self.observed is None:
            return masked(self.network, self.groups, plan)
        return compensated(self.network, self.observed, plan)


@dataclass(frozen=True)
class Search:
    """Finds the points of one group after another. `scores`: criterion per group.

    Without a `budget` all `ratios` are evaluated. With one, only those that decide: from the smallest
    up in doubling steps until one breaks the budget, then bisection. Where a curve rises with the
    ratio, the largest ratio within the budget and its neighbour above are among them, so
    `under_budget` gives what it gives for the full table, mostly from 1 to 3 points of 9. (Bisection
    from the middle needs 3 or 4; most groups stand little.)
    `interval(metric)`: bounds of a point; none: points have no bounds.
    """

    engine: Engine
    groups: Groups
    scores: Mapping[str, np.ndarray]
    baseline: float
    higher_is_better: bool
    ratios: Sequence[float] = RATIOS
    budget: float | None = None
    interval: Callable[[float], tuple[float, float]] | None = None

    def group(self, name: str, known: Mapping[float, float]) -> Iterator[Points]:
        """The points of a group that are not `known` yet, as they are found."""
        if self.budget is None:
            yield from self.evaluate(name, [ratio for ratio in self.ratios if ratio not in known])
            return
        curve = dict(known)
        inside, outside = -1, len(self.ratios)  # indices: within the budget, and not
        while outside - inside > 1:
            unbroken = outside == len(self.ratios)
            middle = min(max(0, 2 * inside + 1), outside - 1) if unbroken else (inside + outside) // 2
            ratio = self.ratios[middle]
            if ratio not in curve:
                for new in self.evaluate(name, [ratio]):
                    curve |= {r: point.loss for r, point in new.items()}
                    yield new
            within = curve[ratio] <= self.budget
            inside, outside = (middle, outside) if within else (inside, middle)

    def evaluate(self, name: str, ratios: Sequence[float]) -> Iterator[Points]:
        """Points of one group. Ratios that remove equally many channels are evaluated once."""
        size = self.groups[name].size
        plans: dict[int, Plan] = {}
        same: dict[int, list[float]] = {}
        for ratio in ratios:
            plan = make_plan(self.groups, {name: ratio}, self.scores)
            count = plan.counts().get(name, size)
            plans[count] = plan
            same.setdefault(count, []).append(ratio)
        if size in plans:  # so few channels that these ratios remove none
            del plans[size]
            none = Point(0.0, None if self.interval is None else (0.0, 0.0))
            yield dict.fromkeys(same.pop(size), none)
        metrics = self.engine.points(name, list(plans.values()))
        for count, metric in zip(plans, metrics, strict=False):
            yield dict.fromkeys(same[count], self._point(metric))

    def _point(self, metric: float) -> Point:
        loss = sensitivity(self.baseline, metric, self.higher_is_better)
        return Point(loss, None if self.interval is None else self.interval(metric))


def start(
    save_file: Path | None,
    provenance: Provenance,
    groups: Groups,
    baseline: Callable[[], float],
    note: Mapping[str, Any] | None = None,
) -> Sensitivities:
    """The table in `save_file` if it is of the same provenance; a new one with its baseline if there
    is none, kept in memory alone without a `save_file`. A file of another model, data set, metric or criterion is refused with a UserError."""
    if save_file is not None and save_file.exists():
        table = Sensitivities.read(save_file)
        refuse_other(table.provenance, provenance, f"--save_file: {save_file}")
        return table
    value = float(baseline())
    if not np.isfinite(value) or value == 0:
        raise UserError(
            f"the model's own {provenance.metric} is {value}; a relative loss of it means "
            "nothing: train the model first, or check the data set"
        )
    reasons, names = dict(groups.reasons), list(groups)
    table = Sensitivities(provenance, value, {}, reasons, dict(note or {}), groups=names)
    _keep(table, save_file)
    return table


def one_by_one(search: Search, curves: Mapping[str, Mapping[float, float]], names: Iterable[str]) -> Found:
    """The points that `curves` lack for the groups `names`, found here and in order."""
    for name in names:
        for points in search.group(name, curves.get(name, {})):
            yield name, points
        yield name, {}


def complete(table: Sensitivities, save_file: Path | None, found: Found) -> Found:
    """Write the points as they are found, in whatever order; the finished file does not tell."""
    for name, points in found:
        if points:
            table.add(name, points)
            _keep(table, save_file)
        yield name, points


def _keep(table: Sensitivities, save_file: Path | None) -> None:
    if save_file is not None:
        write_json(save_file, table.as_dict())
