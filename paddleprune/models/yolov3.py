"""YOLOv3 (Redmon and Farhadi 2018, arXiv 1804.02767) on one of several backbones, widths as PaddleDetection's.

image -> backbone -> 1/32 -> block -> head               large objects
              \\-> 1/16 --> + up --> block -> head        middle
              \\--> 1/8 ------> + up --> block -> head    small
"""

from collections.abc import Sequence

import paddle
import paddle.nn.functional as F
from paddle import nn
from paddle.vision.ops import yolo_box, yolo_loss

from ._backbones import BACKBONES, STRIDES, Conv, classifier
from ._boxes import LEAST, BoxHead, kept, padded, soft_maps_apart
from ._card import Card

IGNORED = 0.7  # IoU with a labelled box above which a prediction is no background
# (width, height) in pixels of the network's input, the small ones first: those of COCO at 416 px
ANCHORS = ((10, 13), (16, 30), (33, 23), (30, 61), (62, 45), (59, 119), (116, 90), (156, 198), (373, 326))


def build(
    num_classes: int,
    backbone: str = "mobilenet_v1",
    anchors: Sequence[Sequence[float]] = ANCHORS,
    scale: float = 1.0,
    width: float = 1.0,
) -> nn.Layer:
    """Input [N, 3, H, W], H and W multiples of 32 -> raw maps [N, A (5 + num_classes), H/s, W/s] for the
    strides s = 32, 16, 8; A is a third of the anchors' number.

    `scale` multiplies the widths of the backbone (a name of models/_backbones.py), `width` those of what
    is behind it. `anchors`: [width, height] in pixels, from small to large, the largest for stride 32.
    """
    if backbone not in BACKBONES:
        raise ValueError(f"backbone '{backbone}' must be one of {', '.join(BACKBONES)}")
    if scale <= 0 or width <= 0:
        raise ValueError(f"scale {scale} and width {width} must be above 0")
    sizes = [side for pair in anchors for side in pair]
    if (
        not anchors
        or len(anchors) % 3
        or any(len(a) != 2 for a in anchors)
        or not all(0 < s < 1e5 for s in sizes)
    ):
        raise ValueError(f"anchors {anchors} must be [width, height] pairs above 0, 3, 6 or 9 of them")
    return YOLOv3(num_classes, BACKBONES[backbone](scale), width, anchors)


class Block(nn.Layer):
    """Five convolutions whose result goes to the next scale, and one more before the head."""

    def __init__(self, before: int, width: int):
        super().__init__()
        layers = [Conv(before, width, 1)]
        for _ in range(2):
            layers += [Conv(width, 2 * width, 3), Conv(2 * width, width, 1)]
        self.route, self.tip = nn.Sequential(*layers), Conv(width, 2 * width, 3)

    def forward(self, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        route = self.route(x)
        return route, self.tip(route)


class YOLOv3(nn.Layer):
    """See the top of this file."""

    def __init__(self, num_classes: int, backbone: nn.Layer, width: float, anchors: Sequence):
        super().__init__()
        self.num_classes, self.backbone = num_classes, backbone
        self.anchors = [[float(n) for n in pair] for pair in anchors]
        each = len(anchors) // 3
        with paddle.no_grad():
            features = [x.shape[1] for x in backbone(paddle.zeros([1, 3, 32, 32]))]
        widths = [max(8, round(width * w / 8) * 8) for w in (512, 256, 128)]
        self.blocks, self.up, self.heads = nn.LayerList(), nn.LayerList(), nn.LayerList()
        above = 0
        for number, (before, w) in enumerate(zip(features, widths, strict=True)):
            self.blocks.append(Block(before + above, w))
            self.heads.append(nn.Conv2D(2 * w, each * (5 + num_classes), 1))
            if number < 2:
                above = w // 2
                self.up.append(Conv(w, above, 1))

    def forward(self, image: paddle.Tensor) -> list[paddle.Tensor]:
        maps, route = [], None
        for number, x in enumerate(self.backbone(image)):
            if route is not None:
                route = F.interpolate(self.up[number - 1](route), size=x.shape[2:], mode="nearest")
                x = paddle.concat([route, x], axis=1)
            route, tip = self.blocks[number](x)
            maps.append(self.heads[number](tip))
        return maps


class Head(BoxHead):
    """Three maps, the coarsest first."""

    anchors = (3, 6, 9)

    def loss(
        self, network: nn.Layer, outputs: Sequence[paddle.Tensor], batch: dict
    ) -> dict[str, paddle.Tensor]:
        """YOLOv3's loss (section 2 of the paper; Paddle's yolo_loss), summed over the three maps, mean over the
        pictures."""
        boxes, labels, weights = padded(batch)
        parts = []
        for number, (maps, stride) in enumerate(zip(outputs, STRIDES, strict=True)):
            loss = yolo_loss(
                maps, boxes, labels, _flat(network.anchors), _mask(network.anchors, number),
                network.num_classes, IGNORED, stride, weights, use_label_smooth=False,
            )  # fmt: skip
            parts.append(loss.mean())
        return {"loss": paddle.add_n(parts)}

    def apart(
        self, said: Sequence[paddle.Tensor], wanted: Sequence[paddle.Tensor], batch: dict
    ) -> paddle.Tensor:
        return paddle.add_n(
            [soft_maps_apart(a, b, len(self.labels)) for a, b in zip(said, wanted, strict=True)]
        )

    def decode(self, network: nn.Layer) -> nn.Layer:
        return _Decode(network.anchors, network.num_classes)


class _Decode(nn.Layer):
    """Raw maps -> boxes."""

    def __init__(self, anchors: Sequence[Sequence[float]], num_classes: int):
        super().__init__()
        self.anchors, self.num_classes = anchors, num_classes

    def forward(self, maps: Sequence[paddle.Tensor]) -> tuple[paddle.Tensor, paddle.Tensor]:
        unit = paddle.full_like(maps[0][:, :2, 0, 0], 1, dtype="int32")  # boxes in fractions
        boxes, scores = [], []
        for number, x in enumerate(maps):
            anchors = _flat([self.anchors[i] for i in _mask(self.anchors, number)])
            stride = STRIDES[number]
            box, score = yolo_box(x, unit, anchors, self.num_classes, LEAST / 2, stride, clip_bbox=False)
            boxes.append(box)
            scores.append(score)
        return kept(paddle.concat(boxes, axis=1), paddle.concat(scores, axis=1).transpose([0, 2, 1]))


def _mask(anchors: Sequence, number: int) -> list[int]:
    """Which anchors are those of map `number`: the largest for the coarsest, the first one."""
    each = len(anchors) // len(STRIDES)
    return list(range(each * (2 - number), each * (3 - number)))


def _flat(anchors: Sequence[Sequence[float]]) -> list[int]:
    return [max(1, round(n)) for pair in anchors for n in pair]


CARD = Card(
    build,
    {"detection": Head},
    face="YOLOv3",
    args={"num_classes": 3, "scale": 0.25, "width": 0.0625},
    image_shape=(3, 64, 64),
    backbone="backbone.",
    classifier=lambda args: classifier(args.get("backbone", "mobilenet_v1"), args.get("scale", 1.0)),
    parts={"backbone": ("backbone.",), "yolo_blocks": ("blocks.",)},
)
