"""Does the exported file say what the trained network says? Measured, never assumed."""

import logging
from collections.abc import Iterable, Sequence

import numpy as np

from ..engine.evaluate import Forward, evaluate
from ..errors import UserError
from ..tasks._base import Agreement, Task
from .manifest import Parity

log = logging.getLogger(__name__)
TOLERANCE = 1e-3  # of the largest output, or of 1 where that is smaller
LOSS = 0.05  # largest relative loss of the metric to quantisation
ALIKE = 0.98  # least fraction of decisions (labels, pixels, boxes) that both take alike


def check(
    runtime: str,
    trained: Forward,
    exported: Forward,
    batches: Iterable[dict],
    task: Task,
    lossy: bool = False,
) -> Parity:
    """Run both on the same images. Raises UserError if an output differs by more than the tolerance, or more
    decisions than may; of a `lossy` file only if the metric is worse by more than `LOSS` of itself."""
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
    worst, decided = max(a.difference for a in found), sum(a.decided or 0 for a in found)
    if not decided and any(a.decided is not None for a in found):
        log.warning("the network decides nothing on these %d images: little was compared", images)
    parity = Parity(
        runtime, images, worst, None if lossy else TOLERANCE * max(1.0, *(a.largest for a in found)),
        metric.main, *values, same_decisions=sum(a.same for a in found) / decided if decided else None,
    )  # fmt: skip
    if lossy:
        _refuse_loss(parity, task)
    else:
        _refuse_difference(parity)
    return parity


def _refuse_difference(parity: Parity) -> None:
    if parity.tolerance is not None and parity.max_abs_diff > parity.tolerance:
        raise UserError(
            f"the exported file differs from the trained network by {parity.max_abs_diff:.3g} on "
            f"{parity.runtime} (tolerance {parity.tolerance:.3g}, {parity.metric} {parity.trained:.4f} -> "
            f"{parity.exported:.4f}); nothing was written"
        )
    if parity.same_decisions is not None and parity.same_decisions < ALIKE:
        raise UserError(
            f"the exported file decides {100 * (1 - parity.same_decisions):.1f} % otherwise than the trained "
            f"network on {parity.runtime} (tolerance {100 * (1 - ALIKE):.0f} %); nothing was written"
        )


def _refuse_loss(parity: Parity, task: Task) -> None:
    worse = (parity.trained - parity.exported) * (1 if task.metric.higher_is_better else -1)
    if not worse <= LOSS * abs(parity.trained):  # NaN is refused, too
        raise UserError(
            f"the quantised file's {parity.metric} is {parity.exported:.4f}, the network's {parity.trained:.4f}: "
            f"a loss of more than {100 * LOSS:.0f} %; nothing was written. Use another --quant or --quant_algorithm, or leave it out"
        )
