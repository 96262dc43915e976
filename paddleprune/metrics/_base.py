"""What every metric can do: say its value, say it for resampled images, join another's images."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

AT_ONCE = 100  # draws; of many images their counts take much memory


class Metric(ABC):
    """Keeps STATISTICS of the images, so that the value on any resample of them is known."""

    main: ClassVar[str]  # the key of `compute()` that models are judged by
    also: ClassVar[tuple[str, ...]] = ()  # further keys that tables of results show
    higher_is_better: ClassVar[bool] = True
    # Of the images at each point of an analysis: they shall cost little beside the point.
    draws: ClassVar[int] = 25

    def __init__(self) -> None:
        self.statistics: list[Any] = []

    @abstractmethod
    def update(self, outputs: Sequence[np.ndarray], batch: dict) -> None:
        """Add a batch. `outputs`: one array per network output."""

    @abstractmethod
    def compute(self) -> dict[str, float]:
        """All values over all images."""

    @abstractmethod
    def resampled(self, counts: np.ndarray) -> np.ndarray:
        """The main value for each row of `counts` [B, images], how often each image was drawn."""

    @abstractmethod
    def each(self) -> np.ndarray:
        """The main value of each image alone, [images]; nan where it has none."""

    def by_class(self, classes: int) -> dict[str, np.ndarray]:
        """Columns of a table with a row per class, each [classes]; nan where there is nothing to say."""
        return {}

    def merge(self, other: Any) -> None:
        """Add the images of another meter of this kind, of another process say."""
        self.statistics += other.statistics


class Additive(Metric):
    """Its values follow from the sum of the images' statistics: one array per batch, [images of the
    batch, ...]."""

    draws = 100

    @abstractmethod
    def measure(self, outputs: Sequence[np.ndarray], batch: dict) -> np.ndarray:
        """Statistics [N, ...] of a batch of N images."""

    @abstractmethod
    def summary(self, total: np.ndarray, images: float) -> Mapping[str, float]:
        """The values, from the sum of the statistics over `images` images."""

    def update(self, outputs: Sequence[np.ndarray], batch: dict) -> None:
        self.statistics.append(self.measure(outputs, batch))

    def compute(self) -> dict[str, float]:
        every = np.concatenate(self.statistics)
        return {k: float(v) for k, v in self.summary(every.sum(0), len(every)).items()}

    def each(self) -> np.ndarray:
        return np.array([self.summary(row, 1)[self.main] for row in np.concatenate(self.statistics)])

    def resampled(self, counts: np.ndarray) -> np.ndarray:
        every = np.concatenate(self.statistics).astype(np.float64)
        values = []
        for start in range(0, len(counts), AT_ONCE):
            some = counts[start : start + AT_ONCE].astype(np.float64)
            totals = np.tensordot(some, every, 1)
            values += [
                self.summary(total, images)[self.main]
                for total, images in zip(totals, some.sum(1), strict=True)
            ]
        return np.array(values)
