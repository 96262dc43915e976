"""What a geometric transform does to what lies on an image: masks, alphas and boxes move along.

"mask" holds class indices and is sampled at the nearest pixel, as is "trimap"; "alpha" in [0, 1] is interpolated;
"boxes" [n, 4] are corners x1, y1, x2, y2 in pixels, with "labels", "difficult" and "weights" beside them.
"""

import cv2
import numpy as np

from ..images import SIDE as SIDE
from ..images import check_pixels

IGNORE = 255  # the class of a mask that does not count
FILL = {"image": 127, "mask": IGNORE, "alpha": 0, "trimap": 0}  # where a transform leaves the image
OF_BOXES = ("boxes", "labels", "difficult", "weights")


def cropped(sample: dict, top: int, left: int, height: int, width: int) -> dict:
    """Cut a window out. Boxes are cut at its rims; those whose middle is outside go."""
    changed = {k: sample[k][top : top + height, left : left + width] for k in FILL if k in sample}
    if "boxes" not in sample:
        return {**sample, **changed}
    window = np.float32([left, top, left + width, top + height])
    boxes = sample["boxes"]
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    stay = ((middles >= window[:2]) & (middles < window[2:])).all(1)
    inside = np.clip(boxes, window[[0, 1, 0, 1]], window[[2, 3, 2, 3]]) - window[[0, 1, 0, 1]]
    return chosen({**sample, **changed, "boxes": inside}, stay)


def chosen(sample: dict, stay: np.ndarray) -> dict:
    """Only the boxes where `stay` [n] is true."""
    return {**sample, **{key: sample[key][stay] for key in OF_BOXES if key in sample}}


def mirrored(sample: dict, axis: int) -> dict:
    """Flip upside down (axis 0) or left and right (axis 1)."""
    changed = {key: np.flip(sample[key], axis) for key in FILL if key in sample}
    if "boxes" in sample:
        boxes, low = sample["boxes"].copy(), 1 - axis  # the columns of the corners on that axis
        boxes[:, [low, low + 2]] = sample["image"].shape[axis] - boxes[:, [low + 2, low]]
        changed["boxes"] = boxes
    return {**sample, **changed}


def resized(sample: dict, width_height: tuple[int, int]) -> dict:
    """Resize the image and what lies on it; images by area where they shrink."""
    changed = {}
    check_pixels(*width_height, "data: a resized picture")
    for key in FILL:
        if key in sample:
            array = np.ascontiguousarray(sample[key])
            changed[key] = cv2.resize(array, width_height, interpolation=_kind(key, array, width_height))
    if "boxes" in sample:
        height, width = sample["image"].shape[:2]
        scale = [width_height[0] / width, width_height[1] / height]
        changed["boxes"] = sample["boxes"] * np.float32(scale * 2)
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
    if key in ("mask", "trimap"):
        return cv2.INTER_NEAREST
    shrinks = width_height[0] * width_height[1] < array.shape[0] * array.shape[1]
    return cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
