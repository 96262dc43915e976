"""How much can go: the same pruning at rising ratios, each retrained alike."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import pipeline
from .config import Config, dump_config, load_config
from .engine import checkpoint
from .errors import UserError
from .files import recover_folder
from .texts import read_json

log = logging.getLogger(__name__)

# What goes, and the strategy that removes it.
WHAT = {"filters": "uniform", "percentile": "percentile", "weights": "magnitude"}


def sweep(
    config: Config, model_dir: str | Path, what: str, ratios: Sequence[float], save_dir: str | Path
) -> list[dict[str, Any]]:
    """Prune the trained model at each ratio and retrain it by the config; a row per ratio, the model itself
    first.

    `what`: "filters", the same share of every group, "percentile", the share of all filters together that one
    threshold says, or "weights", the smallest of all. Runs are in
    `save_dir/<what>_<ratio>`; finished ones are not made again, broken ones go on.
    A row: {"model", "variant", "removed", "metric", "value", "before_retrain", "params",
    "nonzero_params", "macs", "size_bytes"}; all values on the validation list, by which the epochs are
    chosen, too.
    """
    if what not in WHAT:
        raise UserError(f"--what: '{what}' is not known; valid: {', '.join(WHAT)}")
    if not ratios or not all(0 < ratio < 1 for ratio in ratios):
        raise UserError(f"--ratios: {list(ratios)} must be in (0, 1), e.g. 0.2,0.4,0.6")
    dense = checkpoint.load_model(model_dir)
    if dense.plan is not None:
        raise UserError(f"--model_dir: '{model_dir}' is pruned already; give the model it was pruned from")
    weights = checkpoint.fingerprint(dense.network)
    rows: list[dict[str, Any]] = []
    for ratio in sorted(set(ratios)):
        chosen = replace(
            config,
            prune=replace(config.prune, strategy=WHAT[what], ratio=ratio),
            model=replace(config.model, weights=str(model_dir)),
        )
        metrics = _run(chosen, Path(save_dir) / f"{what}_{ratio:g}", weights)
        pruning = metrics["pruning"]
        if not rows:
            whole = pruning["dense"]
            rows.append(
                _row(config, "original", 0.0, {**metrics, **whole, "nonzero_params": whole["params"]})
            )
        row = _row(config, f"{what} {100 * ratio:g} %", ratio, metrics)
        rows.append({**row, "before_retrain": pruning["before_retrain"]})
    return rows


def _run(config: Config, folder: Path, weights: str) -> dict[str, Any]:
    """The metrics of one retraining of the model with these `weights`, made if need be. Raises UserError if
    the folder holds another run."""
    begun = folder / "config.yml"
    recover_folder(folder / "latest")
    if begun.is_file() and _but_for_weights(load_config(begun)) != _but_for_weights(config):
        raise UserError(f"--save_dir: '{folder}' holds a run with another config; choose another folder")
    if (folder / "metrics.json").is_file():
        metrics = read_json(folder / "metrics.json", "metrics")
        _refuse_other(metrics, weights, folder)
        log.info("%s is finished", folder)
        return metrics
    if (folder / "latest" / "state.json").is_file():
        _refuse_other(checkpoint.load_model(folder / "latest").facts, weights, folder)
        begun_with = load_config(begun).model.weights  # the model may have moved
        config = replace(config, model=replace(config.model, weights=begun_with))
        return pipeline.train(config, folder, resume=True)
    return pipeline.train(config, folder)


def _but_for_weights(config: Config) -> str:
    """A model may have moved; what it is, its weights say."""
    return dump_config(replace(config, model=replace(config.model, weights="")))


def _refuse_other(facts: dict[str, Any], weights: str, folder: Path) -> None:
    try:
        began = facts["pruning"]["dense"]["weights"]
    except (KeyError, TypeError) as error:
        raise UserError(
            f"--save_dir: '{folder}' holds another kind of run, or a damaged one; choose another folder"
        ) from error
    if began != weights:
        raise UserError(f"--save_dir: '{folder}' began with another model; choose another folder")


def _row(config: Config, variant: str, removed: float, metrics: dict[str, Any]) -> dict[str, Any]:
    taken = ("metric", "value", "params", "nonzero_params", "macs", "size_bytes")
    return {
        "model": config.model.name, "data": Path(config.data.root).name,
        "input": [1, *config.data.image_shape], "variant": variant, "removed": removed,
        **{key: metrics[key] for key in taken}, "before_retrain": None,
    }  # fmt: skip
