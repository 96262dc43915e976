"""Image classification: one label an image."""

from collections.abc import Sequence

import cv2
import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

from ..drawing import put_text
from ..metrics.accuracy import Accuracy
from ._base import HELPERS, First, class_count, divergence, main_and_helpers
from ._base import Task as Base


class Task(Base):
    """Networks map [N, 3, H, W] to logits [N, classes]; the deployed one to probabilities."""

    metric = Accuracy
    options = ("label_smoothing",)

    def __init__(self, labels: list[str], label_smoothing: float = 0.0):
        super().__init__(labels)
        self.label_smoothing = label_smoothing

    def model_args(self, given: dict) -> dict:
        return class_count(given, self.labels)

    def loss(self, network: nn.Layer, batch: dict) -> dict[str, paddle.Tensor]:
        """Cross-entropy in nats, mean over the batch; labels smoothed as in Szegedy et al. 2016
        (arXiv 1512.00567, section 7)."""
        logits, helpers = main_and_helpers(network(paddle.to_tensor(batch["image"])))
        labels = paddle.to_tensor(batch["label"])
        of = lambda found: F.cross_entropy(found, labels, label_smoothing=self.label_smoothing)  # noqa: E731
        return {"loss": of(logits) + HELPERS * sum(of(found) for found in helpers)}

    def apart(self, said: Sequence[paddle.Tensor], wanted: Sequence[paddle.Tensor]) -> paddle.Tensor:
        return divergence(said[0], wanted[0], -1)

    def deployed(self, network: nn.Layer) -> nn.Layer:
        return First(network, nn.Softmax(axis=-1))

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
        rows = result["top"][:3]
        strip = np.full((12 + 26 * len(rows), size[0], 3), 24, np.uint8)
        for i, row in enumerate(rows):
            bar = round((size[0] - 16) * row["score"])
            top = 8 + 26 * i
            cv2.rectangle(strip, (8, top), (8 + bar, top + 20), (45, 105, 160), -1)
            text = f"{row['label']}  {100 * row['score']:.1f} %"
            put_text(strip, text, 14, top + 15, 14, (255, 255, 255))
        return np.concatenate([picture, strip])
