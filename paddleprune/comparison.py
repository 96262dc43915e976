"""Models side by side: what each costs, what it can do, by class, how sure that is, and how fast it is."""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import benchmark, cost, tasks
from .engine import checkpoint
from .engine.checkpoint import ModelDir, SavedModel
from .engine.score import meter_of
from .engine.start import open_model
from .errors import UserError
from .export import lite
from .pruning import confidence


def compare(
    models: Sequence[ModelDir], names: Sequence[str], dataset: str | None = None,
    list_file: str | None = None, threads: Sequence[int] = (1, 2), repeats: int = 50,
    runtimes: Sequence[str] = (),
) -> list[dict[str, Any]]:  # fmt: skip
    """A compression row per model: cost, metric on the data, latency on each runtime.

    `names`: one per model, or none to take "original" and the schemes that pruned them. `runtimes`:
    formats.RUNTIMES; none stands for Paddle Inference, and Paddle Lite where it is installed. "interval" is of the value,
    "change" that of its difference to the first model's, where it is of the same images; both 95 % by bootstrap;
    "latency_range_ms" has the 5th and the 95th percentile.
    """
    if names and len(names) != len(models):
        raise UserError(f"--names: {len(names)} names for {len(models)} models; give one each")
    benchmark.check(runtimes, threads, repeats, "--runtimes")
    everything = [checkpoint.load_model(model) for model in models]
    for saved in everything:
        if saved.facts["task"] != everything[0].facts["task"]:
            raise UserError(
                f"--after: '{saved.folder}' is for {saved.facts['task']}, the model of --before for "
                f"{everything[0].facts['task']}; compare models of one task"
            )
    rows, drawn = [], []
    for i, saved in enumerate(everything):
        variant = names[i] if names else saved.facts.get("pruning", {}).get("scheme", "original")
        row, draws = _row(saved, variant, dataset, list_file)
        drawn.append(draws)
        if i and row["images"] == rows[0]["images"] and row["data"] == rows[0]["data"]:
            row["change"] = _interval(draws - drawn[0])  # of the same draws
        rows.append(row)
    runtimes = runtimes or ("inference", *(["lite"] if lite.installed() else []))
    timed = benchmark.measure(everything, runtimes, threads, repeats)
    for row, time in zip(itertools.cycle(rows), timed, strict=False):
        label = "lite_x86" if time["runtime"] == "lite" else time["runtime"]
        key = f"{label}_t{time['threads']}"
        row["latency_ms"][key] = time["p50_ms"]
        row["latency_range_ms"][key] = [time["p05_ms"], time["p95_ms"]]
    return rows


def _row(
    saved: SavedModel, variant: str, dataset: str | None, list_file: str | None
) -> tuple[dict[str, Any], np.ndarray]:
    """All but the latency, and the metric on draws of the images."""
    _, task, data, images = open_model(saved, dataset, list_file=list_file)
    meter = meter_of(saved.network, task, images, data.batch_size, "evaluate", task.full_metric)
    values, metric = meter.compute(), saved.facts["metric"]
    draws = meter.resampled(confidence.draws(len(images)))
    columns = meter.by_class(len(task.labels)) if task.labels else {}
    judged = list(columns)[1] if columns else ""
    row = {
        "model": saved.facts["model"]["name"],
        "data": Path(dataset or saved.facts["data"]["root"]).name,
        "images": len(images),
        "input": [1, *saved.image_shape],
        "variant": variant,
        "metric": metric,
        "value": values[metric],
        "interval": _interval(draws),
        "also": {key: values[key] for key in tasks.of_facts(saved.facts).metric.also},
        "classes": {
            "of": judged,
            "values": {
                label: round(float(value), 6) if math.isfinite(value) else None
                for label, value in zip(task.labels, columns[judged], strict=True)
            },
        } if columns else None,
        "before_retrain": saved.facts.get("pruning", {}).get("before_retrain"),
        **cost.count(saved.network, saved.image_shape).as_dict(),
        "latency_ms": {},
        "latency_range_ms": {},
    }  # fmt: skip
    return row, draws


def _interval(draws: np.ndarray) -> list[float] | None:
    """None where no draw has a value."""
    finite = draws[np.isfinite(draws)]
    return confidence.bounds(finite) if len(finite) else None
