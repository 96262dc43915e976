"""A trained network is made smaller before it is trained again: channels go, or single weights."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from . import cost, latency, models, scheme
from .config import Config
from .data.dataset import Batches, Dataset
from .engine import checkpoint, ranks
from .engine.checkpoint import SavedModel
from .engine.fit import Hook
from .engine.hooks import KeepZeros
from .engine.recalibrate import recalibrate
from .engine.score import score
from .errors import UserError
from .pruning.groups import find_groups
from .pruning.narrow import narrow
from .pruning.unstructured import apply_masks, magnitude_masks, present_masks
from .tasks._base import Task

log = logging.getLogger(__name__)
Choice = tuple[dict[str, Any], Callable[[], None]]  # what was chosen, for the files, and what carries it out


def prune(
    saved: SavedModel, known: bool, config: Config, task: Task, batches: Batches, eval_set: Dataset,
    sensitivities_file: str | None, eval_metric_loss: float | None, folder: Path,
) -> None:  # fmt: skip
    """Narrow `saved.network` by the config's strategy and judge it before retraining. What was done goes
    into `saved.facts["pruning"]`, measured latencies into `folder`. Raises UserError for a model
    that is pruned already, for settings that do not fit the model, and for one whose weights are not
    `known` but random, before anything takes long."""
    if saved.plan is not None:
        raise UserError(
            "--pretrain_weights: the model is pruned already; leave --sensitivities_file and prune.strategy out "
            "to retrain it as it is, or start from the model that is not pruned"
        )
    size, main = config.data.batch_size, task.metric.main
    if config.prune.strategy == "magnitude":
        facts, narrow = _choose_weights(saved, config)
    else:
        facts, narrow = _choose_channels(
            saved, config, task, batches, sensitivities_file, eval_metric_loss, folder
        )
    if not known:
        raise UserError(
            "--pretrain_weights: missing; without it the network that is pruned has random weights. Give the "
            "best_model/ of a run, or set prune.weights=scratch to train a narrow network anew"
        )
    before = score(saved.network, task, eval_set, size, "before pruning")[main]
    dense: dict[str, Any] = cost.count(saved.network, saved.image_shape).as_dict()
    dense |= {"value": before, "weights": checkpoint.fingerprint(saved.network)}
    narrow()
    after = score(saved.network, task, eval_set, size, "before retraining")[main]
    log.info("%s: %.4f dense, %.4f pruned, before retraining", main, before, after)
    saved.facts["pruning"] = {**facts, "dense": dense, "before_retrain": after}


def hooks_for(saved: SavedModel, config: Config) -> list[Hook]:
    """What keeps the network pruned while it trains; narrow layers need nothing."""
    if config.prune.strategy != "magnitude":
        return []
    return [KeepZeros(present_masks(_layer_weights(saved)))]


def _choose_channels(
    saved: SavedModel, config: Config, task: Task, batches: Batches, file: str | None, budget: float | None,
    folder: Path,
) -> Choice:  # fmt: skip
    groups = find_groups(saved.network, saved.image_shape)
    name = saved.facts["model"]["name"]
    if config.prune.strategy == "for_target" and scheme.target_of(config.prune)[0] == "latency":
        chosen = latency.choose(saved, task, groups, config.prune, file, folder)
    else:
        chosen = scheme.choose(config.prune, groups, name, file, budget, saved.network)
    plan = scheme.plan_of(chosen, config.prune.align, groups, saved.network)
    log.info("%s", scheme.table(groups, plan, chosen))

    def carry_out() -> None:
        narrow(saved.network, plan, saved.image_shape, groups)
        if config.prune.recalibrate:
            recalibrate(saved.network, batches.epoch(), config.prune.recalibrate)
            ranks.average_statistics(saved.network)
        if config.prune.weights == "scratch":
            saved.network = models.build(name, saved.facts["model"]["args"])
            narrow(saved.network, plan, saved.image_shape, check=False)
        saved.plan = plan

    return {"scheme": chosen.title, "criterion": chosen.criterion, "align": config.prune.align}, carry_out


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
