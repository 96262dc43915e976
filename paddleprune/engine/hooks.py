"""What happens around the training loop."""

import json
import logging
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..files import atomic_folder, write_json, write_text, writing
from ..progress import bar
from . import ranks
from .checkpoint import SavedModel, save_model, save_state
from .fit import Hook, Run

log = logging.getLogger(__name__)
PATIENCE = 5  # evaluations without a better metric, where a run goes on until it gains no more


class ProgressBar(Hook):
    """A bar over all steps with the loss, the rate and the time left."""

    def before(self, run: Run) -> None:
        self.bar = bar(None, "train", run.total_steps, "step", keep=True, start=run.state.step)

    def after_step(self, run: Run, losses: dict[str, float]) -> None:
        epoch = f"{run.state.epoch + 1}/{run.train.epochs}"
        self.bar.set_postfix(epoch=epoch, loss=f"{losses['loss']:.4f}", refresh=False)
        self.bar.update()

    def after(self, run: Run) -> None:
        self.bar.close()


class Journal(Hook):
    """`log.jsonl`, one line a log step and an evaluation, and the same scalars for VisualDL.

    A resumed run first drops the lines written after its checkpoint, so that the file reads as
    if there had been no break. VisualDL's records cannot be taken back: there the steps after the
    checkpoint are drawn twice.
    """

    def __init__(self, folder: Path):
        self.path, self.vdl_folder = folder / "log.jsonl", folder / "vdl_log"

    def before(self, run: Run) -> None:
        from visualdl import LogWriter

        kept = []
        if run.state.step and self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                try:
                    values = json.loads(line)
                except ValueError:
                    break  # the line that was being written when the process died
                if self._known(values, run):
                    kept.append(line + "\n")
        else:
            shutil.rmtree(self.vdl_folder, ignore_errors=True)
        write_text(self.path, "".join(kept))
        self.vdl = LogWriter(str(self.vdl_folder))

    @staticmethod
    def _known(values: dict, run: Run) -> bool:
        """Does the checkpoint know of what a line says?"""
        try:
            until = run.state.judged if values["kind"] == "eval" else run.state.epoch
            return values["step"] <= run.state.step and values["epoch"] <= until
        except (TypeError, KeyError):
            return False

    def after_step(self, run: Run, losses: dict[str, float]) -> None:
        if run.state.step % run.train.log_every == 0:
            values = {k: round(v, 6) for k, v in losses.items()}
            self.write(run, {**values, "learning_rate": float(f"{run.optimizer.get_lr():.6g}")}, "train")

    def write(self, run: Run, values: Mapping[str, float], kind: str) -> None:
        line = {"kind": kind, "epoch": run.state.epoch, "step": run.state.step, **values}
        with writing(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        for name, value in values.items():
            self.vdl.add_scalar(f"{kind}/{name}", value, run.state.step)

    def after(self, run: Run) -> None:
        self.vdl.close()


class Evaluate(Hook):
    """Every `eval_every` epochs: the metric, `best_model/` if it is the best, early stopping.
    Without a `journal` and a `checkpoint` nothing is written: another process does. `first`: the metric before
    the first epoch, where it is known; that network is the best one until an epoch makes a better one."""

    def __init__(
        self, folder: Path, saved: SavedModel, evaluate: Callable[[], dict[str, float]],
        journal: Journal | None = None, checkpoint: "Checkpoint | None" = None, first: float | None = None,
    ):  # fmt: skip
        self.folder, self.saved, self.evaluate, self.first = folder, saved, evaluate, first
        self.journal, self.checkpoint = journal, checkpoint

    def before(self, run: Run) -> None:
        pruning = self.saved.facts.get("pruning", {})
        if run.train.until and "dense" not in pruning:
            raise UserError(
                "train.until: 'dense' is for a network that was pruned, which knows what it could before; leave it out"
            )
        self.goal = pruning["dense"]["value"] if run.train.until else None
        if self.first is not None and run.state.step == 0:
            self.keep(run, self.first)
        if run.state.judged < run.state.epoch:  # the run ended while the epoch was judged
            self.after_epoch(run)
        self.stop_if_enough(run)  # a run that had stopped early and is resumed stays stopped

    def after_epoch(self, run: Run) -> None:
        if not run.state.epoch % run.train.eval_every or run.state.epoch >= run.train.epochs:
            self.judge(run)
        run.state.judged = run.state.epoch
        if self.checkpoint is not None:
            self.checkpoint.progress(run)

    def judge(self, run: Run) -> None:
        metric, state = run.task.metric, run.state
        values = self.evaluate()
        if self.journal is not None:
            self.journal.write(run, values, "eval")
        value = values[metric.main]
        sign = 1 if metric.higher_is_better else -1
        better = state.best is None or sign * value > sign * state.best
        text = "  ".join(f"{k} {v:.4f}" for k, v in values.items())
        log.info("epoch %d/%d: %s%s", state.epoch, run.train.epochs, text, "  (best)" if better else "")
        if better:
            self.keep(run, value)
        else:
            state.evaluations_since_best += 1
        self.stop_if_enough(run)

    def keep(self, run: Run, value: float) -> None:
        """The network as it is becomes the best one."""
        state = run.state
        state.best, state.best_epoch, state.evaluations_since_best = value, state.epoch, 0
        facts = {**self.saved.facts, "metric_value": value, "epoch": state.epoch}
        if self.journal is not None:
            with atomic_folder(self.folder / "best_model") as temporary:
                save_model(temporary, self.saved.network, facts, self.saved.plan)

    def stop_if_enough(self, run: Run) -> None:
        state, metric = run.state, run.task.metric
        sign = 1 if metric.higher_is_better else -1
        if self.goal is not None and state.best is not None and sign * state.best >= sign * self.goal:
            run.stop = f"{metric.main} is what it was before pruning, {self.goal:.4f}"
            log.info("the end: %s", run.stop)
            return
        patience = run.train.early_stop or (PATIENCE if run.train.until else 0)
        if patience and state.evaluations_since_best >= patience:
            run.stop = f"no better {metric.main} in {state.evaluations_since_best} evaluations"
            log.info("stopping early: %s", run.stop)


class Checkpoint(Hook):
    """`latest/` after each epoch, and every `save_every` steps inside it."""

    def __init__(self, folder: Path, saved: SavedModel):
        self.folder, self.saved = folder, saved

    def before(self, run: Run) -> None:
        self.since = time.monotonic()

    def after_step(self, run: Run, losses: dict[str, float]) -> None:
        if run.train.save_every and run.state.step % run.train.save_every == 0:
            self.save(run)

    def after_epoch(self, run: Run) -> None:
        self.save(run)

    def save(self, run: Run) -> None:
        self._time(run)
        save_state(self.folder / "latest", self.saved, run.optimizer, run.state, run.helpers)

    def progress(self, run: Run) -> None:
        """Write again only what is known of the run; the weights are those of the last checkpoint."""
        self._time(run)
        write_json(self.folder / "latest" / "state.json", vars(run.state))

    def _time(self, run: Run) -> None:
        run.state.seconds += time.monotonic() - self.since
        self.since = time.monotonic()


def standard(
    folder: Path, saved: SavedModel, evaluate: Callable[[], dict[str, float]], first: float | None = None
) -> list[Any]:
    """The hooks of every run. An epoch is saved before it is judged: that can fail, and takes long. Of
    several processes the first one writes."""
    if ranks.rank() != 0:
        return [Evaluate(folder, saved, evaluate, first=first)]
    journal, checkpoint = Journal(folder), Checkpoint(folder, saved)
    return [journal, checkpoint, Evaluate(folder, saved, evaluate, journal, checkpoint, first), ProgressBar()]
