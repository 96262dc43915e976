"""MODNet (Ke et al. 2022, arXiv 2011.11961), portrait matting without a trimap.

Three branches on one picture: a low-resolution one finds the person (MobileNetV2 and a squeeze-and-
excitation block, down to 1/32), a high-resolution one the rim, and a fusion of both the matte.

    image -> backbone -> SE -> 1/16 -> 1/8 ---------------> fusion -> matte
                 \\-> 1/2, 1/4 -> high resolution, 1/4 -> 1/2 -^
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn
from paddle.vision.models import mobilenetv2

from . import _card, _head, _widths

TAPS = (1, 3, 18)  # layers of the backbone that are read: 1/2, 1/4 and 1/32 of the picture


def build(scale: float = 1.0, width: int = 32, widths: str | Mapping[str, Any] = "") -> nn.Layer:
    """Input [N, 3, H, W], H and W multiples of 32 -> [matte [N, 1, H, W], semantic [N, 1, H/16, W/16],
    detail [N, 1, H, W]], all in [0, 1]; the last two serve training alone.

    `scale` multiplies the widths of the backbone, `width` is that of the high-resolution branch. `widths`: "published"
    for those of MODNet-ModelCompression's network of 1.34 M parameters, or others block by block (models/_widths.py), as
    `prune.residuals=untied` finds them.
    """
    if scale <= 0 or width <= 0 or width % 2:
        raise ValueError(f"scale {scale} must be above 0, width {width} even and above 0")
    if widths and (scale, width) != (1.0, 32):
        raise ValueError(
            f"scale {scale} and width {width} have no say beside widths {str(widths)[:40]!r}; leave them out"
        )
    if widths:
        given = _widths.checked(widths)
        return MODNet(_widths.backbone(given), given["middle"], given["low"], given["width"])
    backbone = mobilenetv2.mobilenet_v2(scale=scale, num_classes=0, with_pool=False)
    return MODNet(backbone, middle=3 * width, low=width, width=width)


class IBNorm(nn.Layer):
    """Batch norm of the first half of the channels, instance norm of the second."""

    def __init__(self, channels: int):
        super().__init__()
        self.batch = nn.BatchNorm2D(channels // 2)
        self.instance = nn.InstanceNorm2D(channels - channels // 2, weight_attr=False, bias_attr=False)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        first, second = paddle.split(x, 2, axis=1)
        return paddle.concat([self.batch(first), self.instance(second)], axis=1)


class Conv(nn.Sequential):
    """Convolution, IBNorm, ReLU; `plain` is the convolution alone."""

    def __init__(self, before: int, after: int, kernel: int, stride: int = 1, plain: bool = False):
        convolution = nn.Conv2D(before, after, kernel, stride, kernel // 2)
        super().__init__(convolution, *([] if plain else [IBNorm(after), nn.ReLU()]))


class SEBlock(nn.Layer):
    """Weighs each channel by what all channels are on average (Hu et al. 2018, arXiv 1709.01507)."""

    def __init__(self, channels: int, reduction: int = 4):
        super().__init__()
        self.shrink = nn.Linear(channels, channels // reduction, bias_attr=False)
        self.grow = nn.Linear(channels // reduction, channels, bias_attr=False)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        means = F.adaptive_avg_pool2d(x, 1).flatten(1)
        weights = F.sigmoid(self.grow(F.relu(self.shrink(means))))
        return x * weights.unsqueeze([2, 3])


class LowResolution(nn.Layer):
    """1/32 features -> features at 1/8, and the semantic prediction at 1/16."""

    def __init__(self, deep: int, middle: int, narrow: int):
        super().__init__()
        self.se, self.at16, self.at8 = SEBlock(deep), Conv(deep, middle, 5), Conv(middle, narrow, 5)
        self.head = Conv(narrow, 1, 3, stride=2, plain=True)

    def forward(self, deep: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        at8 = self.at8(_scaled(self.at16(_scaled(self.se(deep), 2)), 2))
        return at8, F.sigmoid(self.head(at8))


class HighResolution(nn.Layer):
    """Features at 1/2 that know the rim, and the detail prediction."""

    def __init__(self, enc2: int, enc4: int, low: int, width: int):
        super().__init__()
        w = width
        self.from2, self.from4 = Conv(enc2, w, 1), Conv(enc4, w, 1)
        self.join2, self.join4 = Conv(w + 3, w, 3, stride=2), Conv(2 * w, 2 * w, 3)
        self.at4 = nn.Sequential(Conv(2 * w + low + 3, 2 * w, 3), Conv(2 * w, 2 * w, 3), Conv(2 * w, w, 3))
        self.at2 = nn.Sequential(Conv(2 * w, 2 * w, 3), Conv(2 * w, w, 3), Conv(w, w, 3), Conv(w, w, 3))
        self.head = nn.Sequential(Conv(w + 3, w, 3), Conv(w, 1, 1, plain=True))

    def forward(
        self, image: paddle.Tensor, enc2: paddle.Tensor, enc4: paddle.Tensor, low8: paddle.Tensor
    ) -> tuple[paddle.Tensor, paddle.Tensor]:
        enc2 = self.from2(enc2)
        at4 = self.join2(_cat(_scaled(image, 0.5), enc2))
        at4 = self.join4(_cat(at4, self.from4(enc4)))
        at4 = self.at4(_cat(at4, _scaled(low8, 2), _scaled(image, 0.25)))
        at2 = self.at2(_cat(_scaled(at4, 2), enc2))
        return at2, F.sigmoid(self.head(_cat(_scaled(at2, 2), image)))


class Fusion(nn.Layer):
    """Both branches -> the matte."""

    def __init__(self, low: int, width: int):
        super().__init__()
        self.at4, self.at2 = Conv(low, width, 5), Conv(2 * width, width, 3)
        self.head = nn.Sequential(Conv(width + 3, width // 2, 3), Conv(width // 2, 1, 1, plain=True))

    def forward(self, image: paddle.Tensor, low8: paddle.Tensor, at2: paddle.Tensor) -> paddle.Tensor:
        at4 = self.at4(_scaled(low8, 2))
        at2 = self.at2(_cat(_scaled(at4, 2), at2))
        return F.sigmoid(self.head(_cat(_scaled(at2, 2), image)))


class MODNet(nn.Layer):
    """See the top of this file."""

    deployed_outputs = 1

    def __init__(self, backbone: nn.Layer, middle: int, low: int, width: int):
        super().__init__()
        self.backbone = backbone
        enc2, enc4, deep = _channels(self.backbone)
        self.low = LowResolution(deep, middle, low)
        self.high = HighResolution(enc2, enc4, low, width)
        self.fusion = Fusion(low, width)

    def forward(self, image: paddle.Tensor) -> list[paddle.Tensor]:
        taken, x = [], image
        for i, layer in enumerate(self.backbone.features):
            x = layer(x)
            if i in TAPS:
                taken.append(x)
        enc2, enc4, deep = taken
        low8, semantic = self.low(deep)
        at2, detail = self.high(image, enc2, enc4, low8)
        return [self.fusion(image, low8, at2), semantic, detail]


def _channels(backbone: nn.Layer) -> list[int]:
    """Channels of the features that are read."""
    last = [[c for c in backbone.features[i].sublayers() if isinstance(c, nn.Conv2D)][-1] for i in TAPS]
    return [convolution.weight.shape[0] for convolution in last]


def _scaled(x: paddle.Tensor, factor: float) -> paddle.Tensor:
    """Bilinear; by size and not by factor, which converters to ONNX do not take."""
    size = [int(n * factor) for n in x.shape[2:]]
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def _cat(*parts: paddle.Tensor) -> paddle.Tensor:
    return paddle.concat(parts, axis=1)


class Head(_head.Head):
    """Outputs [matte, semantic, detail]; the deployed network gives the matte [N, 1, H, W] alone."""

    stride = 32
    needs = ("Trimap",)

    def loss(
        self, network: nn.Layer, outputs: Sequence[paddle.Tensor], batch: dict
    ) -> dict[str, paddle.Tensor]:
        """10 semantic + 10 detail + matte (Ke et al. 2022, arXiv 2011.11961, equations 1 to 4).

        semantic: mean squared error to the alpha at 1/16, blurred; detail: L1 where the trimap is
        uncertain; matte: L1 of alphas and of compositions, and 4 times that where it is uncertain.
        """
        image, alpha, trimap = (paddle.to_tensor(batch[key]) for key in ("image", "alpha", "trimap"))
        alpha, rim = alpha.unsqueeze(1), (trimap.unsqueeze(1) == 0.5).astype("float32")
        matte, semantic, detail = outputs
        parts = {
            "semantic": 10
            * F.mse_loss(semantic, _blurred(F.interpolate(alpha, semantic.shape[2:], mode="bilinear"))),
            "detail": 10 * ((detail - alpha) * rim).abs().mean(),
            "matte": _weighted(matte - alpha, rim) + _weighted((matte - alpha) * image, rim),
        }
        return {"loss": sum(parts.values()), **parts}

    def apart(
        self, said: Sequence[paddle.Tensor], wanted: Sequence[paddle.Tensor], batch: dict
    ) -> paddle.Tensor:
        """The loss's own three terms and weights, with the teacher's outputs for the truth, everywhere."""
        matte, semantic, detail = ((a - b).abs() for a, b in zip(said, wanted, strict=True))
        return 10 * semantic.square().mean() + 10 * detail.mean() + matte.mean()

    def deployed(self, network: nn.Layer) -> nn.Layer:
        return _head.First(network, nn.Identity())


def _weighted(difference: paddle.Tensor, rim: paddle.Tensor) -> paddle.Tensor:
    """Mean |difference|, and 4 times that of the rim on top."""
    return difference.abs().mean() + 4 * (difference * rim).abs().mean()


def _blurred(alpha: paddle.Tensor) -> paddle.Tensor:
    """A 3 x 3 Gaussian of 0.8 pixels, edges mirrored: what the semantic branch can know at 1/16."""
    bell = np.exp(-np.square(np.arange(-1, 2)) / (2 * 0.8**2))
    kernel = np.outer(bell, bell) / bell.sum() ** 2
    weight = paddle.to_tensor(kernel.astype("float32").reshape(1, 1, 3, 3))
    return F.conv2d(F.pad(alpha, [1, 1, 1, 1], mode="reflect"), weight)


CARD = _card.Card(
    build,
    {"matting": Head},
    face="MODNet",
    args={"scale": 0.25, "width": 8},
    image_shape=(3, 64, 64),
    backbone="backbone.",
    classifier=lambda args: ("mobilenet_v2", {"scale": args.get("scale", 1.0)}),
    # "adaptive" and "fixed": for prune.strategy=adaptive_fixed, as MODNet-ModelCompression divides the network
    parts={
        "backbone": ("backbone.",),
        "adaptive": ("backbone.", "low.at16."),
        "fixed": ("high.", "fusion."),
    },
    untied=_widths.untied,
)
