"""MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381), paddle.vision's implementation."""

from paddle import nn
from paddle.vision.models import mobilenetv2

TASK = "classification"
EXAMPLE = {"args": {"num_classes": 3, "scale": 0.25}, "image_shape": [3, 32, 32]}
# scale -> (address, md5), paddle.vision's own
IMAGENET = {k.split("_")[1]: v for k, v in mobilenetv2.model_urls.items()}


def build(num_classes: int = 1000, scale: float = 1.0) -> nn.Layer:
    """Input [N, 3, H, W] -> logits [N, num_classes]. `scale` multiplies every width."""
    if scale <= 0:
        raise ValueError(f"scale {scale} must be above 0")
    return mobilenetv2.mobilenet_v2(num_classes=num_classes, scale=scale)
