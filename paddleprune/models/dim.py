"""Deep Image Matting (Xu et al. 2017, arXiv 1703.03872) as distillation-based channel pruning has it (Yoon et al. 2022,
arXiv 2210.07760): VGG16 with batch norms as encoder, no refinement stage, no shortcuts but the places of the maxima.

    image and trimap -> 5 x [convolutions, max-pool] -> 5 x [unpool, convolution 5 x 5] -> sigmoid -> alpha
                                       \\--- places of the maxima ---/
"""

from collections.abc import Sequence

import paddle
import paddle.nn.functional as F
from paddle import nn

from ._card import Card
from ._head import Head as Base

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
EPSILON = 1e-6
UNKNOWN = 0.5  # of a trimap, whose other values are 0 and 1


def build(scale: float = 1.0) -> nn.Layer:
    """Input [N, 4, H, W], RGB and a trimap of 0, 0.5 and 1, H and W from 32 -> [alpha [N, 1, H, W] in [0, 1]].
    `scale` multiplies every width."""
    if scale <= 0:
        raise ValueError(f"scale {scale} must be above 0")
    return DIM([[max(1, round(width * scale)) for width in widths] for widths in STAGES])


class Stage(nn.Layer):
    """Convolutions with batch norm and ReLU, then a max-pool that says where its maxima were."""

    def __init__(self, before: int, widths: Sequence[int]):
        super().__init__()
        layers: list[nn.Layer] = []
        for width in widths:
            layers += [nn.Conv2D(before, width, 3, padding=1), nn.BatchNorm2D(width), nn.ReLU()]
            before = width
        self.layers = nn.Sequential(*layers)

    def forward(self, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor, list[int]]:
        x = self.layers(x)
        pooled, places = F.max_pool2d(x, 2, 2, return_mask=True)
        return pooled, places, x.shape[2:]


class Up(nn.Layer):
    """Values back to the places of the maxima; a convolution between them. No ReLU."""

    def __init__(self, before: int, after: int):
        super().__init__()
        self.convolution, self.norm = nn.Conv2D(before, after, 5, padding=2), nn.BatchNorm2D(after)

    def forward(self, x: paddle.Tensor, places: paddle.Tensor, size: list[int]) -> paddle.Tensor:
        return self.norm(self.convolution(F.max_unpool2d(x, places, 2, 2, output_size=size)))


class DIM(nn.Layer):
    """See the top of this file."""

    def __init__(self, widths: Sequence[Sequence[int]]):
        super().__init__()
        ends = [stage[-1] for stage in widths]
        self.encoder = nn.LayerList(
            [Stage(before, stage) for before, stage in zip([4, *ends], widths, strict=False)]
        )
        self.decoder = nn.LayerList(
            [Up(before, after) for before, after in zip(ends[::-1], [*ends[-2::-1], 1], strict=True)]
        )

    def forward(self, image: paddle.Tensor) -> list[paddle.Tensor]:
        x, taken = image, []
        for stage in self.encoder:
            x, places, size = stage(x)
            taken.append((places, size))
        for up, (places, size) in zip(self.decoder, reversed(taken), strict=True):
            x = up(x, places, size)
        return [F.sigmoid(x)]


class Head(Base):
    """Output [alpha]; the deployed network's is the trimap where that is certain."""

    channels = 4
    needs = ("Trimap", "TrimapChannel")

    def loss(
        self, network: nn.Layer, outputs: Sequence[paddle.Tensor], batch: dict
    ) -> dict[str, paddle.Tensor]:
        """The alpha prediction loss: sqrt((a - b)^2 + 1e-12), its mean over the unknown pixels of the batch."""
        alpha = paddle.to_tensor(batch["alpha"]).unsqueeze(1)
        return {"loss": _of_unknown(outputs[0], alpha, batch)}

    def apart(
        self, said: Sequence[paddle.Tensor], wanted: Sequence[paddle.Tensor], batch: dict
    ) -> paddle.Tensor:
        return _of_unknown(said[0], wanted[0], batch)

    def deployed(self, network: nn.Layer) -> nn.Layer:
        return _Certain(network)


def _of_unknown(said: paddle.Tensor, wanted: paddle.Tensor, batch: dict) -> paddle.Tensor:
    unknown = (paddle.to_tensor(batch["trimap"]) == UNKNOWN).astype("float32").unsqueeze(1)
    lengths = ((unknown * (said - wanted)).square() + EPSILON**2).sqrt()
    return lengths.sum() / (unknown.sum() + EPSILON)


class _Certain(nn.Layer):
    """The network's alpha where the trimap is 0.5, the trimap where it is 0 or 1."""

    def __init__(self, network: nn.Layer):
        super().__init__()
        self.network = network

    def forward(self, image: paddle.Tensor) -> paddle.Tensor:
        trimap = image[:, 3:]
        certain = (trimap - UNKNOWN).abs() * 2
        return trimap * certain + self.network(image)[0] * (1 - certain)


CARD = Card(
    build,
    {"matting": Head},
    face="DIM",
    args={"scale": 0.0625},
    image_shape=(4, 64, 64),
    levels=tuple(f"encoder.{stage}" for stage in range(1, 5)),
    norms=tuple(f"encoder.{stage}.layers.{3 * len(STAGES[stage]) - 2}" for stage in range(1, 5)),
    parts={"encoder": ("encoder.",), "decoder": ("decoder.",)},
)
