"""Semantic segmentation: lines `image mask` and a labels.txt. A mask holds class indices, 255 = ignore."""

from pathlib import Path

import numpy as np
from PIL import Image

from ...errors import UserError
from ..images import read_image, size_of
from ..transforms.paired import IGNORE
from ._list_files import fingerprint, inside, read_labels, read_list


class Reader:
    """Images with a class index per pixel.

    `read(i)` gives {"image": uint8 RGB [H, W, 3], "mask": uint8 [H, W]}. Masks are grey or palette
    pictures; that each has its image's size is checked for all of them at once, their values when
    they are read.
    """

    def __init__(self, root: str | Path, list_file: str, labels: str):
        self.root = Path(root)
        self.labels = read_labels(self.root / labels)
        rows = read_list(self.root / list_file, "image mask")
        self.samples = [
            (inside(self.root, image, where), inside(self.root, mask, where), where)
            for where, (image, mask) in rows
        ]
        for image, mask, where in self.samples:
            _check_sizes(image, mask, where)
        self.fingerprint = fingerprint(rows, self.root, files=2)

    def __len__(self) -> int:
        return len(self.samples)

    def read(self, i: int) -> dict:
        image, mask, where = self.samples[i]
        return {"image": read_image(image, where), "mask": self._mask(mask, where)}

    def _mask(self, path: Path, where: str) -> np.ndarray:
        try:
            mask = np.array(_open(path, where))
        except OSError as error:  # the header is whole, the rest is not
            raise UserError(f"{where}: mask '{path}' is damaged ({error}); replace or remove it") from error
        wrong = mask[(mask >= len(self.labels)) & (mask != IGNORE)]
        if wrong.size:
            raise UserError(
                f"{where}: mask '{path}' holds class {wrong[0]}; labels.txt has {len(self.labels)} names, so "
                f"0 to {len(self.labels) - 1} are valid, and 255 = ignore"
            )
        return mask.astype(np.uint8)


def _check_sizes(image: Path, mask: Path, where: str) -> None:
    """Reads only the headers. Raises UserError that names the mask."""
    height, width = size_of(image, where)
    with _open(mask, where) as b:
        if b.mode not in ("L", "P", "I", "I;16", "1"):
            raise UserError(
                f"{where}: mask '{mask}' is a colour picture ({b.mode}); save class indices as a grey or "
                "palette PNG"
            )
        if b.size != (width, height):
            raise UserError(
                f"{where}: mask '{mask}' is {b.size[0]}x{b.size[1]}, its image as it is shown {width}x{height}; "
                "make them equal"
            )


def _open(path: Path, where: str) -> Image.Image:
    try:
        return Image.open(path)
    except OSError as error:
        raise UserError(f"{where}: '{path}' is not a readable image; replace or remove it") from error
