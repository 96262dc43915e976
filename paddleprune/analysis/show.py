"""How far an analysis is: a bar for people, events for programs."""

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..progress import bar
from ..pruning.measure import Found
from ..pruning.ratios import under_budget
from ..pruning.sensitivity import Sensitivities

Listener = Callable[[dict[str, Any]], None]


def shown(
    found: Found, table: Sensitivities, groups: Sequence[str], ratios: int, budget: float | None = None,
    listener: Listener | None = None,
) -> None:  # fmt: skip
    """Run through `found`, showing points done, their rate, the time left, and the groups that are
    most and least sensitive so far.

    With a `listener` there is no bar; it is called with each step:
    {"event": "points", "group", "points": {ratio: loss}, "groups_done", "groups", "points_done",
     "points_total", "points_per_second", "eta_seconds", "most_sensitive", "least_sensitive"}
    A budget search needs fewer points than `points_total` says at first: it falls as groups finish.
    """
    known = sum(len(curve) for curve in table.curves.values())
    finished: dict[str, None] = {}
    start, done = time.monotonic(), known
    progress = None if listener else bar(None, "analyse", len(groups) * ratios, "point", True, known)
    with progress or contextlib.nullcontext():
        for group, points in found:
            done += len(points)
            if not points:
                finished[group] = None
            total = len(groups) * ratios - sum(ratios - len(table.curves[n]) for n in finished)
            rate = (done - known) / max(1e-9, time.monotonic() - start)
            most, least = _extremes(table, finished, budget)
            if listener:
                listener(
                    {
                        "event": "points",
                        "group": group,
                        "points": {str(ratio): point.loss for ratio, point in points.items()},
                        "groups_done": len(finished),
                        "groups": len(groups),
                        "points_done": done,
                        "points_total": total,
                        "points_per_second": round(rate, 3),
                        "eta_seconds": round((total - done) / rate, 1) if rate else None,
                        "most_sensitive": most,
                        "least_sensitive": least,
                    }
                )
                continue
            assert progress is not None
            progress.total = total
            text = f"{len(finished)}/{len(groups)} groups"
            progress.set_postfix_str(f"{text}, most sensitive {most}, least {least}" if most else text, False)
            progress.update(len(points))


def _extremes(
    table: Sensitivities, finished: Sequence[str] | dict[str, None], budget: float | None
) -> tuple[str | None, str | None]:
    """The most and the least sensitive group: by mean loss, or by the ratio within the budget."""
    curves = {name: table.curves[name] for name in finished if table.curves.get(name)}
    if not curves:
        return None, None
    if budget is None:
        rank = {name: sum(curve.values()) / len(curve) for name, curve in curves.items()}
    else:
        rank = {name: -ratio for name, ratio in under_budget(curves, budget).items()}
    return max(rank, key=rank.__getitem__), min(rank, key=rank.__getitem__)
