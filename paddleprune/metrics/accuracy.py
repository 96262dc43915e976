"""Top-k accuracy of classification."""

from collections.abc import Sequence

import numpy as np


class Accuracy:
    """`acc1` and `acc5` in [0, 1]: the fraction of images whose label is among the k best.

    With fewer than 5 classes acc5 is the fraction among all of them, 1.
    Example: scores [[.1, .7, .2], [.5, .2, .3]], labels [1, 2] -> acc1 = 1/2.
    """

    main = "acc1"
    higher_is_better = True

    def __init__(self) -> None:
        self.images, self.hits1, self.hits5 = 0, 0, 0

    def update(self, outputs: Sequence[np.ndarray], batch: dict) -> None:
        """`outputs[0]`: scores [N, classes]; batch["label"]: [N] class indices."""
        scores, labels = np.asarray(outputs[0]), np.asarray(batch["label"])
        own = np.take_along_axis(scores, labels[:, None], 1)
        # among equal scores the lower index ranks first, as with a stable sort
        ahead = (scores > own) | ((scores == own) & (np.arange(scores.shape[1]) < labels[:, None]))
        rank = np.where(np.isnan(own[:, 0]), scores.shape[1], ahead.sum(1))
        self.images += len(labels)
        self.hits1 += int((rank < 1).sum())
        self.hits5 += int((rank < 5).sum())

    def compute(self) -> dict[str, float]:
        return {"acc1": self.hits1 / self.images, "acc5": self.hits5 / self.images}
