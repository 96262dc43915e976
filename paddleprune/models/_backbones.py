"""Networks of paddle.vision, and DarkNet-53, as backbones: read at 1/32, 1/16 and 1/8 of the picture."""

from collections.abc import Callable, Iterator
from functools import partial

import paddle
from paddle import nn
from paddle.vision import models as vision

STRIDES = (32, 16, 8)


class Backbone(nn.Layer):
    """Parts of a network, one after another; the layers of those in `walked` one by one. What is read is the last map of
    each stride."""

    def __init__(self, parts: dict[str, nn.Layer], walked: tuple[str, ...] = ()):
        super().__init__()
        for name, part in parts.items():
            self.add_sublayer(name, part)
        self.walked = walked
        self.eval()
        with paddle.no_grad():
            sides = [64 // x.shape[2] for x in self._maps(paddle.zeros([1, 3, 64, 64]))]
        self.train()
        self.taps = [max(i for i, side in enumerate(sides) if side == stride) for stride in STRIDES]

    def _maps(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        made = []
        for layer in self._steps():
            x = layer(x)
            made.append(x)
        return made

    def _steps(self) -> Iterator[nn.Layer]:
        for name, part in self.named_children():
            yield from part if name in self.walked else (part,)

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        made = self._maps(x)
        return [made[tap] for tap in self.taps]


class Conv(nn.Sequential):
    """Convolution, batch norm, leaky ReLU."""

    def __init__(self, before: int, after: int, kernel: int, stride: int = 1):
        convolution = nn.Conv2D(before, after, kernel, stride, padding=kernel // 2, bias_attr=False)
        super().__init__(convolution, nn.BatchNorm2D(after), nn.LeakyReLU(0.1))


class Residual(nn.Layer):
    """DarkNet's: half the width, and the width again, beside a shortcut."""

    def __init__(self, width: int):
        super().__init__()
        self.first, self.second = Conv(width, width // 2, 1), Conv(width // 2, width, 3)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return x + self.second(self.first(x))


def darknet53(scale: float) -> Backbone:
    """Redmon and Farhadi 2018 (arXiv 1804.02767), table 1, without its classifier."""
    widths = [max(8, round(scale * width / 8) * 8) for width in (32, 64, 128, 256, 512, 1024)]
    layers: list[nn.Layer] = [Conv(3, widths[0], 3)]
    for before, after, count in zip(widths, widths[1:], (1, 2, 8, 8, 4), strict=False):
        layers += [Conv(before, after, 3, stride=2), *(Residual(after) for _ in range(count))]
    return Backbone({"features": nn.Sequential(*layers)}, ("features",))


def _vision(name: str, scale: float, walked: tuple[str, ...], left_out: tuple[str, ...] = ()) -> Backbone:
    """A network of paddle.vision without its classifier."""
    options = {} if name.startswith("resnet") else {"scale": scale}
    if not options and scale != 1:
        raise ValueError(f"scale {scale}: {name} has the widths that it has; leave it out")
    whole = getattr(vision, name)(num_classes=0, with_pool=False, **options)
    return Backbone({n: part for n, part in whole.named_children() if n not in left_out}, walked)


BACKBONES: dict[str, Callable[[float], Backbone]] = {
    "mobilenet_v1": partial(_vision, "mobilenet_v1", walked=()),
    "mobilenet_v2": partial(_vision, "mobilenet_v2", walked=("features",)),
    "mobilenet_v3_large": partial(_vision, "mobilenet_v3_large", walked=("blocks",), left_out=("lastconv",)),
    "mobilenet_v3_small": partial(_vision, "mobilenet_v3_small", walked=("blocks",), left_out=("lastconv",)),
    "resnet18": partial(_vision, "resnet18", walked=()),
    "resnet34": partial(_vision, "resnet34", walked=()),
    "darknet53": darknet53,
}


def classifier(name: str, scale: float) -> tuple[str, dict]:
    """The network whose ImageNet weights are those of a backbone, and its arguments."""
    if name == "darknet53":
        return "classifier", {"backbone": name, "scale": scale}
    own = name in ("mobilenet_v1", "mobilenet_v2")
    return name if own else f"paddle.vision.{name}", {"scale": scale}
