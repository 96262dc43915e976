"""The manifest's transforms, as the Python clients do them."""

import cv2
import numpy as np
from faults import Fault


def preprocess(picture, transforms, trimap=None):
    """The manifest's transforms, one after the other -> float32 [H, W, 3], or 4 with the trimap."""
    image = picture
    for spec in transforms:
        if not isinstance(spec, str) and (not isinstance(spec, dict) or not spec):
            raise Fault(f"the manifest has a transform {spec!r:.80}, which is none; export again")
        name, arguments = (spec, {}) if isinstance(spec, str) else next(iter(spec.items()))
        if name == "TrimapChannel":
            if trimap is None:
                raise Fault("the model takes a trimap; give a grey picture of it with --trimap")
            image = np.concatenate([image, trimap[..., None]], axis=2)
            continue
        if name not in STEPS:
            raise Fault(f"the manifest asks for '{name}', which this client does not know")
        try:
            image = STEPS[name](image, **arguments)
            if trimap is not None and name != "Normalize":
                trimap = STEPS[name](trimap, **arguments)
        except (TypeError, ValueError, ZeroDivisionError, cv2.error) as error:
            reason = str(error).strip().splitlines()[0]
            raise Fault(
                f"the manifest's transform {name} cannot be done on this picture: {reason}"
            ) from error
    return image.astype(np.float32)


def resize(image, size):
    height, width = (size, size) if isinstance(size, int) else size
    return _resized(image, width, height)


def resize_by_short(image, size):
    height, width = image.shape[:2]
    scale = size / min(height, width)
    return _resized(image, max(size, round(width * scale)), max(size, round(height * scale)))


def center_crop(image, size):
    top, left = ((n - size) // 2 for n in image.shape[:2])
    return image[top : top + size, left : left + size]


def normalize(image, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)):
    return (image.astype(np.float32) / 255 - np.float32(mean)) / np.float32(std)


STEPS = {
    "Resize": resize,
    "ResizeByShort": resize_by_short,
    "CenterCrop": center_crop,
    "Normalize": normalize,
}


def _resized(image, width, height):
    shrinks = width * height < image.shape[0] * image.shape[1]
    kind = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    kind = cv2.INTER_NEAREST if image.ndim == 2 else kind  # a trimap
    return cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=kind)
