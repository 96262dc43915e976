"""Does the exported file say what the trained network says? Measured, never assumed."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ..engine.evaluate import Forward, evaluate
from ..errors import UserError
from ..tasks._base import Task
from .manifest import Parity

TOLERANCE = 1e-3  # of the largest output, or of 1 where that is smaller


def check(runtime: str, trained: Forward, exported: Forward, batches: Iterable[dict], task: Task) -> Parity:
    """Run both on the same images. Raises UserError if an output differs by more than the tolerance."""
    worst, largest, images, same, decided = 0.0, 1.0, 0, 0, 0

    def both(batch: np.ndarray) -> list[list[np.ndarray]]:
        nonlocal worst, largest, images, same, decided
        reference, other = trained(batch)[0], exported(batch)[0]
        for a, b in zip(reference, other, strict=True):
            difference = np.abs(a - b)
            worst = max(worst, float("inf") if np.isnan(difference).any() else float(difference.max()))
            largest = max(largest, float(np.abs(a).max()))
        images += len(batch)
        mine, theirs = task.decisions(reference), task.decisions(other)
        if mine is not None and theirs is not None:
            same, decided = same + int((mine == theirs).sum()), decided + mine.size
        return [reference, other]

    metric = task.metric
    values = [meter.compute()[metric.main] for meter in evaluate(both, batches, metric, 2)]
    parity = Parity(runtime, images, worst, TOLERANCE * largest, metric.main, values[0], values[1])
    parity = replace(parity, same_decisions=same / decided if decided else None)
    if worst > parity.tolerance:
        raise UserError(
            f"the exported file differs from the trained network by {worst:.3g} on {runtime} "
            f"(tolerance {parity.tolerance:.3g}, {metric.main} {values[0]:.4f} -> {values[1]:.4f}); "
            "nothing was written"
        )
    return parity
