"""Portrait matting: how much of each pixel is the person's, without a trimap."""

from collections.abc import Sequence

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

from ..config import DataConfig
from ..errors import UserError
from ..metrics.matting import AllMatteErrors, MatteError
from ._base import Task as Base
from ._base import keeps_whole, names_of

STRIDE = 32  # of MODNet's deepest layer


class Task(Base):
    """Networks map [N, 3, H, W] to [matte, semantic, detail] (see models/modnet.py); the deployed one
    to the matte [N, 1, H, W] alone."""

    metric = MatteError
    full_metric = AllMatteErrors

    def model_args(self, given: dict) -> dict:
        return given

    def check(self, data: DataConfig) -> None:
        keeps_whole(data, "matting")
        height, width = data.image_shape[1:]
        if height % STRIDE or width % STRIDE:
            raise UserError(
                f"data.image_shape: {height}x{width}; matting needs sides that are multiples of {STRIDE}"
            )
        if "Trimap" not in names_of(data.train_transforms):
            raise UserError(
                "data.train_transforms: there is no Trimap, which the loss needs; add '- Trimap' before Normalize"
            )

    def loss(self, network: nn.Layer, batch: dict) -> dict[str, paddle.Tensor]:
        """10 semantic + 10 detail + matte (Ke et al. 2022, arXiv 2011.11961, equations 1 to 4).

        semantic: mean squared error to the alpha at 1/16, blurred; detail: L1 where the trimap is
        uncertain; matte: L1 of alphas and of compositions, and 4 times that where it is uncertain.
        """
        image, alpha, trimap = (paddle.to_tensor(batch[key]) for key in ("image", "alpha", "trimap"))
        alpha, rim = alpha.unsqueeze(1), (trimap.unsqueeze(1) == 0.5).astype("float32")
        matte, semantic, detail = network(image)
        parts = {
            "semantic": 10
            * F.mse_loss(semantic, _blurred(F.interpolate(alpha, semantic.shape[2:], mode="bilinear"))),
            "detail": 10 * ((detail - alpha) * rim).abs().mean(),
            "matte": _weighted(matte - alpha, rim) + _weighted((matte - alpha) * image, rim),
        }
        return {"loss": sum(parts.values()), **parts}

    def apart(self, said: Sequence[paddle.Tensor], wanted: Sequence[paddle.Tensor]) -> paddle.Tensor:
        """The loss's own three terms and weights, with the teacher's outputs for the truth, everywhere."""
        matte, semantic, detail = ((a - b).abs() for a, b in zip(said, wanted, strict=True))
        return 10 * semantic.square().mean() + 10 * detail.mean() + matte.mean()

    def deployed(self, network: nn.Layer) -> nn.Layer:
        return _Matte(network)

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


class _Matte(nn.Layer):
    """The first output alone."""

    def __init__(self, network: nn.Layer):
        super().__init__()
        self.network = network

    def forward(self, image: paddle.Tensor) -> paddle.Tensor:
        return self.network(image)[0]


def _weighted(difference: paddle.Tensor, rim: paddle.Tensor) -> paddle.Tensor:
    """Mean |difference|, and 4 times that of the rim on top."""
    return difference.abs().mean() + 4 * (difference * rim).abs().mean()


def _blurred(alpha: paddle.Tensor) -> paddle.Tensor:
    """A 3 x 3 Gaussian of 0.8 pixels, edges mirrored: what the semantic branch can know at 1/16."""
    bell = np.exp(-np.square(np.arange(-1, 2)) / (2 * 0.8**2))
    kernel = np.outer(bell, bell) / bell.sum() ** 2
    weight = paddle.to_tensor(kernel.astype("float32").reshape(1, 1, 3, 3))
    return F.conv2d(F.pad(alpha, [1, 1, 1, 1], mode="reflect"), weight)
