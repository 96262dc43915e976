"""Image classification: one label an image."""

from collections.abc import Sequence

import cv2
import numpy as np

from ..drawing import letter_size, put_text
from ..metrics.accuracy import Accuracy, AccuracyByClass
from ._base import Task as Base


class Task(Base):
    """Deployed networks map [N, 3, H, W] to probabilities [N, classes]."""

    metric = Accuracy
    full_metric = AccuracyByClass
    whole = False

    def decisions(self, outputs: Sequence[np.ndarray]) -> np.ndarray:
        return np.asarray(outputs[0]).argmax(-1)

    def result(self, outputs: Sequence[np.ndarray], size: tuple[int, int]) -> dict:
        """{"top": [{"label", "index", "score"}, ...]}: the five best, best first."""
        scores = np.asarray(outputs[0]).reshape(-1)
        best = np.argsort(-scores, kind="stable")[:5]
        return {
            "top": [
                {"label": self.labels[i], "index": int(i), "score": round(float(scores[i]), 6)} for i in best
            ]
        }

    def draw(self, image: np.ndarray, result: dict) -> np.ndarray:
        """The picture, at least 320 px wide, with the three best labels in a strip below it."""
        scale = max(1.0, 320 / image.shape[1])
        size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
        picture = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
        rows, letters = result["top"][:3], max(14, letter_size(size[0]))
        row_height = 26 * letters // 14
        strip = np.full((12 + row_height * len(rows), size[0], 3), 24, np.uint8)
        for i, row in enumerate(rows):
            bar = round((size[0] - 16) * row["score"])
            top = 8 + row_height * i
            cv2.rectangle(strip, (8, top), (8 + bar, top + 20 * letters // 14), (45, 105, 160), -1)
            text = f"{row['label']}  {100 * row['score']:.1f} %"
            put_text(strip, text, letters, top + 15 * letters // 14, letters, (255, 255, 255))
        return np.concatenate([picture, strip])
