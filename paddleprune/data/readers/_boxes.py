"""What the readers of boxes share: an image with its boxes, and a count of what had to be left out."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import UserError
from ..images import read_image

log = logging.getLogger(__name__)
CROWD = 2  # as `difficult`: one box around many things, neither trained on nor counted


@dataclass(frozen=True)
class Labelled:
    """`boxes` [n, 4]: corners x1, y1, x2, y2 in pixels; `labels` [n]; `difficult` [n]: 1 = does not count, CROWD."""

    image: Path
    where: str
    size: tuple[int, int]  # height, width
    boxes: np.ndarray
    labels: np.ndarray
    difficult: np.ndarray

    def read(self) -> dict:
        image = read_image(self.image, self.where)
        if image.shape[:2] != self.size:
            raise UserError(
                f"{self.where}: '{self.image}' is {image.shape[1]}x{image.shape[0]}, its annotation says "
                f"{self.size[1]}x{self.size[0]}; make them agree"
            )
        return {
            "image": image, "boxes": self.boxes, "labels": self.labels, "difficult": self.difficult,
            "size": np.array(self.size),
        }  # fmt: skip


class BoxReader:
    """Annotated images in `samples`, whatever they were read from."""

    samples: list[Labelled]

    def __len__(self) -> int:
        return len(self.samples)

    def read(self, i: int) -> dict:
        return self.samples[i].read()

    def stratum(self, i: int) -> int:
        """The class of most boxes."""
        labels = self.samples[i].labels
        return int(np.bincount(labels).argmax()) if len(labels) else -1


class Tidy:
    """Cuts boxes at the rims of their images and leaves out those of which nothing remains, counting."""

    def __init__(self) -> None:
        self.boxes, self.empty, self.first, self.images, self.bare = 0, 0, "", 0, 0

    def __call__(self, image: Path, where: str, size: tuple[int, int], rows: list[tuple]) -> Labelled:
        """`rows`: (x1, y1, x2, y2, label, difficult)."""
        given = np.array(rows, np.float32).reshape(-1, 6)
        height, width = size
        boxes = np.clip(given[:, :4], 0, np.float32([width, height, width, height]))
        good = ((boxes[:, 2:] - boxes[:, :2]) >= 1).all(1)  # NaN is not good
        self.boxes, self.empty = self.boxes + len(rows), self.empty + int((~good).sum())
        self.images, self.bare = self.images + 1, self.bare + int(not good.any())
        if not good.all():
            self.first = self.first or where
        labels, difficult = given[good, 4].astype(np.int64), given[good, 5].astype(np.int64)
        return Labelled(image, where, size, boxes[good], labels, difficult)

    def report(self, source: str) -> None:
        """One line each on what was left out."""
        if self.empty:
            log.warning("%s: %d of %d boxes are left out, they have no area inside their image (the first: %s)",
                        source, self.empty, self.boxes, self.first)  # fmt: skip
        if self.bare:
            log.info(
                "%s: %d of %d images have no boxes and serve as background", source, self.bare, self.images
            )
        if self.boxes == self.empty:
            raise UserError(f"{source}: no image has a box; check the annotations")
