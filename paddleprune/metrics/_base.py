"""What every metric can do: say its value, say it for resampled images, join another's images."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np


class Metric(ABC):
    """Keeps STATISTICS of each image, so that the value on any resample of the images is known.

    `statistics`: one array per batch, [images of the batch, ...]. A metric whose statistics are
    not arrays of one shape overrides `update`, `merge` and `values`.
    """

    main: ClassVar[str]  # the key of `compute()` that models are judged by
    also: ClassVar[tuple[str, ...]] = ()  # further keys that tables of results show
    higher_is_better: ClassVar[bool] = True

    def __init__(self) -> None:
        self.statistics: list[np.ndarray] = []

    @abstractmethod
    def measure(self, outputs: Sequence[np.ndarray], batch: dict) -> np.ndarray:
        """Statistics [N, ...] of a batch of N images. `outputs`: one array per network output."""

    @abstractmethod
    def summary(self, total: np.ndarray, images: float) -> Mapping[str, float]:
        """The values, from the sum of the statistics over `images` images."""

    def update(self, outputs: Sequence[np.ndarray], batch: dict) -> None:
        self.statistics.append(self.measure(outputs, batch))

    def merge(self, other: "Metric") -> None:
        """Add the images of another meter, of another process say."""
        self.statistics += other.statistics

    def compute(self) -> dict[str, float]:
        """All values over all images."""
        every = np.concatenate(self.statistics)
        return {k: float(v) for k, v in self.summary(every.sum(0), len(every)).items()}

    def resampled(self, counts: np.ndarray) -> np.ndarray:
        """The main value for each row of `counts` [B, images], how often each image was drawn."""
        every = np.concatenate(self.statistics)
        totals = np.tensordot(counts.astype(np.float64), every.astype(np.float64), 1)
        return np.array(
            [self.summary(total, c.sum())[self.main] for total, c in zip(totals, counts, strict=True)]
        )
