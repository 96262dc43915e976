"""Classification in the ImageNet-list layout: lines `path index` and a labels.txt."""

from pathlib import Path

import numpy as np

from ..images import read_image
from ._list_files import class_index, fingerprint, inside, read_labels, read_list


class Reader:
    """Images with one class index each.

    `read(i)` gives {"image": uint8 RGB [H, W, 3], "label": int64 scalar}.
    """

    def __init__(self, root: str | Path, list_file: str, labels: str):
        self.root = Path(root)
        self.labels = read_labels(self.root / labels)
        rows = read_list(self.root / list_file, "path index")
        self.samples = [
            (inside(self.root, name, where), class_index(index, self.labels, where), where)
            for where, (name, index) in rows
        ]
        self.fingerprint = fingerprint(rows, self.root, files=1)

    def __len__(self) -> int:
        return len(self.samples)

    def stratum(self, i: int) -> int:
        """What a stratified subset keeps in proportion: the class."""
        return self.samples[i][1]

    def read(self, i: int) -> dict:
        path, label, where = self.samples[i]
        return {"image": read_image(path, where), "label": np.int64(label)}
