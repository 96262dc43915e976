"""What detectors share: training at several sizes, boxes as targets, and which boxes stay."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import _C_ops, nn

from ..data.readers._boxes import CROWD
from ..errors import UserError
from ._head import Head, class_count

LEAST = 0.01  # score of a box that is reported
OVERLAP = 0.45  # IoU above which the weaker of two boxes of a class goes
CANDIDATES, KEPT = 400, 100  # boxes per class before, and per picture after that


class BoxHead(Head):
    """Networks map [N, 3, H, W], H = W, to raw maps, and say their `anchors` and `num_classes`. The deployed one
    gives boxes [B, 6] of all pictures, one after another, and their number per picture [N]; a box is class, score,
    x1, y1, x2, y2 in fractions of the picture.

    `sizes`: each training batch is resized to a square of one of these sides, drawn at random.
    """

    options = ("sizes",)
    anchors: ClassVar[tuple[int, ...]] = ()  # how many it takes
    stride = 32
    square = True

    def __init__(self, labels: list[str], sizes: Sequence[int] = ()):
        super().__init__(labels)
        self.sizes = list(sizes)
        if any(size <= 0 or size % self.stride for size in self.sizes):
            raise UserError(f"train.sizes: {self.sizes} must be multiples of {self.stride}, above 0")

    @classmethod
    def check_count(cls, anchors: int) -> None:
        if anchors not in cls.anchors:
            first, *between, last = cls.anchors
            valid = (
                f"{first} to {last}"
                if len(between) > 5
                else f"{', '.join(map(str, (first, *between)))} or {last}"
            )
            raise UserError(f"--count: {anchors} anchors are not for this network; give {valid}")

    def arguments(self, given: dict) -> dict:
        return class_count(given, self.labels)

    def inputs(self, batch: dict) -> tuple[paddle.Tensor, ...]:
        image = paddle.to_tensor(batch["image"])
        if not self.sizes:
            return (image,)
        size = self.sizes[int(paddle.randint(0, len(self.sizes), [1]))]
        return (
            F.interpolate(image, size=[size, size], mode="bilinear") if size != image.shape[2] else image,
        )

    @abstractmethod
    def decode(self, network: nn.Layer) -> nn.Layer:
        """Raw maps -> (boxes, counts), by `kept`."""

    def finish(self, network: nn.Layer) -> Callable[[Sequence[np.ndarray]], Sequence[np.ndarray]]:
        decode = self.decode(network)

        def boxes(maps: Sequence[np.ndarray]) -> list[np.ndarray]:
            with paddle.no_grad():
                return [t.numpy() for t in decode([paddle.to_tensor(m) for m in maps])]

        return boxes

    def deployed(self, network: nn.Layer) -> nn.Layer:
        return _Boxes(network, self.decode(network))


class _Boxes(nn.Layer):
    """A network and what makes boxes of its maps."""

    def __init__(self, network: nn.Layer, decode: nn.Layer):
        super().__init__()
        self.network, self.decode = network, decode

    def forward(self, image: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        return self.decode(self.network(image))


def kept(boxes: paddle.Tensor, scores: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
    """Boxes [N, B, 4] in fractions and scores [N, C, B] -> the boxes that are sure enough, without the weaker of two
    of a class that overlap, [K, 6], and their number per picture [N]."""
    found, _, counts = _C_ops.multiclass_nms3(
        paddle.clip(boxes, 0.0, 1.0), scores, None, LEAST, CANDIDATES, KEPT, OVERLAP, True, 1.0, -1
    )
    return found, counts


def padded(batch: dict) -> tuple[Any, Any, Any]:
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


def soft_maps_apart(said: paddle.Tensor, wanted: paddle.Tensor, classes: int) -> paddle.Tensor:
    """Raw maps [N, A (5 + classes), H, W] of two networks, summed over a picture as losses of boxes are: the
    teacher's objectness as soft labels, and, as far as it says that something is there, its centres and classes as
    soft labels and its sizes as they are."""
    n, _, h, w = said.shape
    said, wanted = (maps.reshape([n, -1, 5 + classes, h, w]) for maps in (said, wanted))
    soft = F.sigmoid(wanted)
    cross = [F.binary_cross_entropy_with_logits(m, soft, reduction="none") for m in (said, wanted)]
    apart = cross[0] - cross[1]  # so that agreement costs nothing
    sizes = (said - wanted).abs()[:, :, 2:4].sum(2)
    there = soft[:, :, 4] * (apart[:, :, :2].sum(2) + sizes + apart[:, :, 5:].sum(2))
    return (apart[:, :, 4] + there).sum() / n
