"""What is to be analysed, in a form that can be sent to another process, and made ready there."""

import logging
import math
from dataclasses import dataclass
from typing import Any

from ..data.dataset import Batches, Dataset, Subset, fingerprint, stratified_order
from ..engine import checkpoint
from ..engine.evaluate import Forward, evaluate, forward_of
from ..engine.pictures import pictures
from ..engine.start import open_model
from ..engine.taylor import first_order, labelled
from ..errors import UserError
from ..graph.example import Example
from ..lookup import suggest
from ..processor import cores
from ..pruning import criteria
from ..pruning.confidence import Score, interval
from ..pruning.groups import find_groups
from ..pruning.measure import Engine, PlainEngine, Search
from ..pruning.observed import Observed
from ..pruning.readers import pictures_that_fit
from ..pruning.sensitivity import RATIOS, Provenance
from ..pruning.trusted import trusted_replay
from ..tasks._base import Task
from .decoded import Decoded

log = logging.getLogger(__name__)
ENGINES = ("plain", "replay")


@dataclass(frozen=True)
class Job:
    """An analysis as asked for.

    `engine`: "replay", or "plain" for one whole evaluation of the dynamic graph per point.
    `subset`: how many of the images; None = all. `threads`: of this process; 0 = all cores. `compensate`: training
    pictures by which the readers of removed channels make up for them, as they will when the network is pruned; 0 = none.
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
    compensate: int = 0

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise UserError(f"--engine: '{self.engine}' is not known; {suggest(self.engine, ENGINES)}")
        if self.budget is not None and not 0 <= self.budget < 1:
            raise UserError(f"--eval_metric_loss: {self.budget} is out of range; a budget is in [0, 1)")
        criteria.refuse_unknown(self.criterion)
        if self.compensate < 0 or (self.compensate == 0 and self.criterion == criteria.RECONSTRUCTION):
            least = "1 or more for the criterion reconstruction" if self.compensate == 0 else "0 or more"
            raise UserError(f"--compensate: {self.compensate} is out of range; it must be {least}")


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
        self.finish = task.head.finish(saved.network)
        self.of = len(eval_set)
        self.images = eval_set if job.subset is None else self._subset(eval_set, job.subset)
        self.example = Example(saved.image_shape)
        self.groups = find_groups(saved.network, self.example)
        self.observed = self._observe(eval_set) if job.compensate else None
        self.scores = criteria.scores(job.criterion, self.groups, saved.network, self._judge(task))
        self.batches = Decoded(Batches(self.images, data.batch_size, train=False, workers=2))
        self.provenance = Provenance(
            model=saved.facts["model"]["name"],
            weights=checkpoint.fingerprint(saved.network),
            data=fingerprint(self.images, data),
            images=len(self.images),
            metric=task.metric.main,
            higher_is_better=task.metric.higher_is_better,
            criterion=job.criterion,
            compensated=0 if self.observed is None else self.observed.count,
        )
        self._baseline: float | None = None
        self._engine: Engine | None = None

    def _observe(self, eval_set: Dataset) -> Observed:
        count = min(self.job.compensate, pictures_that_fit(self.groups))
        return Observed(self.network, self.example, self.groups, pictures(self.data, count, eval_set))

    def _judge(self, task: Task) -> criteria.Observed | None:
        """What the criterion needs besides the weights."""
        if self.job.criterion != criteria.TAYLOR:
            return self.observed
        try:
            return first_order(self.network, self.groups, task, labelled(self.data, task))
        except KeyError as error:
            raise UserError(
                f"--criterion: 'taylor' needs {error} with each picture, which the evaluation's transforms do not make; "
                "use reconstruction, or prune.criterion=taylor in training"
            ) from error

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
            plain = lambda: self.score(forward_of(self.network))[0]  # noqa: E731
            return PlainEngine(self.network, self.groups, plain, self.observed)
        probe = next(iter(self.batches))["image"][:2]
        replay = trusted_replay(
            self.network, self.example, self.groups, self.score, probe,
            min(self.data.batch_size, len(self.images)), len(self.images), self.job.threads or cores(),
            self.observed,
        )  # fmt: skip
        if replay is not None:
            return replay
        log.warning("replay computes something else than the network; the plain engine is used, slowly")
        return self.choose_engine("plain")

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
        of = math.inf if self.job.subset is None else self.of
        facts = (self.provenance.higher_is_better, len(self.images), of)
        bounds = lambda metric: interval(self.baseline(), metric, *facts)  # noqa: E731
        return Search(
            self.engine(), self.groups, self.scores, baseline, self.provenance.higher_is_better,
            self.job.ratios, self.job.budget, bounds,
        )  # fmt: skip
