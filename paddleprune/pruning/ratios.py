"""From sensitivity curves to a ratio per group. Pure functions.

A curve is {ratio: sensitivity}. The loss of removing nothing is 0 by definition and is not in it.
"""

import math
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from ..errors import UserError

Curves = Mapping[str, Mapping[float, float]]


def under_budget(curves: Curves, budget: float) -> dict[str, float]:
    """The largest ratio of each group whose sensitivity stays within `budget`.

    From the largest ratio downwards the first point within the budget is taken; towards the next
    larger point the ratio is interpolated linearly: with 0.2 -> 0.02 and 0.3 -> 0.06, a budget of
    0.03 gives 0.2 + 0.1 * (0.03 - 0.02) / (0.06 - 0.02) = 0.225. A group whose smallest ratio
    already breaks the budget gets 0 (PaddleSlim's `get_ratios_by_loss`).
    Raises UserError for a budget that is not in [0, 1).
    """
    if not 0 <= budget < 1:
        raise UserError(
            f"--eval_metric_loss: {budget} is out of range; it is the largest relative loss of "
            "the metric per group, in [0, 1), e.g. 0.05"
        )
    return {name: _largest(sorted(curve.items()), budget) for name, curve in curves.items()}


def _largest(points: list[tuple[float, float]], budget: float) -> float:
    for i in reversed(range(len(points))):
        ratio, loss = points[i]
        if loss <= budget:
            if i == len(points) - 1:
                return ratio
            next_ratio, next_loss = points[i + 1]
            return ratio + (budget - loss) * (next_ratio - ratio) / (next_loss - loss)
    return 0.0


def uniform(groups: Iterable[str], ratio: float) -> dict[str, float]:
    """The same ratio for each group."""
    if not 0 <= ratio < 1:
        raise UserError(f"prune.ratio: {ratio} is out of range; it must be in [0, 1)")
    return dict.fromkeys(groups, ratio)


def for_target(
    curves: Curves, cost: Callable[[Mapping[str, float]], float], target: float
) -> tuple[dict[str, float], float]:
    """The ratios of the smallest budget at which `cost(ratios)` <= `target`, and that budget.

    `cost` gives the fraction of macs or parameters that is left. It falls as the budget grows,
    so bisection finds the budget. Raises UserError if even the largest ratios are not enough.
    """
    if not 0 < target <= 1:
        raise UserError(f"prune.target: {target} is out of range; it is a fraction to keep, in (0, 1]")
    losses = sorted({0.0, *(max(0.0, loss) for curve in curves.values() for loss in curve.values())})
    most = {name: _largest(sorted(curve.items()), losses[-1]) for name, curve in curves.items()}
    if cost(most) > target:
        raise UserError(
            f"prune.target: {target:.3g} cannot be reached; with the largest ratios of the "
            f"sensitivities {cost(most):.3f} is left; choose a larger target or analyse larger ratios"
        )

    def at(budget: float) -> dict[str, float]:
        return {name: _largest(sorted(curve.items()), budget) for name, curve in curves.items()}

    low, high = -1e-9, losses[-1]
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (low, middle) if cost(at(middle)) <= target else (middle, high)
    return at(high), high


STEPS = 20_000  # of the latency, in the knapsack; rounding to 2000 costs sixty groups that save a hundredth each 5 %


def for_latency(curves: Curves, left: Curves, target: float) -> dict[str, float]:
    """The ratios of the smallest sum of losses whose savings leave `target` of the latency.

    `left`: {group: {ratio: fraction of the latency left when only this group is pruned}}; savings, 1 - left,
    are taken to add up. Exact but for savings being rounded down to steps of 1/20000: a knapsack by dynamic
    programming, in milliseconds where a general integer solver takes minutes (savings and losses that go together).
    Losses below 0 count as 0. Raises UserError if all savings together are not enough.
    Example: a saves 0.2 at a loss of 0.01 and 0.3 at 0.05, b saves 0.1 at 0.02: to leave 0.7, a and b at
    0.2 + 0.1 cost 0.03, a alone 0.05.
    """
    needed = max(0, math.ceil((1 - target) * STEPS - 1e-6))
    options = {
        name: [(0.0, 0, 0.0)]
        + [
            (ratio, int((1 - left[name][ratio]) * STEPS + 1e-6), max(0.0, loss))
            for ratio, loss in curve.items()
        ]
        for name, curve in curves.items()
        if name in left
    }
    cost = np.full(needed + 1, np.inf)  # the least loss that saves so many steps, or more
    cost[0] = 0.0
    picks = []
    for choices in options.values():
        best, pick = np.full(needed + 1, np.inf), np.zeros(needed + 1, int)
        for number, (_, saved, loss) in enumerate(choices):
            before = cost[np.maximum(np.arange(needed + 1) - saved, 0)] + loss
            better = before < best
            best[better], pick[better] = before[better], number
        cost = best
        picks.append(pick)
    if not np.isfinite(cost[needed]):
        most = sum(max(saved for _, saved, _ in choices) for choices in options.values()) / STEPS
        raise UserError(
            f"prune.target.latency: {target:g} cannot be reached; the groups together save {most:.3f} of the "
            "latency; ask for more, or analyse larger ratios"
        )
    chosen, still = {}, needed
    for (name, choices), pick in zip(reversed(options.items()), reversed(picks), strict=True):
        ratio, saved, _ = choices[pick[still]]
        chosen[name], still = ratio, max(0, still - saved)
    return {name: chosen[name] for name in options}
