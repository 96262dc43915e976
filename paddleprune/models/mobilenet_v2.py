"""MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381), paddle.vision's implementation."""

from paddle import nn
from paddle.vision.models import mobilenetv2

from ._card import Card
from ._logits import Pictures


def build(num_classes: int = 1000, scale: float = 1.0) -> nn.Layer:
    """Input [N, 3, H, W] -> logits [N, num_classes]. `scale` multiplies every width."""
    if scale <= 0:
        raise ValueError(f"scale {scale} must be above 0")
    return mobilenetv2.mobilenet_v2(num_classes=num_classes, scale=scale)


CARD = Card(
    build,
    {"classification": Pictures},
    face="MobileNetV2",
    args={"num_classes": 3, "scale": 0.25},
    imagenet={key.split("_")[1]: of for key, of in mobilenetv2.model_urls.items()},  # paddle.vision's own
)
