"""What a geometric transform does to the maps that lie on an image: masks and alphas move along.

"mask" holds class indices and is sampled at the nearest pixel; "alpha" in [0, 1] is interpolated.
"""

from collections.abc import Callable

import cv2
import numpy as np

IGNORE = 255  # the class of a mask that does not count
FILL = {"image": 127, "mask": IGNORE, "alpha": 0}  # where a transform leaves the image


def on_all(sample: dict, change: Callable[[np.ndarray], np.ndarray]) -> dict:
    """Apply `change` (crop, flip) to the image and its maps."""
    return {**sample, **{key: change(sample[key]) for key in FILL if key in sample}}


def resized(sample: dict, width_height: tuple[int, int]) -> dict:
    """Resize the image and its maps; images by area where they shrink."""
    changed = {}
    for key in FILL:
        if key in sample:
            array = np.ascontiguousarray(sample[key])
            changed[key] = cv2.resize(array, width_height, interpolation=_kind(key, array, width_height))
    return {**sample, **changed}


def padded(sample: dict, height: int, width: int) -> dict:
    """Grow the image and its maps to at least this size, on the right and below."""
    rows = max(0, height - sample["image"].shape[0])
    columns = max(0, width - sample["image"].shape[1])
    changed = {}
    for key, fill in FILL.items():
        if key in sample:
            more = [(0, rows), (0, columns)] + [(0, 0)] * (sample[key].ndim - 2)
            changed[key] = np.pad(sample[key], more, constant_values=fill)
    return {**sample, **changed}


def _kind(key: str, array: np.ndarray, width_height: tuple[int, int]) -> int:
    if key == "mask":
        return cv2.INTER_NEAREST
    shrinks = width_height[0] * width_height[1] < array.shape[0] * array.shape[1]
    return cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
