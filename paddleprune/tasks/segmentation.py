"""Semantic segmentation: one label a pixel."""

from collections.abc import Sequence

import cv2
import numpy as np

from ..data.transforms.paired import IGNORE
from ..drawing import letter_size, put_text
from ..metrics.mean_iou import MeanIoU, MeanIoUByClass
from ._base import Task as Base


class Task(Base):
    """Deployed networks map [N, 3, H, W] to probabilities [N, classes, H, W]."""

    metric = MeanIoU
    full_metric = MeanIoUByClass

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
        """The picture under its mask in colours, class 0 left clear, at least 320 px wide, and the classes in a strip
        below."""
        colours, scale = palette(len(self.labels)), max(1, -(-320 // image.shape[1]))
        mask = result["mask"][..., None]
        picture = np.where(mask == 0, image, (0.45 * image + 0.55 * colours[result["mask"]]).round())
        picture = picture.astype(np.uint8).repeat(scale, 0).repeat(scale, 1)
        names, size = list(result["classes"])[:12], letter_size(picture.shape[1])
        row, column = 3 * size // 2, 9 * size
        columns = max(1, picture.shape[1] // column)
        strip = np.full((size // 2 + row * -(-len(names) // columns), picture.shape[1], 3), 24, np.uint8)
        for i, name in enumerate(names):
            x, y = 4 + column * (i % columns), size // 3 + row * (i // columns)
            number = self.labels.index(name)
            colour, width = ([int(c) for c in colours[number]], -1) if number else ((235, 235, 235), 1)
            cv2.rectangle(strip, (x, y), (x + size, y + size), colour, width)
            put_text(strip, name, x + 17 * size // 12, y + 11 * size // 12, size, (235, 235, 235))
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
