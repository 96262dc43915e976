"""Mean intersection over union of semantic segmentation, at the size of the network's input."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..data.transforms.paired import IGNORE
from ._base import Additive
from ._confusion import Confused, share


class MeanIoU(Additive):
    """`miou` and `acc` (fraction of the pixels) in [0, 1], over all pixels that are not 255.

    IoU of a class = pixels that are it and are called it / pixels that are it or are called it
    (Everingham et al. 2010, the PASCAL VOC challenge). Classes that neither occur nor are called
    are left out of the mean.
    Example, two classes: labels [0, 0, 1, 1], called [0, 1, 1, 1] -> IoU 1/2 and 2/3, miou 7/12.
    """

    main = "miou"

    def measure(self, outputs: Sequence[np.ndarray], batch: dict) -> np.ndarray:
        """`outputs[0]`: scores [N, classes, H, W]; batch["mask"]: [N, H, W] -> areas [N, 3, classes]:
        rightly called, called, labelled."""
        scores = np.asarray(outputs[0])
        return np.stack([_areas(s.argmax(0), m, len(s)) for s, m in zip(scores, batch["mask"], strict=True)])

    def summary(self, total: np.ndarray, images: float) -> Mapping[str, float]:
        right, called, labelled = total
        union = called + labelled - right
        seen = union > 0
        pixels = labelled.sum()
        return {
            "miou": float((right[seen] / union[seen]).mean()) if seen.any() else 0.0,
            "acc": right.sum() / pixels if pixels else 0.0,
        }

    def each(self) -> np.ndarray:
        labelled = np.concatenate(self.statistics)[:, 2].sum(1)
        return np.where(labelled > 0, super().each(), np.nan)


def _areas(called: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    counts = labels != IGNORE
    called, labels = called[counts], labels[counts]
    parts = (called[called == labels], called, labels)
    return np.stack([np.bincount(part, minlength=classes) for part in parts])


class MeanIoUByClass(Confused, MeanIoU):
    """Also which class is taken for which, in pixels."""

    def taken_for(self, outputs: Sequence[np.ndarray], batch: dict) -> tuple[np.ndarray, np.ndarray]:
        masks, called = np.asarray(batch["mask"]), np.asarray(outputs[0]).argmax(1)
        return masks[masks != IGNORE], called[masks != IGNORE]

    def by_class(self, classes: int) -> dict[str, np.ndarray]:
        """The share of the pixels; IoU; the fraction that is found; the fraction right of what is called so."""
        labelled, found, right = self.confusion.shares(classes)
        counts = self.confusion.matrix(classes)
        hits = np.diag(counts)
        iou = share(hits, labelled + counts.sum(0) - hits)
        return {"share": labelled / max(1, labelled.sum()), "iou": iou, "recall": found, "precision": right}
