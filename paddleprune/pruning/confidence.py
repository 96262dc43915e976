"""Is a part of the images enough? Bootstrap intervals of sensitivities, and decisions they leave open.

A sensitivity measured on n of N images differs from the one on all N by chance. The chance is
estimated by measuring again on images drawn from the n with replacement (Efron 1979), the dense and
the pruned network on the same draws, as their errors go together. Deviations are shrunk by
sqrt(1 - n / N), the finite population correction: with all images in, nothing is left open. What other pictures of the kind
would say, of which there are any number, is not shrunk.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

DRAWS = 1000
LEVEL = 0.95
DEVIATIONS = 1.96  # to each side, of a normal distribution, in which LEVEL lies
FEW = 100  # draws, of which the outermost say little


class Score(float):
    """The value of a metric that can say what it would be on other draws of its images.

    `meter.resampled(counts [B, images]) -> values [B]`."""

    meter: Any
    _drawn: np.ndarray | None

    def __new__(cls, value: float, meter: Any) -> "Score":
        score = super().__new__(cls, value)
        score.meter, score._drawn = meter, None
        return score

    def resampled(self, counts: np.ndarray) -> np.ndarray:
        """The values [B] on the draws, which are always the same ones; kept."""
        if self._drawn is None:
            self._drawn = self.meter.resampled(counts)
        return self._drawn


def interval(
    baseline: Score, metric: Score, higher_is_better: bool, images: int, of: float
) -> tuple[float, float]:
    """Bounds of the sensitivity on all `of` images, from `images` of them, at `LEVEL`; `of` math.inf: on any others.

    Percentiles of the draws' sensitivities, of less than `FEW` their standard deviation; draws whose baseline is 0 are left
    out.
    """
    counts = draws(images)[: DRAWS if of < np.inf else metric.meter.draws]
    base, value = baseline.resampled(counts), metric.meter.resampled(counts)
    some = base != 0
    losses = (base[some] - value[some]) / np.abs(base[some]) * (1 if higher_is_better else -1)
    loss = (baseline - metric) / abs(baseline) * (1 if higher_is_better else -1)
    few = DEVIATIONS * losses.std() if len(losses) < FEW else None
    low, high = bounds(losses) if few is None else (loss - few, loss + few)
    shrink = np.sqrt(max(0.0, 1 - images / of))
    return float(loss + shrink * (low - loss)), float(loss + shrink * (high - loss))


def bounds(values: np.ndarray) -> list[float]:
    """Where `LEVEL` of what was drawn lies."""
    tails = 100 * (1 - LEVEL) / 2
    return [float(v) for v in np.percentile(values, [tails, 100 - tails])]


@lru_cache(maxsize=2)
def draws(images: int) -> np.ndarray:
    """How often each image is in each draw, [DRAWS, images]; the same on every machine."""
    rng = np.random.default_rng(0)
    return rng.multinomial(images, np.full(images, 1 / images), size=DRAWS).astype(np.int16)


def undecided(intervals: Mapping[str, Mapping[float, tuple[float, float]]], budget: float) -> list[str]:
    """Groups whose largest ratio within `budget` depends on where in their intervals the truth is.

    Example: budget 0.05, intervals {0.1: (0.01, 0.02), 0.2: (0.04, 0.07)}: the ratio is 0.2 at the
    lower bounds and 0.1 at the upper ones, so the group is undecided.
    """

    def largest(curve: Mapping[float, tuple[float, float]], bound: int) -> float:
        return max((ratio for ratio, both in curve.items() if both[bound] <= budget), default=0.0)

    return [name for name, curve in intervals.items() if largest(curve, 0) != largest(curve, 1)]
