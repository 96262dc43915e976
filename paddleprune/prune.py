"""A trained network is made smaller before it is trained again: channels go, or single weights."""

import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from . import cost, latency, models, plan_table, scheme
from .config import Config, PruneConfig
from .data.dataset import Batches, Dataset
from .engine import checkpoint, ranks
from .engine.checkpoint import SavedModel
from .engine.pictures import pictures
from .engine.recalibrate import recalibrate
from .engine.score import score
from .engine.taylor import first_order
from .errors import UserError
from .graph.example import Example, outputs_of
from .methods import Distill, Features, KeepZeros, Method, Sparsity
from .models import card
from .modes import evaluating
from .pruning import criteria
from .pruning.compensate import narrow_compensated
from .pruning.groups import Groups, find_groups
from .pruning.narrow import narrow
from .pruning.observed import Observed
from .pruning.readers import pictures_that_fit
from .pruning.unstructured import apply_masks, magnitude_masks, present_masks
from .target import target_of
from .tasks._base import Task

log = logging.getLogger(__name__)
Choice = tuple[dict[str, Any], Callable[[], None]]  # what was chosen, for the files, and what carries it out


def prune(
    saved: SavedModel, known: bool, config: Config, task: Task, batches: Batches, eval_set: Dataset, folder: Path
) -> None:  # fmt: skip
    """Narrow `saved.network` by the config's strategy and judge it before retraining. What was done goes
    into `saved.facts["pruning"]`, measured latencies into `folder`. Raises UserError for a model
    that is pruned already, for settings that do not fit the model, and for one whose weights are not
    `known` but random, before anything takes long."""
    asked = config.prune
    anew = (
        asked.strategy in ("uniform", "least_loss") and not asked.sensitivities and not asked.target.latency
    )
    if saved.plan is not None and not anew:
        raise UserError(
            "--pretrain_weights: the model is pruned already; leave --sensitivities_file and prune.strategy out "
            "to retrain it as it is, start from the model that is not pruned, or prune it again by "
            "prune.strategy=least_loss (a target of params, macs or megabytes) or uniform, which need no sensitivities"
        )
    size, main = config.data.batch_size, task.metric.main
    if config.prune.strategy == "magnitude":
        facts, narrow = _choose_weights(saved, config)
        _refuse_random(known)
    else:
        facts, narrow = _choose_channels(saved, known, config, task, batches, folder)
    before = score(saved.network, task, eval_set, size, "before pruning")[main]
    begun = checkpoint.fingerprint(saved.network)
    dense: dict[str, Any] = cost.count(saved.network, saved.image_shape).as_dict()
    dense |= {"value": before, "weights": begun}
    dense = saved.facts.get("pruning", {}).get("dense", dense)  # of a network that is pruned again
    narrow()
    after = score(saved.network, task, eval_set, size, "before retraining")[main]
    log.info("%s: %.4f dense, %.4f pruned, before retraining", main, before, after)
    saved.facts["pruning"] = {**facts, "dense": dense, "begun": begun, "before_retrain": after}


def _refuse_random(known: bool) -> None:
    if not known:
        raise UserError(
            "--pretrain_weights: missing; without it the network that is pruned has random weights. Give the "
            "best_model/ of a run, or set prune.weights=scratch to train a narrow network anew"
        )


def methods_for(saved: SavedModel, config: Config, task: Task) -> list[Method]:
    """How a network is trained: single weights that went stay away, and the network it was may teach it."""
    methods: list[Method] = []
    if config.prune.strategy == "magnitude":
        methods.append(KeepZeros(present_masks(_layer_weights(saved))))
    train = config.train
    if train.sparsity:
        model = saved.facts["model"]["name"]
        parts = {
            ("",) if part == "all" else scheme.part_of(model, part): float(w)
            for part, w in train.sparsity.items()
        }
        methods.append(Sparsity(parts, train.scales))
    elif train.scales:
        raise UserError("train.scales: is for train.sparsity; set that, or leave it out")
    if train.match and not train.distill:
        raise UserError("train.match: is for a teacher; set train.distill, e.g. to 0.5, or leave it out")
    if train.distill and train.epochs and (folder := _teacher(config)):
        teacher = checkpoint.load_model(folder)
        _refuse_other_teacher(teacher, saved)
        log.info("taught by %s", folder)
        features = _features(saved, teacher, config) if train.match else None
        methods.append(Distill(task.head, teacher.network, train.distill, features, train.match_weight))
    elif train.distill and train.epochs:
        log.warning("train.distill: there is no teacher; name one with train.teacher=MODEL_DIR")
    return methods


def _features(saved: SavedModel, teacher: SavedModel, config: Config) -> Features:
    """What compares the maps of the two: of the layers that are named, or those of the model's card."""
    known, train = card(saved.facts["model"]["name"]), config.train
    names = train.match_layers or list(known.norms if train.match == "ofd" else known.levels)
    if not names:
        raise UserError(
            f"train.match_layers: {saved.facts['model']['name']} names no layers to compare; give names of layers, as "
            "paddleprune groups shows them"
        )
    image = paddle.zeros([1, *saved.image_shape])
    return Features(train.match, saved.network, teacher.network, names, image)


def _teacher(config: Config) -> str:
    """The model directory of the teacher: the one that is named, or the dense model that the run prunes."""
    if config.train.teacher:
        return config.train.teacher
    pruned = config.prune.sensitivities or config.prune.strategy != PruneConfig().strategy
    scratch = config.prune.weights == "scratch"
    return config.model.weights if pruned and not scratch and Path(config.model.weights).is_dir() else ""


def _refuse_other_teacher(teacher: SavedModel, saved: SavedModel) -> None:
    theirs, ours = _what_it_says(teacher, saved.image_shape), _what_it_says(saved, saved.image_shape)
    for what, said in ours.items():
        if theirs[what] != said:
            raise UserError(
                f"train.teacher: '{teacher.folder}' has another {what} ({theirs[what]!s:.80}) than the model "
                f"({said!s:.80}); name one that was trained for the same, or set train.distill=0"
            )


def _what_it_says(saved: SavedModel, shape: Sequence[int]) -> dict[str, Any]:
    """What two networks must have in common if one is to learn from the other, for images of `shape`."""
    anchors = getattr(saved.network, "anchors", None)
    known = {"task": saved.facts["task"], "labels": saved.facts["labels"], "anchors": anchors}
    with evaluating(saved.network), paddle.no_grad():
        try:
            outputs = outputs_of(saved.network(paddle.zeros([1, *shape])))
        except Exception as error:  # whatever a forward raises for images that are not its own
            return {**known, "shape of outputs": f"none for {list(shape)}: {type(error).__name__}"}
    return {**known, "shape of outputs": [output.shape for output in outputs]}


def _choose_channels(
    saved: SavedModel, known: bool, config: Config, task: Task, batches: Batches, folder: Path
) -> Choice:
    groups = find_groups(saved.network, saved.image_shape)
    name, asked = saved.facts["model"]["name"], _of_what_is_left(saved, config.prune, groups)
    if asked.strategy == "slimming":
        _refuse_random(bool(config.model.weights))
    seen = _Seen(saved, config, groups)
    blind = asked.strategy == "least_loss" and not asked.sensitivities
    if blind:
        _refuse_random(known)
    residuals = seen.observed if blind and scheme.compensates(asked) else None
    if asked.strategy in ("for_target", "least_loss") and target_of(asked)[0] == "latency":
        chosen = latency.choose(saved, task, groups, asked, folder, residuals)
    else:
        chosen = scheme.choose(asked, groups, name, saved.network, residuals)
    scheme.refuse_empty(chosen, asked.align, groups)
    _refuse_random(known)
    plan = scheme.plan_of(
        chosen, asked.align, groups, saved.network, _judge(chosen.criterion, seen, task, batches)
    )
    log.info("%s", plan_table.table(groups, plan, chosen))

    def carry_out() -> None:
        if scheme.compensates(asked):
            mended = narrow_compensated(saved.network, plan, saved.image_shape, groups, seen.pictures)
            log.info("%d layers make up for what went, by %d pictures", len(mended), len(seen.pictures))
        else:
            narrow(saved.network, plan, saved.image_shape, groups)
        if asked.recalibrate:
            recalibrate(saved.network, batches.epoch(), asked.recalibrate)
            ranks.average_statistics(saved.network)
        saved.plan = plan if saved.plan is None else saved.plan.then(plan)
        if asked.weights == "scratch":
            saved.network = models.build(name, saved.facts["model"]["args"])
            narrow(saved.network, saved.plan, saved.image_shape, check=False)

    facts = {"scheme": chosen.title, "criterion": chosen.criterion, "align": asked.align}
    return {**facts, "compensated": asked.compensate if scheme.compensates(asked) else 0}, carry_out


def _judge(criterion: str, seen: "_Seen", task: Task, batches: Batches) -> criteria.Observed | None:
    """What the criterion needs besides the weights."""
    if criterion == criteria.RECONSTRUCTION:
        return seen.observed
    if criterion == criteria.TAYLOR:
        same = Batches(batches.dataset, batches.batch_size, True, seen.config.train.seed)  # for every process
        return first_order(seen.saved.network, seen.groups, task, same)
    return None


def _of_what_is_left(saved: SavedModel, asked: PruneConfig, groups: Groups) -> PruneConfig:
    """Targets are fractions of the dense network, also where it was pruned before."""
    dense = saved.facts.get("pruning", {}).get("dense")
    if saved.plan is None or dense is None:
        return asked
    left = {key: getattr(groups.cost(), key) / dense[key] for key in ("params", "macs")}
    now = {key: min(1.0, getattr(asked.target, key) / part) for key, part in left.items()}
    return replace(asked, target=replace(asked.target, **now))


class _Seen:
    """The pictures that the network is looked at with, and what is seen; read when they are first asked for."""

    def __init__(self, saved: SavedModel, config: Config, groups: Groups):
        self.saved, self.config, self.groups = saved, config, groups

    @functools.cached_property
    def pictures(self) -> np.ndarray:
        fit = pictures_that_fit(self.groups)
        if fit < self.config.prune.compensate:
            log.info("%d pictures are looked at, as many as memory holds", fit)
        return pictures(self.config.data, min(self.config.prune.compensate, fit))

    @functools.cached_property
    def observed(self) -> Observed:
        example = Example(self.saved.image_shape)
        return Observed(self.saved.network, example, self.groups, self.pictures)


def _choose_weights(saved: SavedModel, config: Config) -> Choice:
    if config.prune.recalibrate or config.prune.weights != "inherit":
        raise UserError(
            "prune.strategy: 'magnitude' takes neither prune.recalibrate nor prune.weights=scratch; leave them out"
        )
    ratio = config.prune.ratio
    weights, only = _layer_weights(saved), ""
    if config.prune.scope:
        beginnings = scheme.part_of(saved.facts["model"]["name"], config.prune.scope)
        weights = {name: array for name, array in weights.items() if name.startswith(beginnings)}
        only = f", only {config.prune.scope}"
    masks = magnitude_masks(weights, ratio)
    log.info("%.0f %% of the weights of convolutions and linear layers become zero%s", 100 * ratio, only)
    return {"scheme": f"magnitude {ratio}{only}"}, lambda: apply_masks(saved.network, masks)


def _layer_weights(saved: SavedModel) -> dict[str, np.ndarray]:
    """The weights of convolutions and linear layers, by name."""
    tensors = saved.network.state_dict()
    return {name: tensors[name].numpy() for name in find_groups(saved.network, saved.image_shape).layers}
