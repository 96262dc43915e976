"""Top-k accuracy of classification."""

from collections.abc import Mapping, Sequence

import numpy as np

from ._base import Additive
from ._confusion import Confused


class Accuracy(Additive):
    """`acc1` and `acc5` in [0, 1]: the fraction of images whose label is among the k best.

    With fewer than 5 classes acc5 is the fraction among all of them, 1.
    Example: scores [[.1, .7, .2], [.5, .2, .3]], labels [1, 2] -> acc1 = 1/2.
    """

    main = "acc1"

    def measure(self, outputs: Sequence[np.ndarray], batch: dict) -> np.ndarray:
        """`outputs[0]`: scores [N, classes]; batch["label"]: [N] class indices -> hits [N, 2]."""
        scores, labels = np.asarray(outputs[0]), np.asarray(batch["label"])
        own = np.take_along_axis(scores, labels[:, None], 1)
        # among equal scores the lower index ranks first, as with a stable sort
        ahead = (scores > own) | ((scores == own) & (np.arange(scores.shape[1]) < labels[:, None]))
        rank = np.where(np.isnan(own[:, 0]), scores.shape[1], ahead.sum(1))
        return np.stack([rank < 1, rank < 5], 1).astype(np.int64)

    def summary(self, total: np.ndarray, images: float) -> Mapping[str, float]:
        return {"acc1": total[0] / images, "acc5": total[1] / images}


class AccuracyByClass(Confused, Accuracy):
    """Also which class is taken for which."""

    def taken_for(self, outputs: Sequence[np.ndarray], batch: dict) -> tuple[np.ndarray, np.ndarray]:
        return np.asarray(batch["label"]), np.asarray(outputs[0]).argmax(1)

    def by_class(self, classes: int) -> dict[str, np.ndarray]:
        """Pictures; the fraction of them that is found; the fraction right of those that are called so."""
        labelled, found, right = self.confusion.shares(classes)
        return {"pictures": labelled, "recall": found, "precision": right}
