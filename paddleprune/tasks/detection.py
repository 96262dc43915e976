"""Object detection with YOLOv3: boxes, their classes and scores."""

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import _C_ops, nn
from paddle.vision.ops import yolo_box, yolo_loss

from ..config import DataConfig
from ..data.readers._boxes import CROWD
from ..drawing import put_text, text_size
from ..errors import UserError
from ..metrics.boxes import BoxMap, CocoMap, iou, split
from ._base import Agreement, class_count, keeps_whole
from ._base import Task as Base
from .segmentation import palette

STRIDES = (32, 16, 8)  # of YOLOv3's maps
IGNORED = 0.7  # IoU with a labelled box above which a prediction is no background
LEAST = 0.01  # score of a box that is reported
OVERLAP = 0.45  # IoU above which the weaker of two boxes of a class goes
CANDIDATES, KEPT = 400, 100  # boxes per class before, and per picture after that
ALIKE = 0.01  # largest difference of scores and corners between runtimes' versions of a box
REPLACED = 0.1  # largest share of boxes with another one in their place; more are no ties
SHOWN = 0.3  # score of a box that infer names and draws


class Task(Base):
    """Networks map [N, 3, H, W], H = W, to YOLOv3's raw maps (see models/yolov3.py), and say their
    `anchors` and `num_classes`. The deployed one gives boxes [B, 6] of all pictures, one after another,
    and their number per picture [N]; a box is class, score, x1, y1, x2, y2 in fractions of the picture.

    `sizes`: each training batch is resized to a square of one of these sides, drawn at random.
    """

    metric = BoxMap
    full_metric = CocoMap
    options = ("sizes",)

    def __init__(self, labels: list[str], sizes: Sequence[int] = ()):
        super().__init__(labels)
        self.sizes = list(sizes)
        if any(size <= 0 or size % STRIDES[0] for size in self.sizes):
            raise UserError(f"train.sizes: {self.sizes} must be multiples of {STRIDES[0]}, above 0")

    def model_args(self, given: dict) -> dict:
        return class_count(given, self.labels)

    def check(self, data: DataConfig) -> None:
        height, width = data.image_shape[1:]
        if height != width or height % STRIDES[0]:
            raise UserError(
                f"data.image_shape: {height}x{width}; detection needs a square, its sides multiples of {STRIDES[0]}"
            )
        keeps_whole(data, "detection")

    def loss(self, network: nn.Layer, batch: dict) -> dict[str, paddle.Tensor]:
        """YOLOv3's loss (Redmon and Farhadi 2018, arXiv 1804.02767, section 2; Paddle's yolo_loss),
        summed over the three maps, mean over the pictures."""
        image = self._resized(paddle.to_tensor(batch["image"]))
        boxes, labels, weights = _padded(batch)
        parts = []
        for number, (maps, stride) in enumerate(zip(network(image), STRIDES, strict=True)):
            loss = yolo_loss(
                maps, boxes, labels, _flat(network.anchors), _mask(network.anchors, number),
                network.num_classes, IGNORED, stride, weights, use_label_smooth=False,
            )  # fmt: skip
            parts.append(loss.mean())
        return {"loss": paddle.add_n(parts)}

    def apart(self, said: Sequence[paddle.Tensor], wanted: Sequence[paddle.Tensor]) -> paddle.Tensor:
        """Of the raw maps, summed over a picture as the loss is: the teacher's objectness as soft labels, and, as far
        as it says that something is there, its centres and classes as soft labels and its sizes as they are."""
        return paddle.add_n([self._maps_apart(a, b) for a, b in zip(said, wanted, strict=True)])

    def _maps_apart(self, said: paddle.Tensor, wanted: paddle.Tensor) -> paddle.Tensor:
        n, _, h, w = said.shape
        said, wanted = (maps.reshape([n, -1, 5 + len(self.labels), h, w]) for maps in (said, wanted))
        soft = F.sigmoid(wanted)
        cross = [F.binary_cross_entropy_with_logits(m, soft, reduction="none") for m in (said, wanted)]
        apart = cross[0] - cross[1]  # so that agreement costs nothing
        sizes = (said - wanted).abs()[:, :, 2:4].sum(2)
        there = soft[:, :, 4] * (apart[:, :, :2].sum(2) + sizes + apart[:, :, 5:].sum(2))
        return (apart[:, :, 4] + there).sum() / n

    def _resized(self, image: paddle.Tensor) -> paddle.Tensor:
        if not self.sizes:
            return image
        size = self.sizes[int(paddle.randint(0, len(self.sizes), [1]))]
        return F.interpolate(image, size=[size, size], mode="bilinear") if size != image.shape[2] else image

    def finish(self, network: nn.Layer) -> Callable[[Sequence[np.ndarray]], Sequence[np.ndarray]]:
        """Raw maps -> boxes and their numbers."""
        decode = _Decode(network.anchors, network.num_classes)

        def boxes(maps: Sequence[np.ndarray]) -> list[np.ndarray]:
            with paddle.no_grad():
                return [t.numpy() for t in decode([paddle.to_tensor(m) for m in maps])]

        return boxes

    def deployed(self, network: nn.Layer) -> nn.Layer:
        return _Boxes(network)

    def agreement(self, mine: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> Agreement:
        """Each box of one runtime needs itself in the other: a box of its class and picture with score and
        corners within `ALIKE`. Boxes that rounding decides about need none, see `_uncertain`, and a few may
        have another of nearly the same score in their place, see `_replaced`."""
        worst, same, replaced, count = 0.0, 0, 0, 0
        for a, b in zip(split(mine), split(theirs), strict=True):
            if np.isnan(a).any() or np.isnan(b).any():
                return Agreement(float("inf"), 1.0, 0, 1)
            for one, other in ((a, b), (b, a)):
                apart = _apart(one, other)
                alike = apart < ALIKE
                worst = max(worst, float(apart[alike].max(initial=0.0)))
                other_one = ~alike & _replaced(one, other)
                counts = alike | other_one | ~_uncertain(one, other)
                same, replaced = same + int(alike.sum()), replaced + int(other_one.sum())
                count += int(counts.sum())
        few = replaced <= REPLACED * (same + replaced)
        return Agreement(worst, 1.0, same + replaced * few, count)

    def result(self, outputs: Sequence[np.ndarray], size: tuple[int, int]) -> dict:
        """{"boxes": [{"label", "index", "score", "box": [x1, y1, x2, y2] in pixels}, ...]}, best first."""
        found = np.asarray(outputs[0]).reshape(-1, 6)
        found = found[found[:, 1] >= SHOWN]
        scale = np.array([size[1], size[0]] * 2)
        return {
            "boxes": [
                {
                    "label": self.labels[int(row[0])],
                    "index": int(row[0]),
                    "score": round(float(row[1]), 6),
                    "box": [round(float(v), 2) for v in row[2:] * scale],
                }
                for row in found[np.argsort(-found[:, 1], kind="stable")]
            ]
        }

    def draw(self, image: np.ndarray, result: dict) -> np.ndarray:
        """The picture, at least 320 px wide, with a frame and a name on each box."""
        scale = max(1, -(-320 // image.shape[1]))
        picture = np.ascontiguousarray(image.repeat(scale, 0).repeat(scale, 1))
        colours = palette(len(self.labels))
        for row in reversed(result["boxes"]):  # the best one on top
            x1, y1, x2, y2 = (round(scale * v) for v in row["box"])
            colour = [int(c) // 2 + 100 for c in colours[row["index"]]]
            cv2.rectangle(picture, (x1, y1), (x2, y2), colour, 2)
            text = f"{row['label']} {row['score']:.2f}"
            width, height = text_size(text, 12)
            top, left = max(y1, height + 4), max(0, min(x1, picture.shape[1] - width))
            cv2.rectangle(picture, (left, top - height - 4), (left + width, top), colour, -1)
            put_text(picture, text, left, top - 3, 12, (0, 0, 0))
        return picture


class _Boxes(nn.Layer):
    """A network and what makes boxes of its maps."""

    def __init__(self, network: nn.Layer):
        super().__init__()
        self.network, self.decode = network, _Decode(network.anchors, network.num_classes)

    def forward(self, image: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        return self.decode(self.network(image))


class _Decode(nn.Layer):
    """Raw maps -> boxes that are sure enough, without the weaker of two that overlap."""

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
        every = paddle.clip(paddle.concat(boxes, axis=1), 0.0, 1.0)
        found, _, counts = _C_ops.multiclass_nms3(
            every, paddle.concat(scores, axis=1).transpose([0, 2, 1]), None,
            LEAST, CANDIDATES, KEPT, OVERLAP, True, 1.0, -1,
        )  # fmt: skip
        return found, counts


def _apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The largest difference of score and corners of each box [n, 6] of `one` to the most similar one of its
    class in `other`; infinite where there is none."""
    apart = np.abs(one[:, None, 1:] - other[None, :, 1:]).max(2, initial=0.0)
    apart[one[:, None, 0] != other[None, :, 0]] = np.inf
    return apart.min(1, initial=np.inf)


def _replaced(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Boxes [n, 6] of `one` in whose place `other` has one of their class that they overlap, with the score
    within `ALIKE`: of two such boxes NMS keeps the one that rounding makes the stronger."""
    related = one[:, None, 0] == other[None, :, 0]
    scores = np.abs(one[:, None, 1] - other[None, :, 1]) < ALIKE
    return (related & scores & (iou(one[:, 2:], other[:, 2:]) > OVERLAP)).any(1)


def _uncertain(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Boxes [n, 6] of `one` that the other runtime may leave out for a difference of rounding: the score is
    at the least one, or at the lowest of as many as are kept; or a stronger box of the class, in either
    runtime, overlaps as much as just goes."""
    least = max([LEAST, *(boxes[:, 1].min() for boxes in (one, other) if len(boxes) >= KEPT)])
    weak = one[:, 1] < least + ALIKE
    rivals = np.concatenate([one, other])
    stronger = (rivals[None, :, 0] == one[:, None, 0]) & (rivals[None, :, 1] > one[:, None, 1] - ALIKE)
    tie = stronger & (np.abs(iou(one[:, 2:], rivals[:, 2:]) - OVERLAP) < ALIKE)
    return weak | tie.any(1)


def _mask(anchors: Sequence, number: int) -> list[int]:
    """Which anchors are those of map `number`: the largest for the coarsest, the first one."""
    each = len(anchors) // len(STRIDES)
    return list(range(each * (2 - number), each * (3 - number)))


def _flat(anchors: Sequence[Sequence[float]]) -> list[int]:
    return [max(1, round(n)) for pair in anchors for n in pair]


def _padded(batch: dict) -> tuple[Any, Any, Any]:
    """Boxes of all pictures -> x, y, width, height [N, B, 4], labels [N, B], weights [N, B]; no box is 0
    wide. Crowds are left out."""
    most = max(1, *(len(b) for b in batch["boxes"]))
    count = len(batch["boxes"])
    boxes = np.zeros((count, most, 4), np.float32)
    labels, weights = np.zeros((count, most), np.int32), np.ones((count, most), np.float32)
    for i, (given, names) in enumerate(zip(batch["boxes"], batch["labels"], strict=True)):
        alone = np.asarray(batch["difficult"][i]) != CROWD
        given, names, number = given[alone], names[alone], int(alone.sum())
        boxes[i, :number, :2] = (given[:, :2] + given[:, 2:]) / 2
        boxes[i, :number, 2:] = given[:, 2:] - given[:, :2]
        labels[i, :number] = names
        if "weights" in batch:
            weights[i, :number] = batch["weights"][i][alone]
    return paddle.to_tensor(boxes), paddle.to_tensor(labels), paddle.to_tensor(weights)
