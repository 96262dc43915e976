"""Matting: how much of each pixel is the foreground's."""

from collections.abc import Sequence

import numpy as np

from ..metrics.matting import AllMatteErrors, MatteError
from ._base import Task as Base


class Task(Base):
    """Deployed networks map [N, C, H, W] to mattes [N, 1, H, W]; the fourth channel, if there is one, is a trimap."""

    metric = MatteError
    full_metric = AllMatteErrors

    def result(self, outputs: Sequence[np.ndarray], size: tuple[int, int]) -> dict:
        """{"share": of the picture that is the person's, "alpha": uint8 [H, W]}."""
        import cv2

        matte = np.clip(np.asarray(outputs[0])[0, 0], 0, 1)
        matte = cv2.resize(matte, size[::-1], interpolation=cv2.INTER_LINEAR)
        return {"share": round(float(matte.mean()), 4), "alpha": np.round(255 * matte).astype(np.uint8)}

    def draw(self, image: np.ndarray, result: dict) -> np.ndarray:
        """The person cut out, on a checkerboard, beside the picture; at least 640 px wide in all."""
        height, width = image.shape[:2]
        rows, columns = np.indices((height, width)) // max(8, width // 20)
        board = np.where(((rows + columns) % 2)[..., None], 205, 155) * np.ones(3)
        alpha = result["alpha"][..., None] / 255
        cut = (alpha * image + (1 - alpha) * board).round().astype(np.uint8)
        scale = max(1, -(-320 // width))
        return np.concatenate([image, cut], axis=1).repeat(scale, 0).repeat(scale, 1)
