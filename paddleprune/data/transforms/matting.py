"""Transforms that matting alone needs: other backgrounds, and the rim where the alpha is uncertain."""

from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from ...errors import UserError
from ..images import find_images, read_image
from .image import _positive, _probability


class Composite:
    """Put the foreground on a random picture of the folder `backgrounds`, with probability `prob`:
    alpha * image + (1 - alpha) * background, the background cut to the image's shape."""

    def __init__(self, backgrounds: str, prob: float = 1.0):
        self.folder, self.prob = backgrounds, _probability("Composite", prob)
        if not isinstance(backgrounds, str):
            raise UserError(f"Composite: backgrounds {backgrounds!r} must be a folder of pictures")

    @cached_property
    def files(self) -> list[Path]:
        return find_images(self.folder, "Composite: backgrounds")

    def __call__(self, sample: dict, rng: np.random.Generator) -> dict:
        if rng.random() >= self.prob:
            return sample
        path = self.files[rng.integers(len(self.files))]
        background = _covering(read_image(path, "Composite"), *sample["image"].shape[:2])
        alpha = _alpha(sample, "Composite")[..., None]
        image = alpha * sample["image"] + (1 - alpha) * background
        return {**sample, "image": image.round().astype(np.uint8)}


class Trimap:
    """Adds "trimap" [H, W]: 0 and 1 where the alpha is surely so, 0.5 within `width` pixels of where
    it is neither, a width drawn anew for each image from [1, `width`]."""

    def __init__(self, width: int = 15):
        self.width = _positive("width", width)

    def __call__(self, sample: dict, rng: np.random.Generator) -> dict:
        side = 2 * int(rng.integers(1, self.width + 1)) + 1
        ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        alpha = np.ascontiguousarray(_alpha(sample, "Trimap"))
        surely = cv2.erode((alpha >= 0.99).astype(np.uint8), ellipse)
        possibly = cv2.dilate((alpha > 0.01).astype(np.uint8), ellipse)
        trimap = np.full(alpha.shape, 0.5, np.float32)
        trimap[surely == 1], trimap[possibly == 0] = 1, 0
        return {**sample, "trimap": trimap}


def _alpha(sample: dict, name: str) -> np.ndarray:
    if "alpha" not in sample:
        raise UserError(f"{name}: the data has no alphas; it is for matting, leave it out")
    return sample["alpha"]


def _covering(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """The middle of `picture`, scaled to cover [height, width]."""
    scale = max(height / picture.shape[0], width / picture.shape[1])
    size = (max(width, round(picture.shape[1] * scale)), max(height, round(picture.shape[0] * scale)))
    grown = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    top, left = (grown.shape[0] - height) // 2, (grown.shape[1] - width) // 2
    return grown[top : top + height, left : left + width]
