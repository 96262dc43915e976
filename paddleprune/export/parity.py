"""Does the exported file say what the trained network says? Measured, never assumed."""

from collections.abc import Iterable, Sequence

import numpy as np

from ..engine.evaluate import Forward, evaluate
from ..errors import UserError
from ..tasks._base import Agreement, Task
from .manifest import Parity

TOLERANCE = 1e-3  # of the largest output, or of 1 where that is smaller
ALIKE = 0.98  # least fraction of decisions (labels, pixels, boxes) that both take alike


def check(runtime: str, trained: Forward, exported: Forward, batches: Iterable[dict], task: Task) -> Parity:
    """Run both on the same images. Raises UserError if an output differs by more than the tolerance."""
    found: list[Agreement] = []
    images = 0

    def both(batch: np.ndarray) -> list[Sequence[np.ndarray]]:
        nonlocal images
        reference, other = trained(batch)[0], exported(batch)[0]
        found.append(task.agreement(reference, other))
        images += len(batch)
        return [reference, other]

    metric = task.metric
    values = [meter.compute()[metric.main] for meter in evaluate(both, batches, metric, 2)]
    worst, decided = max(a.difference for a in found), sum(a.decided for a in found)
    parity = Parity(
        runtime, images, worst, TOLERANCE * max(1.0, *(a.largest for a in found)), metric.main, *values,
        same_decisions=sum(a.same for a in found) / decided if decided else None,
    )  # fmt: skip
    if decided and parity.same_decisions < ALIKE:
        raise UserError(
            f"the exported file decides {100 * (1 - parity.same_decisions):.1f} % otherwise than the trained "
            f"network on {runtime} (tolerance {100 * (1 - ALIKE):.0f} %); nothing was written"
        )
    if worst > parity.tolerance:
        raise UserError(
            f"the exported file differs from the trained network by {worst:.3g} on {runtime} "
            f"(tolerance {parity.tolerance:.3g}, {metric.main} {values[0]:.4f} -> {values[1]:.4f}); "
            "nothing was written"
        )
    return parity
