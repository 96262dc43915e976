"""The least harm in all for what is saved, over all groups together."""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..channels.cost import BYTES
from ..errors import UserError
from ..pruning.plan import keep_count
from .for_target import ForTarget
from .setting import Setting
from .under_budget import measured

MOST = 0.99  # of a loss that still says something
NARROW = 1e-3  # added to the width of an interval: none is certain without end


@dataclass(frozen=True)
class LeastLoss:
    """Leave at most this fraction of the dense network's `macs`, `params` or `size_bytes`, one of the three, in (0, 1], at
    the least predicted loss of all groups together. Needs sensitivities, or a network that has been observed.

    What one group leaves of the metric, 1 - loss, is taken to multiply with what another leaves, so
    -log(1 - loss) adds up. From the whole network on, the step of one group that adds least of it for what it
    saves is taken next, however far it goes along its curve (which is first made to rise with the ratio:
    noise does not promise what more pruning cannot give). The last step goes no further than it must.
    """

    macs: float = 0.0
    params: float = 0.0
    size_bytes: float = 0.0

    def ratios(self, setting: Setting) -> dict[str, float]:
        what, target = ForTarget(self.macs, self.params, self.size_bytes).asked
        return _Walk(setting, self._curves(setting), what).down_to(target)

    def predicted(self, setting: Setting, ratios: Mapping[str, float]) -> float:
        """The loss that is expected of all groups together at these ratios."""
        return 1 - math.exp(-_harm_of(self._curves(setting), ratios))

    def predicted_between(self, setting: Setting, ratios: Mapping[str, float]) -> tuple[float, float]:
        """The same on other pictures of this kind, from and to: where all groups' errors come at random, each as large
        as its interval allows. Groups without intervals count as certain."""
        curves = self._curves(setting)
        middle, apart = _harm_of(curves, ratios), [0.0, 0.0]
        for name, bounds in setting.intervals.items():
            if ratios.get(name, 0.0) > 0 and name in curves and set(bounds) == set(curves[name]):
                here = _harm(_between(curves[name], ratios[name]))
                for end, sign in ((0, -1), (1, 1)):
                    curve = rising({ratio: both[end] for ratio, both in bounds.items()}, bounds)
                    apart[end] += max(0.0, sign * (_harm(_between(curve, ratios[name])) - here)) ** 2
        low, high = middle - math.sqrt(apart[0]), middle + math.sqrt(apart[1])
        return 1 - math.exp(-max(0.0, low)), 1 - math.exp(-high)

    def harms(self, setting: Setting) -> dict[str, dict[float, float]]:
        """{group: {ratio: what it adds}} to minus the logarithm of what all groups together leave of the metric."""
        return {
            name: {ratio: _harm(loss) for ratio, loss in curve.items()}
            for name, curve in self._curves(setting).items()
        }

    def _curves(self, setting: Setting) -> dict[str, dict[float, float]]:
        known = measured(setting, self)
        return {
            name: rising(curve, setting.intervals.get(name, {})) for name, curve in known.items() if curve
        }


def rising(
    curve: Mapping[float, float], intervals: Mapping[float, tuple[float, float]] | None = None
) -> dict[float, float]:
    """The nearest curve that starts at 0 and does not fall with the ratio (isotonic regression). Where all points have
    `intervals`, a point counts by the inverse of its variance."""
    from sklearn.isotonic import IsotonicRegression

    points, weights = sorted(curve), None
    if intervals and all(ratio in intervals for ratio in points):
        widths = [intervals[ratio][1] - intervals[ratio][0] for ratio in points]
        weights = [1 / (max(width, 0.0) + NARROW) ** 2 for width in widths]
    fit = IsotonicRegression(y_min=0.0, y_max=MOST)
    fit.fit(points, [curve[ratio] for ratio in points], sample_weight=weights)
    return {ratio: float(value) for ratio, value in zip(points, fit.predict(points), strict=True)}


def _harm_of(curves: Mapping[str, Mapping[float, float]], ratios: Mapping[str, float]) -> float:
    return sum(_harm(_between(curves[name], ratio)) for name, ratio in ratios.items() if ratio > 0)


def _harm(loss: float) -> float:
    return -math.log(1 - min(loss, MOST))


def _between(curve: Mapping[float, float], ratio: float) -> float:
    """The loss at any ratio, between the points that are known; beyond the last one as there."""
    points = [(0.0, 0.0), *sorted(curve.items())]
    for (a, low), (b, high) in itertools.pairwise(points):
        if ratio <= b:
            return low + (high - low) * (ratio - a) / (b - a)
    return points[-1][1]


class _Walk:
    """The network as it gets smaller: how many units each group keeps."""

    def __init__(self, setting: Setting, curves: Mapping[str, Mapping[float, float]], what: str):
        self.setting, self.groups, self.what = setting, setting.groups, what
        self.kept = {name: self.groups[name].size for name in curves}
        self.ratio = dict.fromkeys(curves, 0.0)
        self.shapes = {name: list(shape) for name, shape in self.groups.shapes.items()}
        self.steps = {name: list(self._options(name, curve)) for name, curve in curves.items()}
        self.now = dict.fromkeys(curves, 0.0)  # harm so far

    def _options(self, name: str, curve: Mapping[float, float]) -> Iterator[tuple[int, float, float]]:
        """(units kept, ratio, harm) from the least pruning on, each with fewer units than the one before."""
        group, fewest = self.groups[name], self.groups[name].size
        last = max(curve)
        points = sorted({*curve, *(last * i / 20 for i in range(1, 21))})
        for ratio in points:
            count = keep_count(group.size, ratio, group.units_of(self.setting.align))
            if count < fewest:
                fewest = count
                yield count, ratio, _harm(_between(curve, min(1 - count / group.size, last)))

    def down_to(self, target: float) -> dict[str, float]:
        """The ratios when at most `target` of the cost is left. Raises UserError where that cannot be."""
        total = left = getattr(self.groups.cost(), self.what)
        while left > target * total:
            moves = list(self._moves())
            if not moves:
                raise UserError(
                    f"prune.target: {target:.3g} cannot be reached; with the largest ratios that are known "
                    f"{left / total:.3f} is left; choose a larger target"
                )
            best, enough = min(moves), [move for move in moves if left - move[3] <= target * total]
            if best in enough:  # the last step: of those that reach the target the one that adds least
                best = min(enough, key=lambda move: (move[0] * move[3], move[3], move))
            _, name, number, saved = best
            self._take(name, number)
            left -= saved
        return self.ratio

    def _moves(self) -> Iterator[tuple[float, str, int, float]]:
        """(harm added for what is saved, group, number of the step, what is saved)."""
        for name, steps in self.steps.items():
            for number, (count, _, harm) in enumerate(steps):
                saved = self._saved(name, count)
                if saved > 0:
                    yield (harm - self.now[name]) / saved, name, number, saved

    def _saved(self, name: str, count: int) -> float:
        group, fewer = self.groups[name], self.kept[name] - count
        lost: dict[str, list[int]] = {}
        for slot in group.slots:
            if self._weight(slot.parameter):
                shape = lost.setdefault(slot.parameter, list(self.shapes[slot.parameter]))
                shape[slot.axis] -= fewer * slot.index.shape[1]
        return sum(
            self._weight(parameter) * (math.prod(self.shapes[parameter]) - math.prod(shape))
            for parameter, shape in lost.items()
        )

    def _weight(self, parameter: str) -> float:
        """What a number in a parameter costs."""
        if self.what == "macs":
            return self.groups.positions.get(parameter, 0)
        if self.what == "size_bytes":
            return BYTES * float(parameter in self.groups.stored)
        return float(parameter in self.groups.parameters)

    def _take(self, name: str, number: int) -> None:
        count, ratio, harm = self.steps[name][number]
        for slot in self.groups[name].slots:
            self.shapes[slot.parameter][slot.axis] -= (self.kept[name] - count) * slot.index.shape[1]
        self.kept[name], self.ratio[name], self.now[name] = count, ratio, harm
        self.steps[name] = self.steps[name][number + 1 :]
