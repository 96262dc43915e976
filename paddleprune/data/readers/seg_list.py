"""Semantic segmentation: lines `image mask` and a labels.txt. A mask holds class indices, 255 = ignore, or other numbers
or colours that `data.mask_values` says the classes of."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...errors import UserError
from ..images import read_colours, read_image, read_values, size_of
from ..transforms.paired import IGNORE
from ._list_files import file_of, fingerprint, inside, read_labels, read_list


class Reader:
    """Images with a class index per pixel.

    `read(i)` gives {"image": uint8 RGB [H, W, 3], "mask": uint8 [H, W]}. Masks are grey or palette pictures.
    `values`: {value in a file: class}, for masks that hold other numbers; {"#rrggbb": class} for colours, of which
    each must be named.
    """

    unit = "pixels"

    def __init__(
        self, root: str | Path, list_file: str, labels: str, values: Mapping[int | str, int] | None = None
    ):
        self.root, self.coloured = Path(root), any(isinstance(key, str) for key in values or {})
        self.values = {_value(key): label for key, label in (values or {}).items()}
        self.labels = read_labels(file_of(self.root, labels, "data.labels"))
        for value, label in self.values.items():
            if not 0 <= value <= (0xFFFFFF if self.coloured else 65535) or not (
                0 <= label < len(self.labels) or label == IGNORE
            ):
                raise UserError(
                    f"data.mask_values: {value}: {label}; write {{value in the masks: class}}, classes 0 to "
                    f"{len(self.labels) - 1} or 255"
                )
        rows = read_list(file_of(self.root, list_file, "list file"), "image mask", self.root)
        self.samples = [
            (inside(self.root, image, where), inside(self.root, mask, where), where)
            for where, (image, mask) in rows
        ]
        self.files = [image for image, _, _ in self.samples]
        lines = ((row[1], one[:2]) for row, one in zip(rows, self.samples, strict=True))
        self.fingerprint = fingerprint(
            [([str(sorted(self.values.items()))], []), *lines] if self.values else lines
        )

    def __len__(self) -> int:
        return len(self.samples)

    def check(self, i: int) -> np.ndarray:
        image, mask, where = self.samples[i]
        counts = np.bincount(self._mask(mask, size_of(image, where), where).ravel(), minlength=256)
        return np.append(counts[: len(self.labels)], counts[IGNORE])

    def read(self, i: int) -> dict:
        path, mask, where = self.samples[i]
        image = read_image(path, where)
        return {"image": image, "mask": self._mask(mask, image.shape[:2], where)}

    def _mask(self, path: Path, size: tuple[int, ...], where: str) -> np.ndarray:
        mask = read_colours(path, where) if self.coloured else read_values(path, where)
        if mask.shape != size:
            raise UserError(
                f"{where}: mask '{path}' is {mask.shape[1]}x{mask.shape[0]}, its image as it is shown "
                f"{size[1]}x{size[0]}; make them equal"
            )
        if self.coloured:
            return self._classes(mask, path, where)
        places = [(mask == value, label) for value, label in self.values.items()]
        for place, label in places:
            mask = np.where(place, label, mask)
        wrong = mask[(mask >= len(self.labels)) & (mask != IGNORE)]
        if wrong.size:
            raise UserError(
                f"{where}: mask '{path}' holds class {wrong[0]}; labels.txt has {len(self.labels)} names, so "
                f"0 to {len(self.labels) - 1} are valid, and 255 = ignore; data.mask_values maps other numbers"
            )
        return mask.astype(np.uint8)

    def _classes(self, colours: np.ndarray, path: Path, where: str) -> np.ndarray:
        """The classes [H, W] of colours; by a look into a sorted list of them."""
        known = np.array(sorted(self.values))
        place = np.minimum(np.searchsorted(known, colours), len(known) - 1)
        strange = colours[known[place] != colours]
        if strange.size:
            raise UserError(
                f"{where}: mask '{path}' holds the colour #{strange[0]:06x}, which data.mask_values does not name ({strange.size} "
                "pixels of such); add it, with 255 to ignore it"
            )
        return np.array([self.values[colour] for colour in known.tolist()], np.uint8)[place]


def _value(key: int | str) -> int:
    """7 -> 7, "#00ff00" -> 0x00ff00."""
    return int(key[1:], 16) if isinstance(key, str) else key
