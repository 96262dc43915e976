"""A whole analysis: on all images or on enough of them, here, in many processes or on a cluster."""

import dataclasses
import datetime
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..engine.start import open_model
from ..errors import UserError
from ..processor import cores
from ..pruning.confidence import undecided
from ..pruning.measure import Found, complete, one_by_one, start
from ..pruning.sensitivity import Sensitivities, falls
from ..scheme import DEFAULT_LOSS
from . import on_ray, workers
from .job import Job, Prepared
from .show import Listener, shown
from .verify import verify

FIRST = 100  # images of the first subset of `analyse_enough`
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunOptions:
    """How an analysis is carried out; what it finds does not depend on it.

    `workers`: processes of this machine, or of the Ray cluster at address `ray` (then 0 = its cores).
    `shard`: (k, n) = only every n-th group, from the k-th on; tables of all shards can be merged.
    `verify`: so many random points are evaluated again the plain way.
    `note`: goes into the file. `listener`: see show.py.
    """

    workers: int = 1
    ray: str | None = None
    shard: tuple[int, int] = (1, 1)
    verify: int = 0
    note: Mapping[str, Any] = field(default_factory=dict)
    listener: Listener | None = None

    def __post_init__(self) -> None:
        for name, value, least in (
            ("verify", self.verify, 0),
            ("workers", self.workers, 0 if self.ray else 1),
        ):
            if value < least:
                raise UserError(f"--{name}: {value} is out of range; it must be {least} or more")
        part, of = self.shard
        if not 1 <= part <= of:
            raise UserError(f"--shard: {part}/{of} is out of range; parts are numbered 1/{of} to {of}/{of}")


def analyse(job: Job, save_file: Path, options: RunOptions) -> Sensitivities:
    """Complete the table in `save_file`, and say what a user should know before trusting it."""
    ready = Prepared(job)
    note = {
        "date": datetime.date.today().isoformat(),
        "dataset": Path(ready.data.val_root or ready.data.root).name,
    }
    if job.subset is not None:
        note["subset"] = f"{job.subset} of {ready.of} images, stratified, seed {job.seed}"
    table = start(save_file, ready.provenance, ready.groups, ready.baseline, {**note, **options.note})
    names = list(ready.groups)[options.shard[0] - 1 :: options.shard[1]]
    found = complete(table, save_file, _found(ready, table, names, options))
    shown(found, table, names, len(job.ratios), job.budget, options.listener)
    _warn(table, job.budget)
    if options.verify:
        plain = ready.choose_engine("plain")
        worst = verify(table, plain, ready.groups, ready.scores, options.verify)
        log.info("verified %d points the plain way: max |difference| %.2g", options.verify, worst)
    return table


def analyse_enough(job: Job, save_file: Path, options: RunOptions) -> Sensitivities:
    """`analyse` on a stratified subset that is doubled until the budget's decision of every group is
    certain, or all images are in. A subset contains the smaller ones.

    The budget is the job's, or the usual one if it has none.
    """
    of = len(open_model(job.model_dir, job.dataset, job.batch_size, job.list_file)[3])
    count = Sensitivities.read(save_file).provenance.images if save_file.exists() else FIRST
    while True:
        table = analyse(dataclasses.replace(job, subset=count if count < of else None), save_file, options)
        if count >= of or not undecided(table.intervals, DEFAULT_LOSS if job.budget is None else job.budget):
            return table
        count *= 2
        save_file.unlink()


def _found(ready: Prepared, table: Sensitivities, names: list[str], options: RunOptions) -> Found:
    job = ready.job
    if options.ray:
        return on_ray.shared_out(job, names, table.curves, table.baseline, options.workers, options.ray)
    if options.workers > 1:
        each = dataclasses.replace(job, threads=job.threads or max(1, cores() // options.workers))
        return workers.shared_out(each, names, table.curves, table.baseline, options.workers)
    return one_by_one(ready.search(table.baseline), table.curves, names)


def _warn(table: Sensitivities, budget: float | None) -> None:
    wavy = [
        f"{name} ({low:g} to {high:g})"
        for name, curve in table.curves.items()
        for low, high in (falls(curve) if budget is not None else [])
    ]
    if wavy:
        log.warning(
            "the loss falls where the ratio rises, and a full analysis, without --eval_metric_loss, may "
            "allow larger ratios, for: %s",
            ", ".join(wavy),
        )
    if table.intervals:
        budget = DEFAULT_LOSS if budget is None else budget
        unsure, subset = undecided(table.intervals, budget), table.note.get("subset")
        (log.warning if unsure else log.info)(
            "%s: at eval_metric_loss %g the ratios of %d of %d groups may be others on %s%s",
            subset or "all images",
            budget,
            len(unsure),
            len(table.intervals),
            "all images" if subset else "other pictures of this kind",
            f": {', '.join(unsure)}; use a larger --subset, or auto" if unsure and subset else "",
        )
