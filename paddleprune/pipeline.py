"""The page to read first: each step of the tool as a short paragraph of calls.

train  ->  analyse  ->  train, pruned  ->  export
"""

import functools
import itertools
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from . import cost, models, report, rounds, scheme, tasks
from .analysis.job import Job
from .analysis.run import RunOptions, analyse, analyse_enough
from .config import Config, dump_config
from .data import anchors
from .data.check import check_data
from .data.dataset import Batches, Dataset, open_dataset, open_reader
from .engine import checkpoint, ranks
from .engine.checkpoint import ModelDir, SavedModel
from .engine.evaluate import forward_of
from .engine.fit import Run, fit, make_optimizer
from .engine.hooks import standard
from .engine.pictures import pictures, some
from .engine.score import score
from .engine.start import (
    as_begun,
    beside,
    clear,
    fingerprints,
    goes_on,
    new_model,
    open_model,
    open_splits,
    refuse_other_run,
    refuse_own_weights,
)
from .errors import UserError
from .export import formats, lite_check
from .export.manifest import refuse_other_export, write_export
from .export.parity import check
from .files import checked_path, make_folder, only_one, write_json, write_text
from .progress import bar
from .prune import methods_for, prune
from .pruning.groups import find_groups
from .pruning.sensitivity import Sensitivities
from .pruning.tables import read_table
from .tasks._base import Task
from .untied import untied
from .verdict import verdict

log = logging.getLogger(__name__)


def train(
    config: Config,
    save_dir: str | Path,
    pretrain_weights: str | None = None,
    sensitivities_file: str | None = None,
    eval_metric_loss: float | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Train; before that prune, if there are sensitivities or the strategy needs none.

    With `resume`, `config` is the one saved in `save_dir`, possibly with more epochs.
    Where `save_dir` holds this very run, broken off, it goes on, too. Returns what is written to
    `save_dir/metrics.json`. Raises UserError where `save_dir` holds another run, without `overwrite`.
    """
    folder = checked_path(save_dir, "--save_dir")
    config = scheme.at_the_door(config, sensitivities_file, eval_metric_loss)
    if pretrain_weights is not None:
        config = replace(config, model=replace(config.model, weights=str(pretrain_weights)))
    with only_one(folder):
        if not resume:
            config = untied(config)
            refuse_own_weights(folder, config)
            resume = not overwrite and goes_on(folder, config)
        return _train(config, folder, resume)


def _train(config: Config, folder: Path, resume: bool) -> dict[str, Any]:
    train_set, eval_set = open_splits(config)
    task = tasks.make(config, train_set.labels)
    size, part = config.data.batch_size, (ranks.rank(), ranks.size())
    ranks.join(size, len(train_set))
    batches = Batches(train_set, size, True, config.train.seed, config.data.workers, part)
    paddle.seed(config.train.seed)
    before: float | None = None
    if resume:
        saved, config = checkpoint.load_model(folder / "latest"), as_begun(config, folder)
        refuse_other_run(folder, config, saved, train_set, eval_set)
    else:
        first = scheme.prunes_first(config.prune)
        step = rounds.last(config, folder, train) if config.prune.rounds > 1 else config
        saved = new_model(step, task)
        saved.facts["lists"] = fingerprints(train_set, eval_set)
        if ranks.rank() == 0:
            check_data(train_set, eval_set, folder)
        if first:
            known = bool(config.model.weights) or config.prune.weights == "scratch"
            prune(saved, known, step, task, batches, eval_set, beside(config.model.weights, folder))
            before = saved.facts["pruning"]["before_retrain"]
    methods = methods_for(saved, config, task)
    for method in methods:
        method.prepare(saved.network, fresh=not resume)
    helpers = paddle.nn.LayerList([helper for method in methods if (helper := method.helper()) is not None])
    optimizer, schedule = make_optimizer(saved.network, config.train, len(batches), [helpers])
    loss = functools.reduce(lambda loss, method: method.wrap(loss), methods, task.loss)
    run = Run(saved.network, task, batches, config.train, optimizer, schedule, loss=loss, helpers=helpers)
    if resume:
        run.state = checkpoint.load_state(folder / "latest", saved.network, optimizer, helpers)
        schedule.step(run.state.step)
    else:
        clear(folder)
    if ranks.rank() == 0:
        write_text(make_folder(folder) / "config.yml", dump_config(config))

    def judge() -> dict[str, float]:
        return score(saved.network, task, eval_set, size)

    log.info(_beginning(saved, config, batches))
    around = [hook for method in methods for hook in method.hooks()]
    fit(run, [*around, *standard(folder, saved, judge, before)])
    return _write_metrics(folder, saved, run, eval_set)


def _beginning(saved: SavedModel, config: Config, batches: Batches) -> str:
    """What a run starts with, in a line."""
    (_, height, width), whole = saved.image_shape, cost.count(saved.network, saved.image_shape)
    return (
        f"{config.model.name} at {width}x{height} px: {whole.params / 1e6:.3g} M parameters, {whole.macs / 1e6:.4g} M macs; "
        f"{config.train.epochs} epochs of {len(batches)} steps of {config.data.batch_size} pictures, on {paddle.get_device()}"
    )


def describe_groups(of: Config | ModelDir) -> str:
    """Every convolution and linear layer of a config's model, or of a saved one: its group, or why it has none."""
    if isinstance(of, Config):
        _, network, shape = _untrained(of)
    else:
        saved = checkpoint.load_model(of)
        network, shape = saved.network, saved.image_shape
    return find_groups(network, shape).describe()


def find_anchors(config: Config, count: int) -> tuple[list[list[int]], float, float]:
    """Anchors for the training boxes at `data.image_shape`, how well they fit (the mean IoU of a box with its
    best one), and how well those of the config do. Pictures are taken to be resized whole; the config's
    transforms need not make that shape."""
    heads = models.card(config.model.name).heads
    if config.task != "detection" or "detection" not in heads:
        raise UserError(f"--config: its task is {config.task}; give one of detection")
    heads["detection"].check_count(count)
    reader = open_reader(config.data, "train")
    shape = np.array(config.data.image_shape[:0:-1])
    every = [(s.boxes[:, 2:] - s.boxes[:, :2]) / s.size[::-1] for s in reader.samples]
    sizes = np.concatenate(every) * shape
    try:
        found = anchors.anchors(sizes, count, config.train.seed)
    except ValueError as error:
        raise UserError(f"--count: {count} is too many, {error}; give fewer") from error
    task = tasks.make(config, reader.labels)
    usual = models.build(config.model.name, task.head.arguments(config.model.args)).anchors
    rounded = [[max(1, round(float(n))) for n in pair] for pair in found]
    return rounded, anchors.fit(sizes, found), anchors.fit(sizes, usual)


def check_lite(config: Config | None, model_dir: str | Path | None = None) -> lite_check.Check:
    """What Paddle Lite can take of a saved model, or of the one that a config would train."""
    if config is None:
        saved = checkpoint.load_model(str(model_dir))
        task, network, shape = tasks.of_facts(saved.facts), saved.network, saved.image_shape
    else:
        task, network, shape = _untrained(config)
    return lite_check.check(task.head.deployed(network), shape)


def _untrained(config: Config) -> tuple[Task, paddle.nn.Layer, tuple[int, int, int]]:
    """The config's task, network and image shape, without its data; two classes if it names no number."""
    classes = config.model.args.get("num_classes", 2)
    if type(classes) is not int or not 1 <= classes <= models.LARGEST["num_classes"]:
        most = models.LARGEST["num_classes"]
        raise UserError(f"model.args.num_classes: {classes!r:.80} must be a whole number, 1 to {most}")
    labels = [str(i) for i in range(classes)]
    task = tasks.make(config, labels)
    channels, height, width = config.data.image_shape
    network = models.build(config.model.name, task.head.arguments(config.model.args))
    return task, network, (channels, height, width)


def analyse_model(
    job: Job, save_file: str | Path, options: RunOptions | None = None, enough: bool = False
) -> Sensitivities:
    """Measure how much each group's pruning hurts on validation data; the table in `save_file`.

    With `enough` on a subset of the images that grows until the decisions are certain.
    """
    return (analyse_enough if enough else analyse)(job, Path(save_file), options or RunOptions())


def evaluate_model(
    model_dir: ModelDir, dataset: str | None = None, list_file: str | None = None
) -> dict[str, float]:
    """All metrics of a model directory on its validation data, or on another folder or list."""
    saved, task, data, eval_set = open_model(model_dir, dataset, list_file=list_file)
    return score(saved.network, task, eval_set, data.batch_size, "evaluate", task.full_metric)


def export_model(
    model_dir: str | Path,
    save_dir: str | Path,
    form: str,
    targets: str | Sequence[str] = ("x86", "arm"),
    dataset: str | None = None,
    images: int = 200,
    quant: str = "",
    algorithm: str = "",
    calibration: int = 64,
    source: tuple[str, str] | None = None,
) -> dict[str, Any]:
    """Export, run the exported file on validation images against the trained network, then write.

    `form`: a name of formats.RUNTIMES; `quant`: int8, of lite int16, too; weights as integers, and of all but
    lite what layers are fed, in ranges that `algorithm` finds on `calibration` training pictures, or those of `source`, a
    folder and its list. Returns the manifest. Raises UserError, with nothing written, if the two differ by more than the
    tolerance, or if quantisation costs more than 5 % of the metric.
    """
    targets = targets.split(",") if isinstance(targets, str) else list(targets)
    folder = checked_path(save_dir, "--save_dir")
    refuse_other_export(folder, form)
    saved, task, data, eval_set = open_model(model_dir, dataset)
    deployed = task.head.deployed(saved.network)

    def seen() -> np.ndarray:
        if source is None:
            return pictures(data, calibration, eval_set)
        given = open_dataset(replace(data, val_root=source[0], val_list=source[1]), "val")
        return some(given, calibration, data.batch_size)

    integers = formats.Quant(quant, seen, algorithm) if quant else None
    made = formats.make(form, deployed, saved.image_shape, targets, integers)
    stream = Batches(eval_set, data.batch_size, train=False)
    count = min(len(stream), max(1, images // data.batch_size))
    batches = bar(itertools.islice(stream.epoch(), count), "check", count)
    parity = check(made.runtime, forward_of(deployed), made.forward, batches, task, lossy=bool(quant))
    return write_export(folder, form, made.files, saved, made.exported, parity, quant)


def draw_sensitivities(
    sensitivities_file: str | Path, model_dir: ModelDir, save_dir: str | Path, budgets: Sequence[float] = ()
) -> list[Path]:
    """`sensitivities.png`: a curve per group; `budget.png`: what each eval_metric_loss removes."""
    saved = checkpoint.load_model(model_dir)
    if saved.plan is not None:
        raise UserError(f"--model_dir: '{saved.folder}' is pruned; give the model that was analysed")
    groups = find_groups(saved.network, saved.image_shape)
    name = saved.facts["model"]["name"]
    table = read_table(str(sensitivities_file), groups, name)
    folder = make_folder(save_dir)
    report.sensitivity_curves(table, folder / "sensitivities.png")
    report.budget_curve(table, groups, folder / "budget.png", chosen=budgets)
    return [folder / "sensitivities.png", folder / "budget.png"]


def _write_metrics(folder: Path, saved: SavedModel, run: Run, eval_set: Dataset) -> dict[str, Any]:
    metrics = {
        "metric": run.task.metric.main,
        "value": run.state.best,
        "epoch": run.state.best_epoch,
        "epochs": run.state.epoch,
        "images": len(eval_set),
        "seconds": round(run.state.seconds, 1),
        **cost.count(saved.network, saved.image_shape).as_dict(),
        "nonzero_params": cost.count_nonzero(saved.network),
        **({"pruning": saved.facts["pruning"]} if "pruning" in saved.facts else {}),
    }
    if "dense" in metrics.get("pruning", {}) and metrics["value"] is not None:
        metrics["verdict"] = verdict(metrics, run.task.metric.higher_is_better)
    if ranks.rank() == 0:
        write_json(folder / "metrics.json", metrics)
    return metrics
