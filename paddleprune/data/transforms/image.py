"""Transforms of an image and what lies on it. Names are PaddleX's where it has them.

All take and give uint8 RGB [H, W, 3] in sample["image"], but Normalize, which gives float32 and ends the
list. Those that move pixels move a "mask", an "alpha" or "boxes" along.
"""

import math

import numpy as np

from ...errors import UserError
from .paired import SIDE, cropped, mirrored, padded, resized


class ResizeByShort:
    """Resize so that the shorter side is `size`, the shape kept (area when it shrinks)."""

    def __init__(self, size: int):
        self.size = _positive("size", size)

    def __call__(self, sample: dict, rng: np.random.Generator) -> dict:
        height, width = sample["image"].shape[:2]
        scale = self.size / min(height, width)
        new = (max(self.size, round(width * scale)), max(self.size, round(height * scale)))
        return resized(sample, new)


class Resize:
    """Resize to `size` x `size`, or [height, width]; the shape is not kept."""

    def __init__(self, size: int | list[int]):
        height, width = [size, size] if isinstance(size, int) else size
        self.height, self.width = _positive("size", height), _positive("size", width)

    def __call__(self, sample: dict, rng: np.random.Generator) -> dict:
        return resized(sample, (self.width, self.height))


class CenterCrop:
    """Cut the middle `size` x `size`. The image must be that large: resize before."""

    def __init__(self, size: int):
        self.size = _positive("size", size)

    def __call__(self, sample: dict, rng: np.random.Generator) -> dict:
        height, width = sample["image"].shape[:2]
        if min(height, width) < self.size:
            raise UserError(
                f"CenterCrop: size {self.size} is larger than the image ({height}x{width}); "
                "put ResizeByShort before it or take a smaller size"
            )
        top, left = (height - self.size) // 2, (width - self.size) // 2
        return cropped(sample, top, left, self.size, self.size)


class RandomCrop:
    """Cut a random part and resize it to `size` x `size` ('inception' crop).

    The part's area is a fraction of the image drawn from `scale`, its aspect ratio from `ratio`
    on a log scale (Szegedy et al. 2015, arXiv 1409.4842, section 6). After ten draws that do not
    fit, the largest square in the middle.
    """

    def __init__(
        self,
        size: int,
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
    ):
        self.size, self.scale, self.ratio = _positive("size", size), tuple(scale), tuple(ratio)
        if (
            len(self.scale) != 2
            or len(self.ratio) != 2
            or not 0 < self.scale[0] <= self.scale[1] <= 1
            or not 0 < self.ratio[0] <= self.ratio[1]
        ):
            raise UserError(f"RandomCrop: scale {scale} must rise within (0, 1], ratio {ratio} must rise")

    def __call__(self, sample: dict, rng: np.random.Generator) -> dict:
        height, width = sample["image"].shape[:2]
        top, left, crop_h, crop_w = self._window(height, width, rng)
        return resized(cropped(sample, top, left, crop_h, crop_w), (self.size, self.size))

    def _window(self, height: int, width: int, rng: np.random.Generator) -> tuple:
        for _ in range(10):
            area = height * width * rng.uniform(*self.scale)
            aspect = math.exp(rng.uniform(*np.log(self.ratio)))
            crop_w, crop_h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < crop_w <= width and 0 < crop_h <= height:
                top = int(rng.integers(0, height - crop_h + 1))
                return top, int(rng.integers(0, width - crop_w + 1)), crop_h, crop_w
        side = min(height, width)
        return (height - side) // 2, (width - side) // 2, side, side


class ResizeStepScaling:
    """Multiply both sides by one factor, drawn from `min_scale`, `min_scale` + `step`, ... `max_scale`."""

    def __init__(self, min_scale: float = 0.5, max_scale: float = 2.0, step: float = 0.25):
        if not 0 < min_scale <= max_scale < math.inf or not step > 0:
            raise UserError(f"ResizeStepScaling: min_scale {min_scale} to {max_scale}, step {step} must rise")
        count = int((max_scale - min_scale) / step + 1e-6) + 1
        if count > 1000:
            raise UserError(f"ResizeStepScaling: step {step} makes {count} scales; take a larger one")
        self.factors = [min_scale + i * step for i in range(count)]

    def __call__(self, sample: dict, rng: np.random.Generator) -> dict:
        factor = self.factors[rng.integers(len(self.factors))]
        height, width = sample["image"].shape[:2]
        return resized(sample, (max(1, round(width * factor)), max(1, round(height * factor))))


class RandomPaddingCrop:
    """Cut a random [height, width]; what is smaller is padded first: grey, class 255, alpha 0."""

    def __init__(self, size: int | list[int]):
        height, width = [size, size] if isinstance(size, int) else size
        self.height, self.width = _positive("size", height), _positive("size", width)

    def __call__(self, sample: dict, rng: np.random.Generator) -> dict:
        sample = padded(sample, self.height, self.width)
        height, width = sample["image"].shape[:2]
        top = int(rng.integers(0, height - self.height + 1))
        left = int(rng.integers(0, width - self.width + 1))
        return cropped(sample, top, left, self.height, self.width)


class RandomHorizontalFlip:
    """Mirror left and right with probability `prob`."""

    def __init__(self, prob: float = 0.5):
        self.prob = _probability("RandomHorizontalFlip", prob)

    def __call__(self, sample: dict, rng: np.random.Generator) -> dict:
        return mirrored(sample, 1) if rng.random() < self.prob else sample


class RandomVerticalFlip:
    """Mirror top and bottom with probability `prob`."""

    def __init__(self, prob: float = 0.5):
        self.prob = _probability("RandomVerticalFlip", prob)

    def __call__(self, sample: dict, rng: np.random.Generator) -> dict:
        return mirrored(sample, 0) if rng.random() < self.prob else sample


class RandomDistort:
    """Multiply brightness, contrast and saturation by factors in [1 - range, 1 + range]."""

    def __init__(self, brightness: float = 0.3, contrast: float = 0.3, saturation: float = 0.3):
        self.ranges = (brightness, contrast, saturation)
        if not all(0 <= r <= 1 for r in self.ranges):
            raise UserError(
                f"RandomDistort: {self.ranges}: brightness, contrast and saturation must be in [0, 1]"
            )

    def __call__(self, sample: dict, rng: np.random.Generator) -> dict:
        brightness, contrast, saturation = (rng.uniform(1 - r, 1 + r) for r in self.ranges)
        image = sample["image"].astype(np.float32) * brightness
        mean = image.mean()
        image = mean + (image - mean) * contrast
        grey = image @ np.float32([0.299, 0.587, 0.114])  # ITU-R BT.601 luma
        image = grey[..., None] + (image - grey[..., None]) * saturation
        return {**sample, "image": np.clip(image, 0, 255).astype(np.uint8)}


class Normalize:
    """uint8 -> float32: (x / 255 - mean) / std, per RGB channel. Defaults are ImageNet's."""

    def __init__(
        self,
        mean: tuple[float, ...] = (0.485, 0.456, 0.406),
        std: tuple[float, ...] = (0.229, 0.224, 0.225),
    ):
        numbers = [*mean, *std]
        if len(mean) != 3 or len(std) != 3 or not all(_is_number(n) for n in numbers) or min(std) <= 0:
            raise UserError(f"Normalize: mean {mean}, std {std}: 3 numbers each, std above 0")
        self.mean, self.std = np.float32(mean), np.float32(std)

    def __call__(self, sample: dict, rng: np.random.Generator) -> dict:
        if sample["image"].dtype != np.uint8:
            raise UserError("Normalize: the image is normalised already; name it once, at the end")
        image = (sample["image"].astype(np.float32) / 255 - self.mean) / self.std
        return {**sample, "image": image}


def _positive(name: str, value: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= SIDE:
        raise UserError(f"{name}: expected a whole number from 1 to {SIDE}, got {str(value)[:80]!r}")
    return value


def _probability(name: str, value: float) -> float:
    if not _is_number(value) or not 0 <= value <= 1:
        raise UserError(f"{name}: prob {str(value)[:80]!r} must be a number in [0, 1]")
    return float(value)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
