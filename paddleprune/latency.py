"""Choosing by latency: what each group's pruning saves on THIS machine's runtime, and the cheapest sum.

For every group and a few ratios the network without those channels is exported as it would be shipped and timed
beside the dense one, in turns; other ratios are interpolated. The table is kept in a file. Of all choices whose
savings add up to what is asked, the one with the least predicted loss is taken (a knapsack), exported and
timed; as savings of neighbouring groups overlap, more is asked for until the measured latency is there.
"""

import importlib.metadata
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from . import benchmark, models, scheme
from .config import PruneConfig
from .engine import checkpoint, ranks
from .engine.checkpoint import SavedModel
from .errors import UserError
from .export.formats import RUNTIMES
from .export.inference import export_inference
from .files import write_json
from .progress import bar
from .pruning import criteria, ratios
from .pruning.groups import Groups
from .pruning.narrow import narrow
from .pruning.observed import Observed
from .pruning.plan import keep_count, make_plan
from .strategies import LeastLoss, Setting
from .tasks._base import Task
from .texts import read_json

log = logging.getLogger(__name__)
ROUNDS = 8  # of asking for more
FEW = 3  # ratios of a group that are timed; what lies between is taken to be on the line
SECONDS = 1.5  # of runs of each network at each point, as far as 8 to `repeats` runs allow
NEAR = 0.02  # of the latency asked for: so much above it is still good


@dataclass
class Table:
    """`left`: {group: {ratio: fraction of the dense latency that is left}}. `facts`: what it holds for."""

    facts: dict[str, Any]
    left: dict[str, dict[float, float]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        left = {name: {repr(r): v for r, v in curve.items()} for name, curve in self.left.items()}
        return {**self.facts, "left": left}

    @staticmethod
    def read(path: Path, facts: dict[str, Any]) -> "Table":
        """The table in a file if it holds for the same facts; else an empty one."""
        if not path.is_file():
            return Table(facts)
        raw = read_json(path, "latency table")
        other = [key for key, value in facts.items() if raw.get(key) != value]
        if other:
            log.info("%s is of another %s; measured anew", path, ", ".join(other))
            return Table(facts)
        return Table(facts, {n: {float(r): v for r, v in curve.items()} for n, curve in raw["left"].items()})


class Stopwatch:
    """Times pruned versions of a model beside the dense one."""

    def __init__(
        self, saved: SavedModel, task: Task, groups: Groups, runtime: str, threads: int, repeats: int = 30
    ):
        self.saved, self.task, self.groups = saved, task, groups
        self.runtime, self.threads = runtime, threads
        self.scores = criteria.scores("l1_norm", groups, saved.network)
        self.dense = self._export({})
        once = np.median(benchmark.times([self.dense], runtime, threads, 3, 2)) / 1000
        self.repeats = int(np.clip(SECONDS / once, 8, repeats))

    def left(self, chosen: Mapping[str, float], align: int) -> float:
        """Fraction of the dense latency that is left at these ratios: of medians, in turns."""
        both = [self.dense, self._export(chosen, align)]
        dense, narrow = benchmark.times(both, self.runtime, self.threads, self.repeats, 5)
        return float(np.median(narrow) / np.median(dense))

    def _export(self, chosen: Mapping[str, float], align: int = 1) -> benchmark.Ready:
        facts = self.saved.facts["model"]
        network = models.build(facts["name"], facts["args"])
        # the weights say how many boxes a detector has to sort out
        network.set_state_dict(self.saved.network.state_dict())
        plan = make_plan(self.groups, chosen, self.scores, align)
        narrow(network, plan, self.saved.image_shape, self.groups, check=False)
        network.eval()
        exported = export_inference(self.task.head.deployed(network), self.saved.image_shape)
        return benchmark.converted(exported, self.runtime)


def choose(
    saved: SavedModel, task: Task, groups: Groups, prune: PruneConfig, folder: Path,
    observed: Observed | None = None,
) -> scheme.Scheme:  # fmt: skip
    """Ratios that leave `prune.target.latency` of the dense latency, at the smallest predicted loss.

    `observed`: instead of sensitivities; `folder`: where the latency table is kept. Raises UserError if it cannot be reached.
    """
    if ranks.size() > 1:
        raise UserError(
            "prune.target.latency: several processes would disturb each other's times; prune with "
            "train.epochs=0 in one process, then train that model in several"
        )
    target, name = prune.target, saved.facts["model"]["name"]
    known = scheme.curves_of(prune, groups, name, observed)
    setting = Setting(groups, list(known.curves), known.curves, prune.align, intervals=known.intervals)
    harms = LeastLoss().harms(setting)
    watch = Stopwatch(saved, task, groups, target.runtime, target.threads)
    table = measure(watch, harms, prune.align, folder / f"latency_{target.runtime}_t{target.threads}.json")
    asked, tried = target.latency, []
    for _ in range(ROUNDS):
        try:
            chosen = ratios.for_latency(harms, table.left, max(0.01, asked))
        except UserError:
            if not tried:
                raise
            break  # the savings end here
        found = watch.left(chosen, prune.align)
        log.info("asked %.3f, %.3f of the latency is left on %s", asked, found, target.runtime)
        tried.append((found, chosen))
        if abs(found - target.latency) <= NEAR * target.latency:
            break
        asked += target.latency - found
    slowest = target.latency * (1 + NEAR)
    good = [plan for plan in tried if plan[0] <= slowest]
    if not good:
        raise UserError(
            f"prune.target.latency: {target.latency:g} cannot be reached on {target.runtime}; "
            f"{min(found for found, _ in tried):.3f} is the least that was measured; ask for more, or analyse "
            "larger ratios"
        )
    found, chosen = max(good, key=lambda plan: plan[0])  # the least that has to go
    title = f"{known.source}, {target.latency:g} of the latency ({target.runtime}, {found:.3f} measured)"
    return scheme.Scheme(chosen, title, known.criterion, sure=scheme.predicted(known, setting, chosen))


def measure(watch: Stopwatch, curves: ratios.Curves, align: int, cache: Path) -> Table:
    """The table for all groups and ratios of `curves`, from the cache as far as it goes."""
    table = Table.read(cache, _facts(watch, align))
    missing = [name for name in curves if set(curves[name]) - set(table.left.get(name, {}))]
    total = sum(min(FEW, len(curves[name])) for name in missing)
    progress = bar(None, f"time groups on {watch.runtime}", total, "point")
    for name in missing:
        table.left[name] = _group(watch, name, sorted(curves[name]), align, progress)
        write_json(cache, table.as_dict())
    progress.close()
    return table


def _group(
    watch: Stopwatch, name: str, points: Sequence[float], align: int, progress: Any
) -> dict[float, float]:
    """{ratio: fraction of the latency left} for all `points`, of which a few are timed."""
    group = watch.groups[name]
    gone = {r: 1 - keep_count(group.size, r, group.units_of(align)) / group.size for r in points}
    timed = {0.0: 1.0}  # by the fraction that goes
    for ratio in few(points):
        if gone[ratio] not in timed:
            timed[gone[ratio]] = watch.left({name: ratio}, align)
        progress.update()
    line = falling(timed)
    return {
        r: round(float(np.interp(gone[r], sorted(line), sorted(line.values(), reverse=True))), 5)
        for r in points
    }


def few(points: Sequence[float]) -> list[float]:
    """`FEW` of the points, the last one among them, evenly."""
    count = min(FEW, len(points))
    return [points[round((i + 1) * len(points) / count) - 1] for i in range(count)]


def falling(curve: Mapping[float, float]) -> dict[float, float]:
    """The nearest curve that does not rise with the ratio and never exceeds 1: what a measurement's noise
    hides (isotonic regression)."""
    from sklearn.isotonic import IsotonicRegression

    points = sorted(curve)
    fit = IsotonicRegression(increasing=False, y_max=1.0).fit_transform(points, [curve[r] for r in points])
    return {ratio: round(float(value), 5) for ratio, value in zip(points, fit, strict=True)}


def _facts(watch: Stopwatch, align: int) -> dict[str, Any]:
    machine = benchmark.machine()
    return {
        "model": watch.saved.facts["model"], "weights": checkpoint.fingerprint(watch.saved.network),
        "input": list(watch.saved.image_shape), "runtime": watch.runtime,
        "threads": watch.threads, "align": align, "machine": machine["machine"], "versions": machine["versions"],
        "library": _library(watch.runtime),
    }  # fmt: skip


def _library(runtime: str) -> str:
    """The version of the library behind a runtime."""
    package = RUNTIMES[runtime].package
    return f"{package} {importlib.metadata.version(package)}"
