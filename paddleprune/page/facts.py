"""What the report shows, as plain data for JSON."""

import base64
import contextlib
import importlib.util
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .. import benchmark
from ..config import load_config
from ..engine import checkpoint
from ..engine.checkpoint import ModelDir, SavedModel
from ..engine.start import open_model
from ..errors import UserError
from ..infer import predictor
from ..pruning.groups import Groups, find_groups
from ..pruning.sensitivity import Sensitivities
from ..pruning.tables import read_table
from ..report import budgets, kept_under, scale_of
from ..texts import read_lines

EXAMPLES = 4  # pictures that are shown
WIDTH = 480  # of an example, pixels


def collect(
    models: Sequence[ModelDir], rows: Sequence[Mapping[str, Any]],
    sensitivities_file: str | None = None, dataset: str | None = None, list_file: str | None = None,
    command: str = "", chosen: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Everything on the page. `models`: the one that was not pruned first; `rows`: comparison.compare's of them;
    `chosen`: the budget that the page opens at."""
    saved = [checkpoint.load_model(model) for model in models]
    dense = find_groups(saved[0].network, saved[0].image_shape)
    names = [row["variant"] for row in rows]
    model = saved[0].facts["model"]["name"]
    return {
        "title": f"{model} on {rows[0]['data']}",
        "task": saved[0].facts["task"],
        "metric": {"name": rows[0]["metric"], "scale": scale_of(rows[0]["metric"]),
                   "higher_is_better": saved[0].facts["higher_is_better"]},
        "rows": [dict(row) for row in rows],
        "budget": {**_budget(saved[0], dense, sensitivities_file, rows), "chosen": chosen or _used(saved)}
                  if sensitivities_file else None,
        "plans": [
            {"name": name, "layers": _layers(dense, one)}
            for name, one in zip(names, saved, strict=True) if one.plan is not None
        ],
        "training": [
            {"name": name, "lines": _lines(one.place.parent / "log.jsonl")}
            for name, one in zip(names, saved, strict=True)
        ],
        "examples": _examples(saved, names, dataset, list_file),
        "provenance": {
            "command": command,
            **benchmark.machine(),
            "models": [
                {"name": name, "weights": one.facts["weights"], "pruning": one.facts.get("pruning"),
                 "config": _text(one.place.parent / "config.yml")}
                for name, one in zip(names, saved, strict=True)
            ],
        },
    }  # fmt: skip


def check(before: SavedModel) -> None:
    """Raises UserError, before anything takes long, for what the page cannot be made of."""
    if before.plan is not None:
        raise UserError(f"--before: '{before.folder}' is pruned; give the model that was not")
    if importlib.util.find_spec("plotly") is None:
        raise UserError("--save_file: Plotly is not installed; pip install plotly")


def _used(models: Sequence[SavedModel]) -> float | None:
    """The budget that the last model was pruned by; None where there is none."""
    config = models[-1].place.parent / "config.yml"
    if models[-1].plan is None or not config.is_file():
        return None
    asked = load_config(config).prune
    return asked.loss if asked.strategy == "under_budget" else None


def _budget(
    saved: SavedModel, groups: Groups, file: str, rows: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The curves, and what each position of the slider stands for."""
    table = read_table(file, groups, saved.facts["model"]["name"])
    dense, steps = groups.cost(), []
    latency = _latency_of(rows)
    for budget in budgets(table.curves):
        kept, cost = kept_under(table.curves, groups, budget)
        steps.append(
            {"budget": budget, "kept": kept, **cost.as_dict(), "latency_ms": latency(cost.macs)}
        )  # fmt: skip
    config = saved.place.parent / "config.yml"
    retrain = ["python", "tools/train.py", "--config", str(config), "--pretrain_weights", str(saved.place),
               "--sensitivities_file", file]  # fmt: skip
    return {
        "provenance": _provenance(table),
        "baseline": None if np.isnan(table.baseline) else table.baseline,
        "curves": [
            {"group": name, "points": sorted(curve.items())} for name, curve in table.curves.items() if curve
        ],
        "groups": {name: group.size for name, group in groups.items()},
        "dense": dense.as_dict(),
        "steps": steps,
        "command": shlex.join(retrain),
    }


def _latency_of(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Macs -> {runtime: ms}: the line through the measured models' macs and latencies; with fewer than two
    of them nothing is predicted."""
    macs = np.array([row["macs"] for row in rows], float)
    if len(set(macs)) < 2:
        return lambda macs: {}
    lines = {
        key: np.polyfit(macs, [row["latency_ms"][key] for row in rows], 1) for key in rows[0]["latency_ms"]
    }
    return lambda macs: {
        key: round(max(0.0, float(np.polyval(line, macs))), 3) for key, line in lines.items()
    }


def _provenance(table: Sensitivities) -> dict[str, Any]:
    p = table.provenance
    return {
        "model": p.model, "images": p.images, "metric": p.metric, "criterion": p.criterion, "data": p.data,
        "weights": p.weights, "compensated": p.compensated, **table.note,
    }  # fmt: skip


def _layers(dense: Groups, saved: SavedModel) -> list[dict[str, Any]]:
    """Filters kept of each convolution and linear layer."""
    assert saved.plan is not None
    narrow = dense.narrow_shapes(saved.plan.counts())
    outs = {s.parameter: s.axis for group in dense.values() for s in group.slots if s.role == "out"}

    def filters(shapes: Mapping[str, Sequence[int]], weight: str) -> int:
        linear = len(shapes[weight]) == 2  # [in, out]
        return int(shapes[weight][outs.get(weight, 1 if linear else 0)])

    return [
        {"layer": weight, "kept": filters(narrow, weight), "total": filters(dense.shapes, weight)}
        for weight in dense.layers
    ]


def _lines(log: Path) -> list[dict[str, Any]]:
    """The steps and evaluations of a run; none where its log is gone."""
    if not log.is_file():
        return []
    lines = []
    for line in read_lines(log, "training log"):
        with contextlib.suppress(ValueError):  # the one that was being written when the process died
            lines.append(json.loads(line))
    return [line for line in lines if isinstance(line, dict)]


def _examples(
    models: Sequence[SavedModel], names: Sequence[str], dataset: str | None, list_file: str | None
) -> list[list[tuple[str, str]]]:
    """Some pictures as each model sees them: (model name, data address) each."""
    _, _, _, images = open_model(models[0], dataset, list_file=list_file)
    chosen = np.linspace(0, len(images) - 1, min(EXAMPLES, len(images))).astype(int)
    samples = [images.reader.read(int(i)) for i in chosen]
    shown: list[list[tuple[str, str]]] = [[] for _ in samples]
    for model, name in zip(models, names, strict=True):
        task, run = predictor(model)
        for place, sample in zip(shown, samples, strict=True):
            place.append((name, _address(task.draw(sample["image"], run(sample)))))
    return shown


def _address(picture: np.ndarray) -> str:
    """uint8 RGB -> a data: address, at most `WIDTH` pixels wide."""
    scale = min(1.0, WIDTH / picture.shape[1])
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    encoded = cv2.imencode(".jpg", np.ascontiguousarray(small[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
