"""Object detection: boxes, their classes and scores."""

from collections.abc import Sequence

import cv2
import numpy as np

from ..drawing import letter_size, put_text, text_size
from ..metrics.boxes import BoxMap, CocoMap, iou, split
from ..models._boxes import KEPT, LEAST, OVERLAP
from ._base import Agreement
from ._base import Task as Base
from .segmentation import palette

ALIKE = 0.01  # largest difference of scores and corners between runtimes' versions of a box
REPLACED = 0.1  # largest share of boxes with another one in their place; more are no ties


class Task(Base):
    """Deployed networks give boxes [B, 6] of all pictures, one after another, and their number per picture [N]; a box
    is class, score, x1, y1, x2, y2 in fractions of the picture."""

    shown = 0.3
    metric = BoxMap
    full_metric = CocoMap

    def agreement(self, mine: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> Agreement:
        """Each box of one runtime needs itself in the other: a box of its class and picture with score and
        corners within `ALIKE`. Boxes that rounding decides about need none, see `_uncertain`, and a few may
        have another of nearly the same score in their place, see `_replaced`."""
        worst, same, replaced, count = 0.0, 0, 0, 0
        for a, b in zip(split(mine), split(theirs), strict=True):
            if np.isnan(a).any() or np.isnan(b).any():
                return Agreement(float("inf"), 1.0, 0, 1)
            for one, other in ((a, b), (b, a)):
                apart = _apart(one, other)
                alike = apart < ALIKE
                worst = max(worst, float(apart[alike].max(initial=0.0)))
                other_one = ~alike & _replaced(one, other)
                counts = alike | other_one | ~_uncertain(one, other)
                same, replaced = same + int(alike.sum()), replaced + int(other_one.sum())
                count += int(counts.sum())
        few = replaced <= REPLACED * (same + replaced)
        return Agreement(worst, 1.0, same + replaced * few, count)

    def result(self, outputs: Sequence[np.ndarray], size: tuple[int, int]) -> dict:
        """{"boxes": [{"label", "index", "score", "box": [x1, y1, x2, y2] in pixels}, ...]}, best first."""
        found = np.asarray(outputs[0]).reshape(-1, 6)
        found = found[found[:, 1] >= self.shown]
        scale = np.array([size[1], size[0]] * 2)
        return {
            "boxes": [
                {
                    "label": self.labels[int(row[0])],
                    "index": int(row[0]),
                    "score": round(float(row[1]), 6),
                    "box": [round(float(v), 2) for v in row[2:] * scale],
                }
                for row in found[np.argsort(-found[:, 1], kind="stable")]
            ]
        }

    def draw(self, image: np.ndarray, result: dict) -> np.ndarray:
        """The picture, at least 320 px wide, with a frame and a name on each box."""
        scale = max(1, -(-320 // image.shape[1]))
        picture = np.ascontiguousarray(image.repeat(scale, 0).repeat(scale, 1))
        colours, size = palette(len(self.labels)), letter_size(picture.shape[1])
        for row in reversed(result["boxes"]):  # the best one on top
            x1, y1, x2, y2 = (round(scale * v) for v in row["box"])
            colour = [int(c) // 2 + 100 for c in colours[row["index"]]]
            cv2.rectangle(picture, (x1, y1), (x2, y2), colour, max(2, size // 7))
            text = f"{row['label']} {row['score']:.2f}"
            width, height = text_size(text, size)
            top, left = max(y1, height + 4), max(0, min(x1, picture.shape[1] - width))
            cv2.rectangle(picture, (left, top - height - 4), (left + width, top), colour, -1)
            put_text(picture, text, left, top - 3, size, (0, 0, 0))
        return picture


def _apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The largest difference of score and corners of each box [n, 6] of `one` to the most similar one of its
    class in `other`; infinite where there is none."""
    apart = np.abs(one[:, None, 1:] - other[None, :, 1:]).max(2, initial=0.0)
    apart[one[:, None, 0] != other[None, :, 0]] = np.inf
    return apart.min(1, initial=np.inf)


def _replaced(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Boxes [n, 6] of `one` in whose place `other` has one of their class that they overlap, with the score
    within `ALIKE`: of two such boxes NMS keeps the one that rounding makes the stronger."""
    related = one[:, None, 0] == other[None, :, 0]
    scores = np.abs(one[:, None, 1] - other[None, :, 1]) < ALIKE
    return (related & scores & (iou(one[:, 2:], other[:, 2:]) > OVERLAP)).any(1)


def _uncertain(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Boxes [n, 6] of `one` that the other runtime may leave out for a difference of rounding: the score is
    at the least one, or at the lowest of as many as are kept; or a stronger box of the class, in either
    runtime, overlaps as much as just goes."""
    least = max([LEAST, *(boxes[:, 1].min() for boxes in (one, other) if len(boxes) >= KEPT)])
    weak = one[:, 1] < least + ALIKE
    rivals = np.concatenate([one, other])
    stronger = (rivals[None, :, 0] == one[:, None, 0]) & (rivals[None, :, 1] > one[:, None, 1] - ALIKE)
    tie = stronger & (np.abs(iou(one[:, 2:], rivals[:, 2:]) - OVERLAP) < ALIKE)
    return weak | tie.any(1)
