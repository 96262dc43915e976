"""Pictures and tables from the JSON files: sensitivity curves, the budget curve, before and after."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from .cost import Cost
from .errors import UserError
from .files import atomic_file
from .pruning.groups import Groups
from .pruning.plan import keep_count
from .pruning.ratios import under_budget
from .pruning.sensitivity import Sensitivities
from .texts import read_json

BLUE, ORANGE, GREY = "#2f6fa7", "#d9822b", "#8a8f98"


def sensitivity_curves(table: Sensitivities, path: Path) -> None:
    """All groups twice: as curves coloured by depth, and by name as a map of loss over ratio."""
    names = [name for name, curve in table.curves.items() if curve]
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(14, max(5.5, 1.6 + 0.2 * len(names))), width_ratios=[1, 1.1]
    )
    shades = plt.get_cmap("viridis_r")
    for i, name in enumerate(names):
        ratios, losses = _points(table.curves[name])
        left.plot(ratios, losses, color=shades(i / max(1, len(names) - 1)), lw=1.3, alpha=0.85)
    left.axhline(0, color=GREY, lw=0.8)
    p = table.provenance
    left.set(
        xlabel="ratio: fraction of the group's channels removed",
        ylabel=f"sensitivity: relative loss of {p.metric}",
        xlim=(0, None),
    )
    left.set_title("light: near the input, dark: near the output", fontsize=10, loc="left")
    _loss_map(figure, right, table, names)
    figure.suptitle(
        f"{p.model}: {len(names)} groups, {p.images} images, {p.metric} {table.baseline:.4f}, {p.criterion}"
    )
    _save(figure, path)


def _loss_map(figure: Any, axes: Any, table: Sensitivities, names: list[str]) -> None:
    ratios = sorted({ratio for curve in table.curves.values() for ratio in curve})
    losses = [[table.curves[name].get(ratio, float("nan")) for ratio in ratios] for name in names]
    picture = axes.imshow(losses, aspect="auto", cmap="YlOrRd", vmin=0, vmax=0.3)
    axes.set_yticks(range(len(names)), [name.removesuffix(".weight") for name in names], fontsize=8)
    axes.set_xticks(range(len(ratios)), [f"{ratio:g}" for ratio in ratios])
    axes.set_xlabel("ratio")
    if len(names) <= 60:
        for y, row in enumerate(losses):
            for x, loss in enumerate(row):
                colour = "white" if loss > 0.2 else "black"
                axes.text(x, y, f"{loss:.2f}", ha="center", va="center", fontsize=7, color=colour)
    figure.colorbar(picture, ax=axes, label="sensitivity (0.3 and above alike)", pad=0.02)


def budget_curve(
    table: Sensitivities, groups: Groups, path: Path, align: int = 8, chosen: Sequence[float] = ()
) -> list[dict[str, float]]:
    """PaddleX's `visualize`: how much of the model goes at each eval_metric_loss.

    Returns the points: {"eval_metric_loss", "params_removed", "macs_removed"}, fractions.
    """
    dense, rows = groups.cost(), []
    for budget in budgets(table.curves):
        narrow = kept_under(table.curves, groups, budget, align)[1]
        rows.append(
            {
                "eval_metric_loss": budget,
                "params_removed": 1 - narrow.params / dense.params,
                "macs_removed": 1 - narrow.macs / dense.macs,
            }
        )
    figure, axes = plt.subplots(figsize=(8, 5))
    x = [row["eval_metric_loss"] for row in rows]
    axes.plot(x, [100 * r["params_removed"] for r in rows], color=BLUE, lw=2, label="parameters")
    axes.plot(x, [100 * r["macs_removed"] for r in rows], color=ORANGE, lw=2, label="macs")
    for row in rows[10::10]:  # values every 0.05
        for key, colour, above in (("params_removed", BLUE, 7), ("macs_removed", ORANGE, -13)):
            place = (row["eval_metric_loss"], 100 * row[key])
            axes.plot(*place, "o", color=colour, ms=4)
            axes.annotate(f"{place[1]:.0f}", place, (0, above), textcoords="offset points", ha="center", fontsize=8, color=colour)  # fmt: skip
    for budget in chosen:
        axes.axvline(budget, color=GREY, lw=1, ls="--")
    axes.set(
        xlabel="eval_metric_loss: largest relative loss allowed to each group",
        ylabel="removed, % of the model",
        title=f"{table.provenance.model}: what a budget removes (channels in multiples of {align})",
        ylim=(0, 100),
        xlim=(0, x[-1]),
    )
    axes.legend(loc="lower right", frameon=False)
    _save(figure, path)
    return rows


def budgets(curves: Mapping[str, Mapping[float, float]]) -> list[float]:
    """Budgets to look at, from 0 in steps of 0.005: up to 0.3, or up to where no larger one takes more."""
    most = max((loss for curve in curves.values() for loss in curve.values()), default=0)
    top = min(0.995, max(0.3, most))
    return [round(0.005 * i, 3) for i in range(math.ceil(top / 0.005 - 1e-9) + 1) if 0.005 * i < 1]


def kept_under(
    curves: Mapping[str, Mapping[float, float]], groups: Groups, budget: float, align: int = 8
) -> tuple[dict[str, int], Cost]:
    """What a budget leaves: units per group, as the plan would keep them, and the cost."""
    ratios = under_budget(curves, budget)
    kept = {n: keep_count(groups[n].size, r, groups[n].units_of(align)) for n, r in ratios.items()}
    return kept, groups.cost(kept)


def before_after(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Bars of size, macs, metric and latency, one per variant; a panel per quantity.

    A row has "variant" and the columns of a compression result; absent ones leave out their panel. Titles say
    which direction is better.
    """
    latencies = sorted({key for row in rows for key in row.get("latency_ms", {})})
    less, metric = "less is better", rows[0]["metric"]
    panels = [
        (f"size, MB: {less}", [row["size_bytes"] / 1e6 for row in rows]),
        (f"macs, millions: {less}", [row["macs"] / 1e6 for row in rows]),
        (f"{_title(metric)}: {less if metric in ERRORS else 'more is better'}",
         [scale_of(row["metric"]) * row["value"] for row in rows]),
        *((f"{key}, ms: {less}", [row["latency_ms"][key] for row in rows]) for key in latencies),
    ]  # fmt: skip
    columns = 3
    lines = -(-len(panels) // columns)
    figure, grid = plt.subplots(
        lines, columns, figsize=(12, 0.6 + lines * (0.9 + 0.45 * len(rows))), squeeze=False
    )
    for axes, (title, values) in zip(grid.flat, panels, strict=False):
        colours = [GREY if i == 0 else BLUE for i in range(len(rows))]
        bars = axes.barh(range(len(rows)), values, color=colours, height=0.6)
        names = [textwrap.fill(row["variant"], 22) for row in rows]
        axes.set_yticks(range(len(rows)), names if axes in grid[:, 0] else [])
        labels = [f"{value:.4g}{_times(values[0], value, title)}" for value in values]
        axes.bar_label(bars, labels=labels, padding=3, fontsize=9)
        axes.set_title(title, fontsize=10, loc="left")
        axes.set_xlim(0, 1.45 * max(values))
        axes.invert_yaxis()
        axes.set_xticks([])
    for axes in list(grid.flat)[len(panels) :]:
        axes.axis("off")
    _save(figure, path)


def _times(first: float, value: float, title: str) -> str:
    """How many times less a value is than the first, for bars where less is better."""
    return f"  ({first / value:.2f}x)" if "less" in title and value > 0 and value != first else ""


def sweep_curve(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """The metric over what was removed, before and after retraining; rows of sweep.sweep."""
    scale, metric = scale_of(rows[0]["metric"]), rows[0]["metric"]
    removed = [100 * row["removed"] for row in rows]
    pruned = [
        scale * (row["value"] if row["before_retrain"] is None else row["before_retrain"]) for row in rows
    ]
    trained = [scale * row["value"] for row in rows]
    figure, axes = plt.subplots(figsize=(8, 5))
    axes.axhline(trained[0], color=GREY, lw=1, ls="--")
    axes.plot(removed, pruned, "o-", color=ORANGE, lw=2, label="after pruning")
    axes.plot(removed, trained, "o-", color=BLUE, lw=2, label="after retraining")
    top = 1.06 * max(*pruned, *trained, 1e-9)
    axes.set(
        xlabel=f"removed, % of the {rows[-1]['variant'].split()[0]}", ylabel=_title(metric), ylim=(0, top)
    )
    axes.set_title(f"{rows[0]['model']} on {rows[0]['data']}", loc="left")
    axes.legend(frameon=False, loc="lower left")
    _save(figure, path)


def sweep_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows of a sweep as a Markdown table; differences are to the first row."""
    scale, title = scale_of(rows[0]["metric"]), _title(rows[0]["metric"])
    form = ".2f" if scale == 100 else ".3f"
    lines = [
        f"| removed | parameters, M | non-zero, M | macs, M | {title}, after pruning | after retraining |",
        "|---" * 6 + "|",
    ]
    for row in rows:
        pruned, change = "", ""
        if row["before_retrain"] is not None:
            pruned = f"{scale * row['before_retrain']:{form}}"
            change = f" ({scale * (row['value'] - rows[0]['value']):+{form}})"
        lines.append(
            f"| {row['variant']} | {row['params'] / 1e6:.2f} | {row['nonzero_params'] / 1e6:.2f} "
            f"| {row['macs'] / 1e6:.1f} | {pruned} | {scale * row['value']:{form}}{change} |"
        )
    return "\n".join(lines)


def compression_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows of a compression result as a Markdown table; ratios are to the first row."""
    first = rows[0]
    latencies = list(first.get("latency_ms", {}))
    scale, form = scale_of(first["metric"]), ".2f" if scale_of(first["metric"]) == 100 else ".3f"
    others = list(first.get("also", {}))
    metrics = map(_title, [first["metric"], *others])
    head = ["variant", "size, MB", "params, M", "macs, M", *metrics, "before retraining"]
    lines = [
        "| " + " | ".join([*head, *(f"{key}, ms" for key in latencies)]) + " |",
        "|---" * (len(head) + len(latencies)) + "|",
    ]
    for row in rows:
        cells = [
            row["variant"],
            _with_ratio(row["size_bytes"] / 1e6, first["size_bytes"] / 1e6, ".2f"),
            f"{row['params'] / 1e6:.2f}",
            _with_ratio(row["macs"] / 1e6, first["macs"] / 1e6, ".1f"),
            f"{scale * row['value']:{form}}",
            *(f"{scale_of(key) * row['also'][key]:{form}}" for key in others),
            "" if row.get("before_retrain") is None else f"{scale * row['before_retrain']:{form}}",
            *(_with_ratio(row["latency_ms"][k], first["latency_ms"][k], ".2f") for k in latencies),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def read_rows(path: str | Path) -> list[dict[str, Any]]:
    """Compression rows of a results file. Raises UserError if it holds none."""
    rows = read_json(path, "results file")
    rows = rows.get("rows") if isinstance(rows, dict) else None
    needed = ("variant", "metric", "value", "params", "macs", "size_bytes")
    if not rows or not all(isinstance(row, dict) and all(key in row for key in needed) for row in rows):
        raise UserError(
            f"--results: '{path}' holds no compression rows; make it with tools/report.py --before --after"
        )
    return rows


ERRORS = ("mse", "mad", "sad", "grad", "conn")  # metrics that are no fractions


def scale_of(metric: str) -> int:
    """What a metric is multiplied with where people read it."""
    return 1000 if metric in ERRORS else 100


def _title(metric: str) -> str:
    return f"{metric}, 1e-3" if metric in ERRORS else f"{metric}, %"


def _with_ratio(value: float, first: float, form: str) -> str:
    return f"{value:{form}}" if value == first else f"{value:{form}} ({first / value:.2f}x)"


def _points(curve: Mapping[float, float]) -> tuple[list[float], list[float]]:
    ratios = sorted(curve)
    return [0.0, *ratios], [0.0, *(curve[r] for r in ratios)]


def _save(figure: Any, path: Path) -> None:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=130, format="png")
    plt.close(figure)
