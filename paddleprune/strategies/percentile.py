"""One percentile over the filters of the whole network, each layer's scores of length 1."""

from dataclasses import dataclass

import numpy as np

from .setting import Setting


@dataclass(frozen=True)
class Percentile:
    """The `ratio` of all filters that score lowest go, as far as they are in the groups that may be pruned: mean
    squared weight, divided by the length of the vector of a layer's scores (the filter pruning of a study of YOLOv2).

    A layer of n filters has scores of about 1 / sqrt(n), so wide layers lose most. Where layers share channels,
    the one that keeps most says how many stay; of each group at least one stays.
    """

    ratio: float = 0.5

    def ratios(self, setting: Setting) -> dict[str, float]:
        scores = {name: _scores(array, axis) for name, (array, axis) in setting.filters.items()}
        threshold = float(np.quantile(np.concatenate(list(scores.values())), self.ratio))
        chosen = {}
        for name in setting.names:
            group = setting.groups[name]
            stay = [scores[s.parameter][s.index].max(1) for s in group.role("out") if s.parameter in scores]
            kept = max([1, *(int((values >= threshold).sum()) for values in stay)])
            chosen[name] = 1 - kept / group.size if stay else 0.0
        return chosen


def _scores(weight: np.ndarray, axis: int) -> np.ndarray:
    """[filters]: of a weight whose filters are on `axis`."""
    means = np.square(np.moveaxis(weight, axis, 0).astype(np.float64).reshape(weight.shape[axis], -1)).mean(1)
    return means / max(float(np.sqrt(np.square(means).sum())), 1e-30)
