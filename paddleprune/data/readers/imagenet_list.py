"""Classification in the ImageNet-list layout: lines `path index` and a labels.txt."""

from pathlib import Path

import numpy as np

from ..images import read_image, size_of
from ._list_files import class_index, file_of, fingerprint, inside, read_labels, read_list


class Reader:
    """Images with one class index each.

    `read(i)` gives {"image": uint8 RGB [H, W, 3], "label": int64 scalar}.
    """

    unit = "pictures"

    def __init__(self, root: str | Path, list_file: str, labels: str):
        self.root = Path(root)
        self.labels = read_labels(file_of(self.root, labels, "data.labels"))
        rows = read_list(file_of(self.root, list_file, "list file"), "path index", self.root)
        self.samples = [
            (inside(self.root, name, where), class_index(index, self.labels, where), where)
            for where, (name, index) in rows
        ]
        self.files = [path for path, _, _ in self.samples]
        self.fingerprint = fingerprint((row[1], [path]) for row, path in zip(rows, self.files, strict=True))

    def __len__(self) -> int:
        return len(self.samples)

    def stratum(self, i: int) -> int:
        """What a stratified subset keeps in proportion: the class."""
        return self.samples[i][1]

    def check(self, i: int) -> np.ndarray:
        path, label, where = self.samples[i]
        size_of(path, where)
        return np.bincount([label], minlength=len(self.labels))

    def read(self, i: int) -> dict:
        path, label, where = self.samples[i]
        return {"image": read_image(path, where), "label": np.int64(label)}
