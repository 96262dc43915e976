"""A classifier on a backbone that comes without one: its coarsest maps, averaged, and a linear layer."""

from typing import Any

import paddle
from paddle import nn

from ..errors import UserError
from . import own
from ._backbones import BACKBONES
from ._card import Card
from ._logits import Pictures

SIDE = 64  # pixels of the picture on which a backbone is asked for its maps


class Classifier(nn.Layer):
    """`backbone`: maps [N, C, H, W] of a picture [N, 3, H, W], one or several."""

    def __init__(self, backbone: nn.Layer, num_classes: int):
        super().__init__()
        self.backbone = backbone
        backbone.eval()
        with paddle.no_grad():
            maps = self._maps(paddle.zeros([1, 3, SIDE, SIDE]))
        if not all(x.ndim == 4 for x in maps):
            raise ValueError(f"it gives {[list(x.shape) for x in maps]}, not its maps [N, C, H, W]")
        backbone.train()
        self.coarsest = min(range(len(maps)), key=lambda i: maps[i].shape[2] * maps[i].shape[3])
        self.pool = nn.AdaptiveAvgPool2D(1)
        self.fc = nn.Linear(maps[self.coarsest].shape[1], num_classes)

    def _maps(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        maps = self.backbone(x)
        return [maps] if isinstance(maps, paddle.Tensor) else list(maps)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """[N, 3, H, W] -> logits [N, num_classes]."""
        return self.fc(self.pool(self._maps(x)[self.coarsest]).flatten(1))


def build(num_classes: int = 1000, backbone: str | dict = "darknet53", scale: float = 1.0) -> nn.Layer:
    """Input [N, 3, H, W] -> logits [N, num_classes].

    `backbone`: one of YOLOv3's, of which `scale` multiplies every width, or {name: paddleseg.NAME, ...}, one of
    PaddleSeg's with its arguments. Raises UserError for what is neither."""
    if isinstance(backbone, dict) and own.is_own(backbone.get("name")):
        if scale != 1:
            raise ValueError(f"scale {scale}: {backbone['name']} has the widths that it has; leave it out")
        arguments: dict[str, Any] = {key: value for key, value in backbone.items() if key != "name"}
        return Classifier(own.build(backbone["name"], arguments), num_classes)
    if not isinstance(backbone, str) or backbone not in BACKBONES:
        raise UserError(f"model.args of classifier: backbone {backbone!r:.80} is not known; valid: {', '.join(BACKBONES)}, or "
                        "{name: paddleseg.NAME}")  # fmt: skip
    return Classifier(BACKBONES[backbone](scale), num_classes)


CARD = Card(
    build,
    {"classification": Pictures},
    face="Classifier",
    args={"num_classes": 3, "scale": 0.125},
)
