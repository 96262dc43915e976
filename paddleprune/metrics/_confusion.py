"""Which class is taken for which."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from ._base import Metric


class Confusion:
    """Counts of pairs (what it is, what it is called)."""

    def __init__(self) -> None:
        self.pairs: dict[tuple[int, int], int] = {}

    def add(self, labels: np.ndarray, called: np.ndarray) -> None:
        """Whole numbers from 0 on, of one shape."""
        if not labels.size:
            return
        classes = int(max(labels.max(), called.max())) + 1
        counts = np.bincount(labels.ravel().astype(np.int64) * classes + called.ravel())
        for both in np.flatnonzero(counts).tolist():
            pair = both // classes, both % classes
            self.pairs[pair] = self.pairs.get(pair, 0) + int(counts[both])

    def join(self, other: "Confusion") -> None:
        for pair, count in other.pairs.items():
            self.pairs[pair] = self.pairs.get(pair, 0) + count

    def matrix(self, classes: int) -> np.ndarray:
        """[classes that they are, classes that they are called]."""
        counts = np.zeros((classes, classes), np.int64)
        for (label, called), count in self.pairs.items():
            counts[label, called] = count
        return counts

    def shares(self, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Per class: how many there are, the fraction of them that is found, the fraction right of those called so."""
        counts = self.matrix(classes)
        right, labelled, called = np.diag(counts), counts.sum(1), counts.sum(0)
        return labelled, share(right, labelled), share(right, called)


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole; nan where the whole is nothing."""
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


class Confused(Metric):
    """For a metric that also counts which class is taken for which; put before it among the parents."""

    def __init__(self) -> None:
        super().__init__()
        self.confusion = Confusion()

    @abstractmethod
    def taken_for(self, outputs: Sequence[np.ndarray], batch: dict) -> tuple[np.ndarray, np.ndarray]:
        """What it is and what it is called, whole numbers of one shape."""

    def update(self, outputs: Sequence[np.ndarray], batch: dict) -> None:
        super().update(outputs, batch)  # type: ignore[safe-super]
        self.confusion.add(*self.taken_for(outputs, batch))

    def merge(self, other: Any) -> None:
        super().merge(other)
        self.confusion.join(other.confusion)
