"""Matting: lines `image alpha`. There are no classes; a labels.txt is not needed.

Where both are the same picture with four channels, the foreground is its colours and the alpha its
fourth channel; the transform `Composite` then puts it on other backgrounds.
"""

from pathlib import Path

import numpy as np

from ...errors import UserError
from ..images import read_alpha, read_image, size_of
from ._list_files import file_of, fingerprint, inside, read_list


class Reader:
    """Images with an alpha per pixel.

    `read(i)` gives {"image": uint8 RGB [H, W, 3], "alpha": float32 [H, W] in [0, 1]}.
    """

    unit = "pictures"

    def __init__(self, root: str | Path, list_file: str, labels: str = ""):
        self.root = Path(root)
        self.labels: list[str] = []
        rows = read_list(file_of(self.root, list_file, "list file"), "image alpha", self.root)
        self.samples = [
            (inside(self.root, image, where), inside(self.root, alpha, where), where)
            for where, (image, alpha) in rows
        ]
        self.files = [image for image, _, _ in self.samples]
        self.fingerprint = fingerprint((row[1], one[:2]) for row, one in zip(rows, self.samples, strict=True))

    def __len__(self) -> int:
        return len(self.samples)

    def check(self, i: int) -> np.ndarray:
        path, alpha_path, where = self.samples[i]
        alpha = read_alpha(alpha_path, where, path == alpha_path)
        same_size(alpha.shape, size_of(path, where), alpha_path, where)
        return np.zeros(0, np.int64)

    def read(self, i: int) -> dict:
        path, alpha_path, where = self.samples[i]
        image, alpha = read_image(path, where), read_alpha(alpha_path, where, path == alpha_path)
        same_size(alpha.shape, image.shape[:2], alpha_path, where)
        return {"image": image, "alpha": alpha}


def same_size(
    alpha: tuple[int, ...], image: tuple[int, ...], path: Path, where: str, what: str = "alpha"
) -> None:
    """Raises UserError where a map has another size than its image."""
    if alpha != image:
        raise UserError(
            f"{where}: {what} '{path}' is {alpha[1]}x{alpha[0]}, its image as it is shown {image[1]}x{image[0]}; "
            "make them equal"
        )
