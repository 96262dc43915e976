"""Pruning in several rounds: a part goes, the rest is trained a little, and what is left is looked at anew.

    SAVE_DIR/round_1/  SAVE_DIR/round_2/  ...    runs of their own, for 1/n of the epochs each
    SAVE_DIR                                     the last round, for all of them

Round k of n leaves t^(k/n) of the dense network where t is asked for. All are taught by the dense network.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from .config import Config, load_config
from .engine import checkpoint, ranks
from .errors import UserError
from .files import exists, recover_folder
from .texts import read_yaml

log = logging.getLogger(__name__)
Train = Callable[..., dict[str, Any]]


def last(config: Config, folder: Path, train: Train) -> Config:
    """The config of the last round, after the earlier ones were made with `train` if need be: finished ones of the same
    config stay, broken ones go on. Raises UserError for a strategy that cannot look anew."""
    rounds, prune = config.prune.rounds, config.prune
    no_part = prune.target.latency or prune.target.megabytes  # of which each round could leave its own
    if prune.sensitivities or prune.strategy not in ("uniform", "least_loss") or no_part:
        raise UserError(
            "prune.rounds: each round looks at the network anew, which prune.strategy=least_loss (with "
            "prune.target.params or macs) and uniform do, without sensitivities; use one of them"
        )
    if ranks.size() > 1:
        raise UserError(
            "prune.rounds: rounds are made in one process; prune by steps, with rounds=1, in several"
        )
    if not config.model.weights or not exists(Path(config.model.weights), "folder"):
        raise UserError(
            f"--pretrain_weights: '{config.model.weights[:300]}' is no model directory, which rounds begin with and are "
            "taught by; give the best_model/ of a run"
        )
    teacher = config.train.teacher or config.model.weights
    short = replace(config.train, epochs=-(-config.train.epochs // rounds), teacher=teacher, until="")
    weights = config.model.weights
    for number in range(1, rounds):
        step = replace(_step(config, number, weights), train=short)
        weights = str(_made(step, folder / f"round_{number}", train))
    return replace(_step(config, rounds, weights), train=replace(config.train, teacher=teacher))


def _step(config: Config, number: int, weights: str) -> Config:
    prune, share = config.prune, number / config.prune.rounds
    target = replace(prune.target, params=prune.target.params**share, macs=prune.target.macs**share)
    ratio = 1 - (1 - prune.ratio) ** (1 / prune.rounds)
    least = prune.strategy == "least_loss"
    now = replace(prune, rounds=1, target=target) if least else replace(prune, rounds=1, ratio=ratio)
    return replace(config, prune=now, model=replace(config.model, weights=weights))


def _begun(folder: Path) -> str | None:
    """Fingerprint of the weights that the round in a folder began with, if there is one."""
    for name in ("best_model", "latest"):
        if exists(folder / name / "model.yml"):
            return read_yaml(folder / name / "model.yml", "model file").get("pruning", {}).get("begun")
    return None


def _made(config: Config, folder: Path, train: Train) -> Path:
    recover_folder(folder / "latest")
    weights = checkpoint.fingerprint(checkpoint.load_model(config.model.weights).network)
    same = _begun(folder) == weights and load_config(folder / "config.yml") == config
    if not same or not (folder / "metrics.json").is_file():
        log.info("%s: %s", folder.name, "goes on" if same else "begins")
        train(config, folder, overwrite=not same)
    return folder / "best_model"
