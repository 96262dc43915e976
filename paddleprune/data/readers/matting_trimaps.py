"""Matting with trimaps of the data's own: lines `image alpha trimap`, trimaps grey: 0, about 128, 255."""

from pathlib import Path

import numpy as np

from ..images import read_values
from . import matting_pairs
from ._list_files import file_of, fingerprint, inside, read_list


class Reader(matting_pairs.Reader):
    """As matting_pairs; `read(i)` gives "trimap" as well, float32 [H, W] of 0, 0.5 and 1."""

    def __init__(self, root: str | Path, list_file: str, labels: str = ""):
        self.root = Path(root)
        self.labels: list[str] = []
        rows = read_list(file_of(self.root, list_file, "list file"), "image alpha trimap", self.root)
        files = [[inside(self.root, name, where) for name in names] for where, names in rows]
        self.samples = [
            (image, alpha, where) for (where, _), (image, alpha, _) in zip(rows, files, strict=True)
        ]
        self.trimaps = [trimap for _, _, trimap in files]
        self.files = [image for image, _, _ in files]
        self.fingerprint = fingerprint((row[1], each) for row, each in zip(rows, files, strict=True))

    def check(self, i: int) -> np.ndarray:
        self.read(i)
        return np.zeros(0, np.int64)

    def read(self, i: int) -> dict:
        sample, where = super().read(i), self.samples[i][2]
        trimap = read_trimap(self.trimaps[i], where)
        matting_pairs.same_size(trimap.shape, sample["image"].shape[:2], self.trimaps[i], where, "trimap")
        return {**sample, "trimap": trimap}


def read_trimap(path: Path, where: str) -> np.ndarray:
    """A grey picture -> float32 [H, W]: 0 and 1 where it is black and white, 0.5 elsewhere."""
    values = read_values(path, where)
    trimap = np.full(values.shape, 0.5, np.float32)
    trimap[values <= 5], trimap[values >= 250] = 0, 1
    return trimap
