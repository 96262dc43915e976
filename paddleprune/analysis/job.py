"""What is to be analysed, in a form that can be sent to another process, and made ready there."""

import logging
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from paddle import nn

from ..data.dataset import Batches, Subset, fingerprint, stratified_order
from ..engine import checkpoint
from ..engine.evaluate import Forward, evaluate, forward_of
from ..engine.start import open_model
from ..errors import UserError
from ..graph.example import Example
from ..graph.legacy import legacy_graph_of
from ..graph.pir import graph_of
from ..lookup import suggest
from ..pruning import criteria
from ..pruning.confidence import Score, interval
from ..pruning.groups import Groups, find_groups
from ..pruning.measure import Engine, PlainEngine, Search
from ..pruning.replay import ReplayEngine
from ..pruning.sensitivity import RATIOS, Provenance
from .decoded import Decoded

log = logging.getLogger(__name__)
ENGINES = ("plain", "replay")


@dataclass(frozen=True)
class Job:
    """An analysis as asked for.

    `engine`: "replay", or "plain" for one whole evaluation of the dynamic graph per point.
    `subset`: how many of the images; None = all. `threads`: of this process; 0 = all cores.
    """

    model_dir: str
    dataset: str | None = None
    list_file: str | None = None
    criterion: str = "l1_norm"
    ratios: tuple[float, ...] = RATIOS
    batch_size: int | None = None
    engine: str = "replay"
    budget: float | None = None
    subset: int | None = None
    seed: int = 0
    threads: int = 0

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise UserError(f"--engine: '{self.engine}' is not known; {suggest(self.engine, ENGINES)}")
        if self.budget is not None and not 0 <= self.budget < 1:
            raise UserError(f"--eval_metric_loss: {self.budget} is out of range; a budget is in [0, 1)")


class Prepared:
    """A job with its model loaded, its groups found and its images at hand."""

    def __init__(self, job: Job):
        self.job = job
        saved, task, data, eval_set = open_model(job.model_dir, job.dataset, job.batch_size, job.list_file)
        if saved.plan is not None:
            raise UserError(
                f"--model_dir: '{job.model_dir}' is pruned already; analyse the model it was pruned from"
            )
        self.network, self.metric, self.data = saved.network, task.metric, data
        self.finish = task.finish(saved.network)
        self.of = len(eval_set)
        self.images = eval_set if job.subset is None else self._subset(eval_set, job.subset)
        self.example = Example(saved.image_shape)
        self.groups = find_groups(saved.network, self.example)
        self.scores = criteria.scores(job.criterion, self.groups, saved.network)
        self.batches = Decoded(Batches(self.images, data.batch_size, train=False, workers=2))
        self.provenance = Provenance(
            model=saved.facts["model"]["name"],
            weights=checkpoint.fingerprint(saved.network),
            data=fingerprint(self.images, data),
            images=len(self.images),
            metric=task.metric.main,
            higher_is_better=task.metric.higher_is_better,
            criterion=job.criterion,
        )
        self._baseline: float | None = None
        self._engine: Engine | None = None

    def _subset(self, images: Any, count: int) -> Subset:
        if not 0 < count <= self.of:
            raise UserError(f"--subset: {count} is out of range; the list has {self.of} images")
        return Subset(images, sorted(stratified_order(images, self.job.seed)[:count]))

    def engine(self) -> Engine:
        if self._engine is None:
            self._engine = self.choose_engine(self.job.engine)
        return self._engine

    def choose_engine(self, name: str) -> Engine:
        """The engine `name`; the plain one where replay would compute something else."""
        if name == "plain":
            return PlainEngine(self.network, self.groups, lambda: self.score(forward_of(self.network))[0])
        images = next(iter(self.batches))["image"][:2]
        threads = self.job.threads or os.cpu_count() or 1
        for onednn, legacy in ((True, True), (True, False), (False, True), (False, False)):
            if onednn and _crashes_onednn(self.groups):
                continue
            replay = self._replay(threads, onednn, legacy)
            if replay is not None and _agrees(replay, self.network, images):
                return replay
            log.info("replay %s oneDNN, %s: not for this network", *_names(onednn, legacy))
        log.warning("replay computes something else than the network; the plain engine is used, slowly")
        return self.choose_engine("plain")

    def _replay(self, threads: int, onednn: bool, legacy: bool) -> ReplayEngine | None:
        """Replay on one of the network's two programs; None where there is none, or another one."""
        try:
            if legacy:
                graph = legacy_graph_of(self.network, self.example.shape)
            else:
                specs = self.example.specs(min(self.data.batch_size, len(self.images)))
                graph = graph_of(self.network, specs, self.example.call)
            return ReplayEngine(self.groups, self.score, threads, onednn, len(self.images), graph)
        except (UserError, ValueError):
            return None

    def score(self, forward: Forward, variants: int = 1) -> list[float]:
        """The main metric of each variant, in one pass over the images."""
        meters = evaluate(forward, self.batches, self.metric, variants, self.finish)
        return [Score(meter.compute()[meter.main], meter) for meter in meters]

    def baseline(self) -> float:
        """The metric of the dense network, evaluated once."""
        if self._baseline is None:
            self._baseline = self.engine().baseline()
        return self._baseline

    def search(self, baseline: float) -> Search:
        """What finds the points; `baseline` is the table's."""
        bounds = None
        if self.job.subset is not None:
            facts = (self.provenance.higher_is_better, len(self.images), self.of)
            bounds = lambda metric: interval(self.baseline(), metric, *facts)  # noqa: E731
        return Search(
            self.engine(), self.groups, self.scores, baseline, self.provenance.higher_is_better,
            self.job.ratios, self.job.budget, bounds,
        )  # fmt: skip


def _names(onednn: bool, legacy: bool) -> tuple[str, str]:
    return "with" if onednn else "without", "legacy program" if legacy else "own program"


def _agrees(replay: ReplayEngine, network: nn.Layer, images: np.ndarray) -> bool:
    """Does the inference engine say what the network says? Kernels of oneDNN differ for some
    operators (nearest interpolation by other factors than 2)."""
    try:
        pairs = list(
            zip(forward_of(network)(images)[0], replay.whole()(images)[0], strict=False)
        )  # no helpers
    except Exception:  # of a kernel that does not take what it is given
        return False
    return all(np.abs(a - b).max() <= 1e-3 * max(1.0, np.abs(a).max()) for a, b in pairs)


def _crashes_onednn(groups: Groups) -> bool:
    """A batch norm without scale or shift kills the process in oneDNN's kernel."""
    norms = [op for op in groups.graph.operators if op.kind == "batch_norm_"]
    return any(not op.input(3) or not op.input(4) for op in norms)
