"""Matting: lines `image alpha`. There are no classes; a labels.txt is not needed.

Where both are the same picture with four channels, the foreground is its colours and the alpha its
fourth channel; the transform `Composite` then puts it on other backgrounds.
"""

from pathlib import Path

import cv2
import numpy as np

from ...errors import UserError
from ..images import read_image
from ._list_files import fingerprint, inside, read_list


class Reader:
    """Images with an alpha per pixel.

    `read(i)` gives {"image": uint8 RGB [H, W, 3], "alpha": float32 [H, W] in [0, 1]}.
    """

    def __init__(self, root: str | Path, list_file: str, labels: str = ""):
        self.root = Path(root)
        self.labels: list[str] = []
        rows = read_list(self.root / list_file, "image alpha")
        self.samples = [
            (inside(self.root, image, where), inside(self.root, alpha, where), where)
            for where, (image, alpha) in rows
        ]
        self.fingerprint = fingerprint(rows, self.root, files=2)

    def __len__(self) -> int:
        return len(self.samples)

    def read(self, i: int) -> dict:
        path, alpha_path, where = self.samples[i]
        image, alpha = read_image(path, where), _read_alpha(alpha_path, where)
        if alpha.shape != image.shape[:2]:
            raise UserError(
                f"{where}: alpha '{alpha_path}' is {alpha.shape[1]}x{alpha.shape[0]}, its image "
                f"{image.shape[1]}x{image.shape[0]}; make them equal"
            )
        return {"image": image, "alpha": alpha}


def _read_alpha(path: Path, where: str) -> np.ndarray:
    """The fourth channel of a picture that has one, or a grey picture, 8 or 16 bits -> [0, 1]."""
    raw = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED) if path.stat().st_size else None
    if raw is None:
        raise UserError(f"{where}: '{path}' is not a readable image; replace or remove it")
    if raw.ndim == 3 and raw.shape[2] == 4:
        raw = raw[..., 3]
    elif raw.ndim == 3 and (raw != raw[..., :1]).any():
        raise UserError(f"{where}: alpha '{path}' is a colour picture; save it grey, or as RGBA")
    elif raw.ndim == 3:
        raw = raw[..., 0]
    if raw.dtype.kind != "u":
        raise UserError(f"{where}: alpha '{path}' holds {raw.dtype}; save it with 8 or 16 bits")
    return raw.astype(np.float32) / np.iinfo(raw.dtype).max
