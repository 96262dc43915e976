"""Semantic segmentation: one label a pixel."""

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

from ..config import DataConfig
from ..data.transforms.paired import IGNORE
from ..drawing import put_text
from ..errors import UserError
from ..lookup import suggest
from ..metrics.mean_iou import MeanIoU
from ..models.unet import INSTALL
from ._base import HELPERS, First, class_count, divergence, keeps_whole, main_and_helpers
from ._base import Task as Base

CROSS_ENTROPY = {"CrossEntropyLoss": 1.0}
# PaddleSeg's losses of logits and masks that run on Paddle 3
LOSSES = (
    "CrossEntropyLoss",
    "DiceLoss",
    "LovaszSoftmaxLoss",
    "OhemCrossEntropyLoss",
    "SemanticConnectivityLoss",
)


class Task(Base):
    """Networks map [N, 3, H, W] to logits [N, classes, H, W]; the deployed one to probabilities.

    `losses`: PaddleSeg's loss classes and their weights in the sum, e.g. {"CrossEntropyLoss": 0.8,
    "LovaszSoftmaxLoss": 0.2}; cross-entropy alone if none is given. Pixels of class 255 count in none.
    """

    metric = MeanIoU
    options = ("losses",)

    def __init__(self, labels: list[str], losses: Mapping[str, float] | None = None):
        super().__init__(labels)
        self.losses = [
            (_weight(name, weight), _loss(name)) for name, weight in (losses or CROSS_ENTROPY).items()
        ]

    def model_args(self, given: dict) -> dict:
        return class_count(given, self.labels)

    def check(self, data: DataConfig) -> None:
        keeps_whole(data, "segmentation")

    def loss(self, network: nn.Layer, batch: dict) -> dict[str, paddle.Tensor]:
        logits, helpers = main_and_helpers(network(paddle.to_tensor(batch["image"])))
        masks = paddle.to_tensor(batch["mask"].astype("int64"))

        def of(found: paddle.Tensor) -> paddle.Tensor:
            if found.shape[2:] != masks.shape[1:]:
                found = F.interpolate(found, masks.shape[1:], mode="bilinear")
            # each loss gets masks of its own: some of PaddleSeg's write into them
            return sum(weight * loss(found, masks.clone()) for weight, loss in self.losses)

        return {"loss": of(logits) + HELPERS * sum(of(found) for found in helpers)}

    def apart(self, said: Sequence[paddle.Tensor], wanted: Sequence[paddle.Tensor]) -> paddle.Tensor:
        return divergence(said[0], wanted[0], 1)

    def deployed(self, network: nn.Layer) -> nn.Layer:
        return First(network, nn.Softmax(axis=1))

    def decisions(self, outputs: Sequence[np.ndarray]) -> np.ndarray:
        return np.asarray(outputs[0]).argmax(1)

    def result(self, outputs: Sequence[np.ndarray], size: tuple[int, int]) -> dict:
        """{"classes": {name: fraction of the pixels}, "mask": class indices, uint8 [H, W]}."""
        mask = self.decisions(outputs)[0].astype(np.uint8)
        mask = cv2.resize(mask, size[::-1], interpolation=cv2.INTER_NEAREST)
        share = np.bincount(mask.ravel(), minlength=len(self.labels)) / mask.size
        found = {self.labels[i]: round(float(share[i]), 4) for i in np.argsort(-share, kind="stable")}
        return {"classes": {name: part for name, part in found.items() if part}, "mask": mask}

    def draw(self, image: np.ndarray, result: dict) -> np.ndarray:
        """The picture under its mask in colours, at least 320 px wide, and the classes in a strip below."""
        colours, scale = palette(len(self.labels)), max(1, -(-320 // image.shape[1]))
        picture = (0.45 * image + 0.55 * colours[result["mask"]]).round().astype(np.uint8)
        picture = picture.repeat(scale, 0).repeat(scale, 1)
        names = list(result["classes"])[:12]
        columns = picture.shape[1] // 110
        strip = np.full((6 + 18 * -(-len(names) // columns), picture.shape[1], 3), 24, np.uint8)
        for i, name in enumerate(names):
            x, y = 4 + 110 * (i % columns), 4 + 18 * (i // columns)
            colour = [int(c) for c in colours[self.labels.index(name)]]
            cv2.rectangle(strip, (x, y), (x + 12, y + 12), colour, -1)
            put_text(strip, name, x + 17, y + 11, 12, (235, 235, 235))
        return np.concatenate([picture, strip])


def palette(classes: int) -> np.ndarray:
    """A colour per class, uint8 RGB [256, 3]: the PASCAL VOC colour map, 255 black."""
    colours = np.zeros((256, 3), np.int64)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= ((np.arange(256) >> (3 * bit + channel)) & 1) << (7 - bit)
    colours[IGNORE] = 0
    colours[:classes] = colours[1 : classes + 1]  # the map's own first colour is black
    return colours.astype(np.uint8)


def _weight(name: str, weight: Any) -> float:
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or weight <= 0:
        raise UserError(f"train.losses: the weight of {name} is {weight!r}; it must be a number above 0")
    return float(weight)


def _loss(name: str) -> Any:
    """A function of (logits, masks) that ignores class 255. Raises UserError for an unknown name.

    PaddleSeg's own CrossEntropyLoss mixes types that Paddle 3 no longer mixes; Paddle's is the same
    mean over the pixels that count.
    """
    if name not in LOSSES:
        raise UserError(f"train.losses: '{name}' is not known; {suggest(name, LOSSES)}")
    if name in CROSS_ENTROPY:
        return lambda logits, masks: F.cross_entropy(logits, masks, axis=1, ignore_index=IGNORE)
    try:
        from paddleseg.cvlibs import manager
    except ImportError as error:
        raise UserError(
            f"train.losses: PaddleSeg cannot be imported ({error}); install it with: {INSTALL}"
        ) from error

    return manager.LOSSES[name](ignore_index=IGNORE)
