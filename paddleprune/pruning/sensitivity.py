"""Sensitivity: how much the metric falls when one group loses a fraction of its channels.

    sensitivity(group, ratio) = (baseline - metric) / |baseline|      sign turned if lower is better

The table and its file. Points do not depend on each other, so a file that was begun can be completed
later, and files of parts of the groups can be merged. Who finds the points: measure.py.
"""

import dataclasses
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import UserError
from ..texts import finite, read_json

FORMAT = 1
RATIOS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


class Point(NamedTuple):
    """A sensitivity and bounds of it: on all images where a part was used, else on other images of the kind."""

    loss: float
    interval: tuple[float, float] | None = None


Points = dict[float, Point]  # by ratio


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
    compensated: int = 0  # pictures by which the readers made up for what went; 0 = they did not


@dataclass
class Sensitivities:
    """The table, and what is known about it. `curves`: {group: {ratio: sensitivity}}.
    `intervals`: {group: {ratio: (low, high)}}, as of Point."""

    provenance: Provenance
    baseline: float
    curves: dict[str, dict[float, float]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    note: dict[str, Any] = field(default_factory=dict)  # command, date, ... not compared
    intervals: dict[str, dict[float, tuple[float, float]]] = field(default_factory=dict)
    groups: list[str] = field(default_factory=list)  # all of the network, in its order

    def add(self, group: str, points: Mapping[float, Point]) -> None:
        for ratio, point in points.items():
            self.curves.setdefault(group, {})[ratio] = point.loss
            if point.interval is not None:
                self.intervals.setdefault(group, {})[ratio] = point.interval
        rank = {name: i for i, name in enumerate(self.groups)}
        for table in (self.curves, self.intervals):  # the file does not tell who was finished first
            for name in sorted(table, key=lambda name: rank.get(name, len(rank))):
                table[name] = table.pop(name)  # type: ignore[assignment]

    def as_dict(self) -> dict[str, Any]:
        raw = {
            "format": FORMAT,
            **self.provenance.__dict__,
            "baseline": self.baseline,
            **({"note": self.note} if self.note else {}),
            "not_pruned": self.reasons,
            **({"groups": self.groups} if self.groups else {}),
            "sensitivities": _with_text_keys(self.curves),
        }
        return raw | ({"intervals": _with_text_keys(self.intervals)} if self.intervals else {})

    @staticmethod
    def from_dict(raw: Any, path: str | Path) -> "Sensitivities":
        """Raises UserError if `raw` is not what `as_dict` makes."""
        if not isinstance(raw, dict) or raw.get("format") != FORMAT:
            raise UserError(f"sensitivities file '{path}' is not of format {FORMAT}; analyse again")
        try:
            known = {"compensated": 0, **raw}  # files of older versions do not say
            provenance = Provenance(**{k: known[k] for k in Provenance.__dataclass_fields__})
            curves = checked_curves(raw["sensitivities"])
            intervals = {
                name: {_ratio(r): (finite(low, name), finite(high, name)) for r, (low, high) in curve.items()}
                for name, curve in raw.get("intervals", {}).items()
            }
            note, groups = dict(raw.get("note", {})), [str(name) for name in raw.get("groups", curves)]
            baseline, reasons = finite(raw["baseline"], "baseline"), dict(raw["not_pruned"])
            return Sensitivities(provenance, baseline, curves, reasons, note, intervals, groups)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"sensitivities file '{path}' is damaged ({error!r}); analyse again") from error

    @staticmethod
    def read(path: str | Path) -> "Sensitivities":
        return Sensitivities.from_dict(read_json(path, "sensitivities file"), path)


def checked_curves(raw: Mapping[str, Mapping[Any, Any]]) -> dict[str, dict[float, float]]:
    """Curves as a file holds them. Raises ValueError, TypeError or AttributeError for ratios that are not in
    (0, 1), and for losses that are no finite numbers."""
    return {
        str(name): {_ratio(ratio): finite(loss, f"{name} at {ratio}") for ratio, loss in curve.items()}
        for name, curve in raw.items()
    }


def _ratio(given: Any) -> float:
    return finite(float(given), "ratio", lambda ratio: 0 < ratio < 1)


def _with_text_keys(curves: Mapping[str, Mapping[float, Any]]) -> dict[str, dict[str, Any]]:
    return {name: {str(r): v for r, v in sorted(c.items())} for name, c in curves.items() if c}


def sensitivity(baseline: float, metric: float, higher_is_better: bool) -> float:
    """Relative loss: 0.8 -> 0.6 is 0.25 where higher is better, -0.25 where lower is."""
    loss = (float(baseline) - float(metric)) / abs(float(baseline))
    return loss if higher_is_better else -loss


def falls(curve: Mapping[float, float]) -> list[tuple[float, float]]:
    """Neighbouring ratios of a curve between which the loss falls: [(ratio, next ratio)].

    A budget search of such a curve may have stopped at a smaller ratio than the full table allows.
    """
    ratios = sorted(curve)
    return [(a, b) for a, b in itertools.pairwise(ratios) if curve[b] < curve[a]]


def merge(tables: Mapping[str, Sensitivities]) -> Sensitivities:
    """One table from tables of the same model, data, metric and criterion, by file name.

    Raises UserError that names two files which are not of the same, or say different things.
    """
    first, whole = next(iter(tables.items()))
    whole = dataclasses.replace(whole, curves={}, intervals={})
    for name, table in tables.items():
        refuse_other(whole.provenance, table.provenance, first, name)
        if table.baseline != whole.baseline:
            raise UserError(
                f"'{name}' has the baseline {table.baseline}, '{first}' has {whole.baseline}; they were "
                "computed with different software or batches, analyse again"
            )
        for group, curve in table.curves.items():
            for ratio, loss in curve.items():
                known = whole.curves.get(group, {}).get(ratio, loss)
                if abs(known - loss) > 1e-6 * max(1.0, abs(loss)):
                    raise UserError(
                        f"'{name}' says {loss} for {group} at ratio {ratio}, another file says {known}; "
                        "analyse again"
                    )
            bounds = table.intervals.get(group, {})
            whole.add(group, {r: Point(loss, bounds.get(r)) for r, loss in curve.items()})
    return whole


def refuse_other(found: Provenance, wanted: Provenance, path: str | Path, now: str = "now") -> None:
    """Raises UserError that names the first difference."""
    for key, what in (
        ("model", "another model"),
        ("weights", "other weights"),
        ("data", "another data set or other transforms"),
        ("images", "another number of images"),
        ("metric", "another metric"),
        ("criterion", "another criterion"),
        ("compensated", "another number of pictures to compensate by"),
    ):
        old, new = getattr(found, key), getattr(wanted, key)
        if old != new:
            raise UserError(
                f"'{path}' was computed with {what} ({old}, {now} {new}); "
                "choose another file or remove this one"
            )
