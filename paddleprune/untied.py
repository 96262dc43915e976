"""Pruning that no plan can say: the widths are found on the dense network, and a new one is made of them."""

import logging
from dataclasses import replace
from pathlib import Path

from . import cost, models
from .config import Config, PruneConfig
from .engine import checkpoint
from .errors import UserError
from .files import exists

log = logging.getLogger(__name__)


def untied(config: Config) -> Config:
    """For `prune.residuals=untied` the config of a training from random weights, with the widths written out in
    `model.args`; any other config as it is. Raises UserError for a model without such a rule."""
    prune = config.prune
    if prune.residuals != "untied":
        return config
    rule = models.card(config.model.name).untied
    if rule is None or prune.strategy != "adaptive_fixed":
        raise UserError(
            f"prune.residuals: 'untied' is for modnet with prune.strategy=adaptive_fixed, not for {config.model.name} "
            f"with {prune.strategy}; leave it out"
        )
    if prune.weights != "scratch":
        raise UserError(
            "prune.residuals: untied widths are no part of the dense network, whose weights do not fit; add "
            "prune.weights=scratch"
        )
    if not config.model.weights or not exists(Path(config.model.weights), "folder"):
        raise UserError(
            f"--pretrain_weights: '{config.model.weights[:300]}' is no model directory, whose weights say the widths; give "
            "the best_model/ of a run"
        )
    dense = checkpoint.load_model(config.model.weights)
    widths = rule(dense.network, prune.threshold, prune.ratio, prune.keep_backbone)
    model = replace(config.model, args={"widths": widths}, weights="")
    shape = dense.image_shape
    before, after = (cost.count(n, shape) for n in (dense.network, models.build(model.name, model.args)))
    log.info("adaptive_fixed, untied, threshold %g, ratio %g: parameters %.2f -> %.2f M, macs %.0f -> %.0f M; from random weights",
             prune.threshold, prune.ratio, before.params / 1e6, after.params / 1e6, before.macs / 1e6, after.macs / 1e6)  # fmt: skip
    return replace(config, model=model, prune=PruneConfig())
