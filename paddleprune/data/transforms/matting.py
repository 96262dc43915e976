"""Transforms that matting alone needs: other backgrounds, and the rim where the alpha is uncertain."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from ...errors import UserError
from ..images import find_images, read_image
from .image import _positive, _probability
from .paired import cropped, padded, resized


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
    """Adds "trimap" [H, W]: 0 and 1 where the alpha is surely so, 0.5 within some pixels of where it is neither,
    a width drawn anew for each image from [`least`, `width`]. A trimap of the data's own is left as it is."""

    def __init__(self, width: int = 15, least: int = 1):
        self.width, self.least = _positive("width", width), _positive("least", least)
        if self.least > self.width:
            raise UserError(f"Trimap: least {least} must not be above width {width}")

    def __call__(self, sample: dict, rng: np.random.Generator) -> dict:
        if "trimap" in sample:
            return sample
        side = 2 * int(rng.integers(self.least, self.width + 1)) + 1
        ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        alpha = np.ascontiguousarray(_alpha(sample, "Trimap"))
        surely = cv2.erode((alpha >= 0.99).astype(np.uint8), ellipse)
        possibly = cv2.dilate((alpha > 0.01).astype(np.uint8), ellipse)
        trimap = np.full(alpha.shape, 0.5, np.float32)
        trimap[surely == 1], trimap[possibly == 0] = 1, 0
        return {**sample, "trimap": trimap}


class TrimapChannel:
    """Puts the trimap below the image's colours: [H, W, 4], for networks that take one. After Normalize."""

    def __call__(self, sample: dict, rng: np.random.Generator) -> dict:
        if "trimap" not in sample:
            raise UserError(
                "TrimapChannel: there is no trimap; put Trimap before it, or give one with the picture"
            )
        if sample["image"].dtype == np.uint8:
            raise UserError("TrimapChannel: the image is not normalised yet; put Normalize before it")
        image = np.concatenate([sample["image"], np.float32(sample["trimap"])[..., None]], axis=2)
        return {**sample, "image": image}


class CropAtUnknown:
    """Cut a square around a random pixel that the trimap calls unknown, its side drawn from `sizes`, and resize it
    to `size`; what lies outside is grey, alpha 0. As Deep Image Matting was trained. After Trimap, which is then of
    the scale of the cut."""

    def __init__(self, size: int, sizes: Sequence[int] = (320, 480, 640)):
        self.size = _positive("size", size)
        self.sizes = [_positive("sizes", side) for side in sizes]
        if not self.sizes:
            raise UserError("CropAtUnknown: sizes is empty; give one or more")

    def __call__(self, sample: dict, rng: np.random.Generator) -> dict:
        if "trimap" not in sample:
            raise UserError("CropAtUnknown: there is no trimap; put Trimap before it")
        side = int(self.sizes[rng.integers(len(self.sizes))])
        sample = padded(sample, side, side)
        height, width = sample["image"].shape[:2]
        rows, columns = np.nonzero(sample["trimap"] == 0.5)
        if not len(rows):
            rows, columns = np.nonzero(np.ones((height, width), bool))
        at = int(rng.integers(len(rows)))
        top, left = (
            int(np.clip(middle - side // 2, 0, whole - side))
            for middle, whole in ((rows[at], height), (columns[at], width))
        )
        return resized(cropped(sample, top, left, side, side), (self.size, self.size))


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
