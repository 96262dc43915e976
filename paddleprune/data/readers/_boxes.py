"""What the readers of boxes share: an image with its boxes, and a count of what had to be left out."""

import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import UserError
from ..images import is_turned, read_image, size_of

log = logging.getLogger(__name__)
TURNED = "annotations have height and width the wrong way round; the pictures' own are taken"
CROWD = 2  # as `difficult`: one box around many things, neither trained on nor counted


@dataclass(frozen=True)
class Labelled:
    """`rows` [n, 6]: corners x1, y1, x2, y2 in pixels, label, difficult (1 = does not count, or CROWD), as
    they were annotated for a picture of `size` (height, width)."""

    image: Path
    where: str
    size: tuple[int, int]
    rows: np.ndarray

    @property
    def boxes(self) -> np.ndarray:
        return self.rows[:, :4]

    @property
    def labels(self) -> np.ndarray:
        return self.rows[:, 4].astype(np.int64)

    @property
    def difficult(self) -> np.ndarray:
        return self.rows[:, 5].astype(np.int64)

    def of_size(self, size: tuple[int, int]) -> "Labelled":
        """The same for the picture's own size. Annotations that have height and width the wrong way round
        are put right; any other size is a UserError."""
        if size == self.size:
            return self
        if size == self.size[::-1] and is_turned(self.image, self.where):
            raise UserError(
                f"{self.where}: '{self.image}' is {size[1]}x{size[0]} as its Exif tag turns it, its annotation is of the "
                "picture as it is stored; save the picture turned, without the tag, and annotate that"
            )
        if size != self.size[::-1]:
            raise UserError(
                f"{self.where}: '{self.image}' is {size[1]}x{size[0]}, its annotation says "
                f"{self.size[1]}x{self.size[0]}; make them agree"
            )
        return Labelled(self.image, self.where, size, self.rows)

    def cut(self) -> "Labelled":
        """Boxes cut at the picture's rims; those of which nothing remains left out."""
        height, width = self.size
        rows = self.rows.copy()
        rows[:, :4] = np.clip(rows[:, :4], 0, np.float32([width, height, width, height]))
        good = ((rows[:, 2:4] - rows[:, :2]) >= 1).all(1)  # NaN is not good
        return Labelled(self.image, self.where, self.size, rows[good])

    def read(self) -> dict:
        image = read_image(self.image, self.where)
        own = self.of_size(image.shape[:2]).cut()
        return {
            "image": image, "boxes": own.boxes, "labels": own.labels, "difficult": own.difficult,
            "size": np.array(own.size),
        }  # fmt: skip


class BoxReader:
    """Annotated images in `annotated`, whatever they were read from."""

    unit = "boxes"
    labels: list[str]
    annotated: list[Labelled]

    def hold(self, annotated: list[Labelled], source: str) -> None:
        """Take these images, and say what is left out of them. Raises UserError if none has a box."""
        self.notes = Counter[str]()
        annotated = self.annotated = [self._righted(one) for one in annotated]
        self.samples = [one.cut() for one in annotated]
        self.files = [one.image for one in annotated]
        boxes = sum(len(one.rows) for one in annotated)
        left_out = [a for a, b in zip(annotated, self.samples, strict=True) if len(a.rows) != len(b.rows)]
        empty = boxes - sum(len(one.rows) for one in self.samples)
        bare = sum(not len(one.rows) for one in self.samples)
        if empty:
            log.warning("%s: %d of %d boxes are left out, they have no area inside their image (the first: %s)",
                        source, empty, boxes, left_out[0].where)  # fmt: skip
        if bare:
            log.info(
                "%s: %d of %d images have no boxes and serve as background", source, bare, len(annotated)
            )
        if boxes == empty:
            raise UserError(f"{source}: no image has a box; check the annotations")

    def _righted(self, one: Labelled) -> Labelled:
        """The image, with its own size where boxes stick out of that of the annotation, the sides of which may be
        the wrong way round."""
        height, width = one.size
        if not (one.boxes > np.float32([width, height, width, height])).any():
            return one
        size = size_of(one.image, one.where)
        if size == one.size or size != one.size[::-1]:
            return one
        righted = one.of_size(size)
        self.notes[TURNED] += 1
        return righted

    def __len__(self) -> int:
        return len(self.annotated)

    def read(self, i: int) -> dict:
        return self.annotated[i].read()

    def check(self, i: int) -> np.ndarray:
        one = self.annotated[i]
        own = one.of_size(size_of(one.image, one.where))
        if own is not one:
            self.notes[TURNED] += 1
        return np.bincount(own.cut().labels, minlength=len(self.labels))

    def stratum(self, i: int) -> int:
        """The class of most boxes."""
        labels = self.samples[i].labels
        return int(np.bincount(labels).argmax()) if len(labels) else -1


def rows_of(rows: list[tuple]) -> np.ndarray:
    """(x1, y1, x2, y2, label, difficult) of an image's boxes -> float32 [n, 6]."""
    return np.array(rows, np.float32).reshape(-1, 6)
