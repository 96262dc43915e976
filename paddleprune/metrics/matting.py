"""Errors of an alpha matte at the size of the network's input. Lower is better. Over the whole picture; where the
evaluation has trimaps, what they know counts as known, and means are over what they do not.

Rhemann et al. 2009, "A perceptually motivated online benchmark for image matting", CVPR: SAD, MSE,
gradient and connectivity; MAD as in MODNet (arXiv 2011.11961, section 5.1).
"""

import itertools
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from scipy import ndimage

from ._base import Additive

SIGMA = 1.4  # of the gradient error's filter, pixels
STEP = 0.1  # between thresholds of the connectivity error


class MatteError(Additive):
    """`mse` and `mad`: means over the pixels of (a - b)^2 and |a - b|, alphas in [0, 1]; `sad`: the
    sum of |a - b| over an image in thousands, mean over the images.

    Example: alphas [0, 1], predicted [0.5, 1] -> mse 0.125, mad 0.25, sad 0.0005.
    """

    main = "mse"
    also = ("mad",)
    higher_is_better = False
    names: tuple[str, ...] = ("mse", "mad", "sad")

    def measure(self, outputs: Sequence[np.ndarray], batch: dict) -> np.ndarray:
        """`outputs[0]`: mattes [N, 1, H, W]; batch["alpha"]: [N, H, W], perhaps batch["trimap"] -> errors
        [N, len(names)]."""
        mattes = np.asarray(outputs[0])[:, 0]
        trimaps = batch.get("trimap", [None] * len(mattes))
        every = zip(mattes, batch["alpha"], trimaps, strict=True)
        return np.stack([self._of_one(matte, alpha, trimap) for matte, alpha, trimap in every])

    def _of_one(self, matte: np.ndarray, alpha: np.ndarray, trimap: np.ndarray | None) -> np.ndarray:
        if trimap is None:
            return self.errors(matte, alpha, np.ones(alpha.shape, bool))
        unknown = trimap == 0.5
        return self.errors(np.where(unknown, matte, trimap), alpha, unknown)

    def errors(self, matte: np.ndarray, alpha: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """`counts` [H, W]: the pixels over whose number the means are."""
        difference = matte.astype(np.float64) - alpha
        size, pixels = np.abs(difference), max(1, counts.sum())
        return np.array([np.square(difference).sum() / pixels, size.sum() / pixels, size.sum() / 1000])

    def summary(self, total: np.ndarray, images: float) -> Mapping[str, float]:
        return dict(zip(self.names, total / images, strict=True))


class AllMatteErrors(MatteError):
    """Also `grad` and `conn`, which take much longer: see `gradient_error`, `connectivity_error`."""

    names = ("mse", "mad", "sad", "grad", "conn")

    def errors(self, matte: np.ndarray, alpha: np.ndarray, counts: np.ndarray) -> np.ndarray:
        more = [gradient_error(matte, alpha, counts), connectivity_error(matte, alpha, counts)]
        return np.concatenate([super().errors(matte, alpha, counts), more])


def gradient_error(matte: np.ndarray, alpha: np.ndarray, counts: np.ndarray | bool = True) -> float:
    """Sum over the pixels that count of the squared difference of the gradients' lengths, in thousands.
    Gradients are first derivatives of a Gaussian of `SIGMA`, filters of unit norm."""
    return float((np.square(_gradient(matte) - _gradient(alpha)) * counts).sum() / 1000)


def _gradient(alpha: np.ndarray) -> np.ndarray:
    half = int(np.ceil(SIGMA * np.sqrt(-2 * np.log(np.sqrt(2 * np.pi) * SIGMA * 1e-2))))
    x = np.arange(-half, half + 1)
    bell = np.exp(-(x**2) / (2 * SIGMA**2)) / (SIGMA * np.sqrt(2 * np.pi))
    across = np.outer(bell, -x * bell / SIGMA**2)
    across /= np.sqrt(np.square(across).sum())
    image = np.asarray(alpha, np.float64)
    sides = [cv2.filter2D(image, -1, f, borderType=cv2.BORDER_REPLICATE) for f in (across, across.T)]
    return np.hypot(*sides)


def connectivity_error(matte: np.ndarray, alpha: np.ndarray, counts: np.ndarray | bool = True) -> float:
    """Sum over the pixels that count of the difference of the degrees of connectedness, in thousands.

    A pixel is connected up to the largest threshold t (in steps of 0.1) at which it is still in the
    largest region (4 neighbours) where both alphas are >= t; its degree is 1 minus what its alpha has
    above that, where that is 0.15 or more.
    """
    level = np.full(alpha.shape, -1.0)
    thresholds = np.arange(0, 1 + STEP, STEP)
    for before, threshold in itertools.pairwise(thresholds):
        regions, count = ndimage.label((matte >= threshold) & (alpha >= threshold))
        largest = np.zeros(alpha.shape, bool)
        if count:
            largest = regions == 1 + np.bincount(regions.ravel())[1:].argmax()
        level[(level == -1) & ~largest] = before
    level[level == -1] = 1
    degrees = [1 - (a - level) * (a - level >= 0.15) for a in (matte, alpha)]
    return float((np.abs(degrees[0] - degrees[1]) * counts).sum() / 1000)
