"""Transforms that detection alone needs: pictures over each other, zooming out, crops around boxes."""

import numpy as np

from ...errors import UserError
from .image import _positive, _probability
from .paired import chosen, cropped, padded


class Mixup:
    """Lay another picture of the set over this one: image = w a + (1 - w) b, w from Beta(alpha, beta),
    and the boxes of both, weighted w and 1 - w in the loss (Zhang et al. 2019, arXiv 1902.04103,
    section 3.1), with probability `prob`."""

    def __init__(self, alpha: float = 1.5, beta: float = 1.5, prob: float = 1.0):
        if alpha <= 0 or beta <= 0:
            raise UserError(f"Mixup: alpha {alpha}, beta {beta}: both must be above 0")
        self.alpha, self.beta, self.prob = alpha, beta, _probability("Mixup", prob)

    def __call__(self, sample: dict, rng: np.random.Generator) -> dict:
        _boxes(sample, "Mixup")
        if rng.random() >= self.prob:
            return {**sample, "weights": np.ones(len(sample["boxes"]), np.float32)}
        share, other = rng.beta(self.alpha, self.beta), sample["other"](rng)
        height, width = np.maximum(sample["image"].shape[:2], other["image"].shape[:2])
        image = share * padded(sample, height, width)["image"]
        image += (1 - share) * padded(other, height, width)["image"]
        weights = [np.full(len(s["boxes"]), w, np.float32) for s, w in ((sample, share), (other, 1 - share))]
        both = {key: np.concatenate([sample[key], other[key]]) for key in ("boxes", "labels", "difficult")}
        return {
            **sample, **both, "image": image.round().astype(np.uint8), "weights": np.concatenate(weights)
        }  # fmt: skip


class RandomExpand:
    """Put the image somewhere on a grey one up to `upper_ratio` times as wide and high, with probability
    `prob`."""

    def __init__(self, upper_ratio: float = 4.0, prob: float = 0.5):
        if not 1 <= upper_ratio <= 16:
            raise UserError(f"RandomExpand: upper_ratio {upper_ratio} must be in [1, 16]")
        self.upper_ratio, self.prob = upper_ratio, _probability("RandomExpand", prob)

    def __call__(self, sample: dict, rng: np.random.Generator) -> dict:
        if rng.random() >= self.prob:
            return sample
        height, width = sample["image"].shape[:2]
        factor = rng.uniform(1, self.upper_ratio)
        canvas = np.full((round(height * factor), round(width * factor), 3), 127, np.uint8)
        top = int(rng.integers(0, canvas.shape[0] - height + 1))
        left = int(rng.integers(0, canvas.shape[1] - width + 1))
        canvas[top : top + height, left : left + width] = sample["image"]
        boxes = _boxes(sample, "RandomExpand") + np.float32([left, top, left, top])
        return {**sample, "image": canvas, "boxes": boxes}


class RandomBoxCrop:
    """Cut a window that holds the middle of a box at least, with probability `prob`.

    Its sides are fractions of the image's drawn from `scaling`, their ratio within `aspect_ratio`
    (Liu et al. 2016, arXiv 1512.02325, section 2.2). After ten draws without a box the image stays.
    """

    def __init__(
        self,
        scaling: tuple[float, float] = (0.3, 1.0),
        aspect_ratio: tuple[float, float] = (0.5, 2.0),
        prob: float = 0.5,
    ):
        if not 0 < scaling[0] <= scaling[1] <= 1 or not 0 < aspect_ratio[0] <= aspect_ratio[1]:
            raise UserError(
                f"RandomBoxCrop: scaling {scaling} must rise within (0, 1], aspect_ratio {aspect_ratio} rise"
            )
        self.scaling, self.aspect_ratio = scaling, aspect_ratio
        self.prob = _probability("RandomBoxCrop", prob)

    def __call__(self, sample: dict, rng: np.random.Generator) -> dict:
        if not len(_boxes(sample, "RandomBoxCrop")) or rng.random() >= self.prob:
            return sample
        height, width = sample["image"].shape[:2]
        for _ in range(10):
            crop_h, crop_w = (max(1, round(n * rng.uniform(*self.scaling))) for n in (height, width))
            if not self.aspect_ratio[0] <= crop_w / crop_h <= self.aspect_ratio[1]:
                continue
            top = int(rng.integers(0, height - crop_h + 1))
            left = int(rng.integers(0, width - crop_w + 1))
            part = cropped(sample, top, left, crop_h, crop_w)
            if len(part["boxes"]):
                return part
        return sample


class DropSmallBoxes:
    """Leave out boxes less than `size` pixels wide or high, which the network cannot see."""

    def __init__(self, size: int = 2):
        self.size = _positive("size", size)

    def __call__(self, sample: dict, rng: np.random.Generator) -> dict:
        boxes = _boxes(sample, "DropSmallBoxes")
        return chosen(sample, ((boxes[:, 2:] - boxes[:, :2]) >= self.size).all(1))


def _boxes(sample: dict, name: str) -> np.ndarray:
    if "boxes" not in sample:
        raise UserError(f"{name}: the data has no boxes; it is for detection, leave it out")
    return sample["boxes"]
