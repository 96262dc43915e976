"""Sensitivity: how much the metric falls when one group loses a fraction of its channels.

    sensitivity(group, ratio) = (baseline - metric) / |baseline|      sign turned if lower is better

Each point is one evaluation of the validation set with some channels of ONE group removed. Points
do not depend on each other, so a file that was begun can be completed later: it is rewritten,
whole, after each point, and an analysis that finds it skips what is there.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from paddle import nn

from ..errors import UserError
from ..files import read_json, write_json
from .apply import masked
from .groups import Groups
from .plan import Plan, make_plan

FORMAT = 1
RATIOS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class Provenance:
    """What a table is true of. Two tables with equal provenance can be merged."""

    model: str
    weights: str  # fingerprint
    data: str  # fingerprint of files and evaluation transforms
    images: int
    metric: str
    higher_is_better: bool
    criterion: str


@dataclass
class Sensitivities:
    """The table, and what is known about it. `curves`: {group: {ratio: sensitivity}}."""

    provenance: Provenance
    baseline: float
    curves: dict[str, dict[float, float]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    note: dict[str, Any] = field(default_factory=dict)  # command, date, ... not compared

    def as_dict(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            **self.provenance.__dict__,
            "baseline": self.baseline,
            **({"note": self.note} if self.note else {}),
            "not_pruned": self.reasons,
            "sensitivities": {
                name: {str(ratio): loss for ratio, loss in sorted(curve.items())}
                for name, curve in self.curves.items()
            },
        }

    @staticmethod
    def from_dict(raw: Any, path: str | Path) -> "Sensitivities":
        """Raises UserError if `raw` is not what `as_dict` makes."""
        if not isinstance(raw, dict) or raw.get("format") != FORMAT:
            raise UserError(f"sensitivities file '{path}' is not of format {FORMAT}; analyse again")
        try:
            provenance = Provenance(**{k: raw[k] for k in Provenance.__dataclass_fields__})
            curves = {
                name: {float(ratio): float(loss) for ratio, loss in curve.items()}
                for name, curve in raw["sensitivities"].items()
            }
            return Sensitivities(provenance, raw["baseline"], curves, raw["not_pruned"], raw.get("note", {}))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"sensitivities file '{path}' is damaged ({error!r}); analyse again") from error

    @staticmethod
    def read(path: str | Path) -> "Sensitivities":
        return Sensitivities.from_dict(read_json(path, "sensitivities file"), path)


def sensitivity(baseline: float, metric: float, higher_is_better: bool) -> float:
    """Relative loss: 0.8 -> 0.6 is 0.25 where higher is better, -0.25 where lower is."""
    loss = (baseline - metric) / abs(baseline)
    return loss if higher_is_better else -loss


class Engine(Protocol):
    """Evaluates the dense network and its masked variants. `metrics` are the main metric's values."""

    def baseline(self) -> float: ...

    def points(self, group: str, plans: Sequence[Plan]) -> Iterator[float]:
        """The metric under each plan; all remove channels of `group` only."""


class PlainEngine:
    """One full evaluation per point, with the weights that read removed channels set to zero."""

    def __init__(self, network: nn.Layer, groups: Groups, score: Callable[[], float]):
        self.network, self.groups, self.score = network, groups, score

    def baseline(self) -> float:
        return self.score()

    def points(self, group: str, plans: Sequence[Plan]) -> Iterator[float]:
        for plan in plans:
            with masked(self.network, self.groups, plan):
                value = self.score()
            yield value


def analyse(
    engine: Engine,
    groups: Groups,
    scores: Mapping[str, np.ndarray],
    provenance: Provenance,
    save_file: Path,
    ratios: Sequence[float] = RATIOS,
    note: Mapping[str, Any] | None = None,
) -> Iterator[tuple[str, dict[float, float]]]:
    """Complete the table in `save_file`; yields (group, its new points) as they are written.

    `scores`: criterion per group. The file is written after every point that the engine yields.
    A file of another model, data set, metric or criterion is refused with a UserError that
    names the difference.
    """
    table = start(engine, groups, provenance, save_file, note)
    for name in groups:
        curve = table.curves.setdefault(name, {})
        missing = [ratio for ratio in ratios if ratio not in curve]
        for new in _evaluate(engine, groups, name, missing, scores, table):
            curve.update(new)
            write_json(save_file, table.as_dict())
            yield name, new


def search(
    engine: Engine,
    groups: Groups,
    scores: Mapping[str, np.ndarray],
    provenance: Provenance,
    save_file: Path,
    budget: float,
    ratios: Sequence[float] = RATIOS,
    note: Mapping[str, Any] | None = None,
) -> Iterator[tuple[str, dict[float, float]]]:
    """Only the points that decide the ratios under `budget`: bisection over `ratios` per group.

    Where a curve rises with the ratio, the largest ratio within the budget and its neighbour above
    are among the points, so `under_budget` gives what it gives for the full table, from 3 or 4
    points of 9. The file is that of `analyse`, points not evaluated being absent, and can be
    completed later. Yields like `analyse`.
    """
    table = start(engine, groups, provenance, save_file, note)
    for name in groups:
        curve = table.curves.setdefault(name, {})
        inside, outside = -1, len(ratios)  # indices: within the budget, and not
        while outside - inside > 1:
            middle = (inside + outside) // 2
            if ratios[middle] not in curve:
                for new in _evaluate(engine, groups, name, [ratios[middle]], scores, table):
                    curve.update(new)
                    write_json(save_file, table.as_dict())
                    yield name, new
            within = curve[ratios[middle]] <= budget
            inside, outside = (middle, outside) if within else (inside, middle)


def falls(curve: Mapping[float, float]) -> list[tuple[float, float]]:
    """Neighbouring ratios of a curve between which the loss falls: [(ratio, next ratio)].

    A budget search of such a curve may have stopped at a smaller ratio than the full table allows.
    """
    ratios = sorted(curve)
    return [(a, b) for a, b in itertools.pairwise(ratios) if curve[b] < curve[a]]


def start(
    engine: Engine,
    groups: Groups,
    provenance: Provenance,
    save_file: Path,
    note: Mapping[str, Any] | None = None,
) -> Sensitivities:
    """The table in `save_file` if it is of the same provenance; a new one with its baseline if not."""
    if save_file.exists():
        table = Sensitivities.read(save_file)
        _refuse_other(table.provenance, provenance, save_file)
        return table
    baseline = engine.baseline()
    if not np.isfinite(baseline) or baseline == 0:
        raise UserError(
            f"the model's own {provenance.metric} is {baseline}; a relative loss of it means "
            "nothing: train the model first, or check the data set"
        )
    table = Sensitivities(provenance, baseline, {}, dict(groups.reasons), dict(note or {}))
    write_json(save_file, table.as_dict())
    return table


def _evaluate(
    engine: Engine,
    groups: Groups,
    name: str,
    ratios: Sequence[float],
    scores: Mapping[str, np.ndarray],
    table: Sensitivities,
) -> Iterator[dict[float, float]]:
    """Points of one group. Ratios that remove equally many channels are evaluated once."""
    plans: dict[int, Plan] = {}
    same: dict[int, list[float]] = {}
    for ratio in ratios:
        plan = make_plan(groups, {name: ratio}, scores)
        count = plan.counts().get(name, groups[name].size)
        plans[count] = plan
        same.setdefault(count, []).append(ratio)
    whole = same.pop(groups[name].size, None)
    if whole:  # so few channels that these ratios remove none
        plans.pop(groups[name].size)
        yield dict.fromkeys(whole, 0.0)
    higher = table.provenance.higher_is_better
    for count, metric in zip(plans, engine.points(name, list(plans.values())), strict=False):
        yield dict.fromkeys(same[count], sensitivity(table.baseline, metric, higher))


def _refuse_other(found: Provenance, wanted: Provenance, path: Path) -> None:
    for key, what in (
        ("model", "another model"),
        ("weights", "other weights"),
        ("data", "another data set or other transforms"),
        ("images", "another number of images"),
        ("metric", "another metric"),
        ("criterion", "another criterion"),
    ):
        old, new = getattr(found, key), getattr(wanted, key)
        if old != new:
            raise UserError(
                f"--save_file: '{path}' was computed with {what} ({old}, now {new}); "
                "choose another file or remove this one"
            )
