"""A closer look at a model: values of each class, what is taken for what, the pictures where it is worst."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from .data.dataset import Dataset
from .data.images import write_image
from .engine.checkpoint import ModelDir, SavedModel
from .engine.score import meter_of
from .engine.start import open_model
from .errors import UserError
from .files import atomic_file, checked_path, make_folder, write_json
from .infer import predictor
from .metrics._base import Metric
from .metrics.boxes import BoxMap
from .progress import bar

ROWS = 40  # classes in a printed table
SIDE = 30  # classes with their counts in the picture


@dataclass(frozen=True)
class Examined:
    """`values`: all of the metric's. `columns`: by class, in the order of `labels`."""

    values: dict[str, float]
    labels: list[str]
    columns: dict[str, np.ndarray]

    def as_dict(self) -> dict[str, Any]:
        """For JSON: the values, and under "classes" those of each."""
        plain = {k: float(v) if math.isfinite(v) else None for k, v in self.values.items()}
        rows = {
            label: {name: _plain(column[i]) for name, column in self.columns.items()}
            for i, label in enumerate(self.labels)
        }
        return {**plain, "classes": rows} if self.columns else plain

    def table(self) -> list[str]:
        """The classes for reading, the worst first."""
        if not self.columns or len(self.labels) < 2:
            return []
        judged = list(self.columns)[1]
        order = np.argsort(np.nan_to_num(self.columns[judged], nan=np.inf), kind="stable")
        width = max(5, *(len(self.labels[i]) for i in order[:ROWS]))
        lines = [f"{'class':<{width}}" + "".join(f"{name:>11}" for name in self.columns)]
        for i in order[:ROWS]:
            cells = "".join(f"{_shown(column[i]):>11}" for column in self.columns.values())
            lines.append(f"{self.labels[i]:<{width}}{cells}")
        if len(order) > ROWS:
            lines.append(f"... and {len(order) - ROWS} more, which are better")
        return lines


def examine(
    model_dir: ModelDir, dataset: str | None = None, list_file: str | None = None,
    save_dir: str | Path | None = None, worst: int = 12,
) -> Examined:  # fmt: skip
    """All metrics of a model directory on its validation data, or on another folder or list, and values by class.

    With `save_dir`: `confusion.png` (classes and pixels) or `curves.png` (boxes), and in `worst/` the pictures that
    have the `worst` values, drawn. Raises UserError.
    """
    if worst < 0:
        raise UserError(f"--worst: {worst} is out of range; it must be 0 or more")
    saved, task, data, eval_set = open_model(model_dir, dataset, list_file=list_file)
    folder = None if save_dir is None else make_folder(checked_path(save_dir, "--save_dir"))
    meter = meter_of(saved.network, task, eval_set, data.batch_size, "evaluate", task.full_metric)
    found = Examined(meter.compute(), task.labels, meter.by_class(len(task.labels)) if task.labels else {})
    if folder is not None:
        if hasattr(meter, "confusion"):
            draw_confusion(meter.confusion.matrix(len(task.labels)), task.labels, folder / "confusion.png")
        if isinstance(meter, BoxMap):
            draw_curves(meter, task.labels, folder / "curves.png")
        draw_worst(saved, eval_set, meter, folder / "worst", worst)
    return found


def draw_confusion(counts: np.ndarray, labels: list[str], path: Path) -> None:
    """What the classes (rows) are called (columns), in % of each row."""
    share = 100 * counts / np.maximum(1, counts.sum(1, keepdims=True))
    side = max(4.5, min(16, 1.5 + 0.45 * len(labels)))
    figure, axes = plt.subplots(figsize=(side + 1, side))
    picture = axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    if len(labels) <= SIDE:
        names = [_literal(label) for label in labels]
        axes.set_xticks(range(len(labels)), names, rotation=45, ha="right", fontsize=8)
        axes.set_yticks(range(len(labels)), names, fontsize=8)
        for (y, x), value in np.ndenumerate(share):
            if counts[y, x]:
                colour = "white" if value > 55 else "black"
                axes.text(x, y, f"{value:.0f}", ha="center", va="center", fontsize=7, color=colour)
    axes.set(xlabel="called", ylabel="is")
    figure.colorbar(picture, ax=axes, label="% of the row", shrink=0.8)
    _save(figure, path)


def draw_curves(meter: BoxMap, labels: list[str], path: Path) -> None:
    """Precision over recall of each class with labelled boxes."""
    figure, axes = plt.subplots(figsize=(7, 5))
    columns = meter.by_class(len(labels))
    for i in np.argsort(-np.nan_to_num(columns["ap"], nan=-1), kind="stable"):
        if columns["boxes"][i]:
            recall, precision = meter.curve(int(i))
            text = f"{_literal(labels[i])}  {columns['ap'][i]:.3f}" if len(labels) <= SIDE else None
            axes.step(
                [0, *recall],
                [*(precision[:1] if len(precision) else [0]), *precision],
                where="pre",
                label=text,
            )
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, loc="lower left")
    _save(figure, path)


def draw_worst(saved: SavedModel, images: Dataset, meter: Metric, folder: Path, count: int) -> None:
    """The pictures with the worst values of the metric, drawn as `infer` does, and `worst.json`."""
    values = meter.each()
    order = np.argsort(values if meter.higher_is_better else -values, kind="stable")[:count]
    task, run = predictor(saved)
    make_folder(folder)
    for old in folder.glob("[0-9]*_*.png"):  # of an earlier look
        if re.match(r"\d{3,}_", old.name):
            old.unlink()
    listed = []
    for number, i in enumerate(bar(order, "draw the worst", len(order), "image"), start=1):
        sample, file = images.reader.read(int(i)), Path(images.reader.files[i])
        name = f"{number:03d}_{file.stem}.png"
        write_image(folder / name, task.draw(sample["image"], run(sample)))
        about = {"is": task.labels[int(sample["label"])]} if "label" in sample else {}
        listed.append({"picture": str(file), "drawn": name, meter.main: _plain(values[i]), **about})
    write_json(folder / "worst.json", listed)


def _literal(name: str) -> str:
    """For Matplotlib, to which dollars begin a formula."""
    return name.replace("$", r"\$")


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")
    plt.close(figure)


def _plain(value: Any) -> float | int | None:
    if isinstance(value, (int, np.integer)):
        return int(value)
    return round(float(value), 6) if math.isfinite(value) else None


def _shown(value: Any) -> str:
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    return f"{value:.3f}" if math.isfinite(value) else "-"
