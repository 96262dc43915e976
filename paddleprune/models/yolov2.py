"""YOLOv2 (Redmon and Farhadi 2017, arXiv 1612.08242): Darknet-19, one map, and a passthrough of finer features.

image -> 13 convolutions, 1/16 -> 7 convolutions, 1/32 -------------------> concat -> convolution -> head
                               \\-> convolution -> each 2 x 2 cell as 4 channels --^
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

from ..errors import UserError
from ._boxes import BoxHead, kept, padded, soft_maps_apart
from ._card import Card

# (width, kernel) of a convolution, or a pool
POOL = (0, 0)
FINE = ((32, 3), POOL, (64, 3), POOL, (128, 3), (64, 1), (128, 3), POOL, (256, 3), (128, 1), (256, 3), POOL,
        (512, 3), (256, 1), (512, 3), (256, 1), (512, 3))  # fmt: skip
COARSE = (POOL, (1024, 3), (512, 1), (1024, 3), (512, 1), (1024, 3), (1024, 3), (1024, 3))
PASSED, LAST = 64, 1024
STRIDE = 32
# (width, height) in pixels of the network's input at 416 px, those of Pascal VOC
ANCHORS = tuple(
    (STRIDE * w, STRIDE * h)
    for w, h in ((1.3221, 1.73145), (3.19275, 4.00944), (5.05587, 8.09892), (9.47112, 4.84053), (11.2364, 10.0071))
)  # fmt: skip
BACKGROUND = 0.6  # IoU with a labelled box above which a prediction is no background
OBJECT = 5.0  # weight of a labelled box's confidence beside that of the background
REGIONS = ("divided", "original", "later")


def build(num_classes: int, anchors: Sequence[Sequence[float]] = ANCHORS, scale: float = 1.0) -> nn.Layer:
    """Input [N, 3, H, W], H and W multiples of 32 -> [raw map [N, A (5 + num_classes), H/32, W/32]], per anchor x, y,
    width, height, confidence and classes. `scale` multiplies every width. `anchors`: [width, height] in pixels."""
    if scale <= 0:
        raise ValueError(f"scale {scale} must be above 0")
    sizes = [side for pair in anchors for side in pair]
    if not 0 < len(anchors) <= 20 or any(len(a) != 2 for a in anchors) or not all(0 < s < 1e5 for s in sizes):
        raise ValueError(f"anchors {anchors} must be [width, height] pairs above 0, 1 to 20 of them")
    return YOLOv2(num_classes, scale, anchors)


class Conv(nn.Sequential):
    """Convolution, batch norm, leaky ReLU."""

    def __init__(self, before: int, after: int, kernel: int):
        convolution = nn.Conv2D(before, after, kernel, padding=kernel // 2, bias_attr=False)
        super().__init__(convolution, nn.BatchNorm2D(after), nn.LeakyReLU(0.1))


class YOLOv2(nn.Layer):
    """See the top of this file. Layers are numbered as in the paper's configuration: convolutions 1 to 23."""

    def __init__(self, num_classes: int, scale: float, anchors: Sequence[Sequence[float]]):
        super().__init__()
        self.num_classes, self.anchors = num_classes, [[float(n) for n in pair] for pair in anchors]
        wide = lambda width: max(1, round(width * scale))  # noqa: E731

        def chain(before: int, steps: Sequence[tuple[int, int]]) -> tuple[nn.Layer, int]:
            layers: list[nn.Layer] = []
            for width, kernel in steps:
                layers.append(Conv(before, wide(width), kernel) if width else nn.MaxPool2D(2, 2))
                before = wide(width) if width else before
            return nn.Sequential(*layers), before

        self.fine, middle = chain(3, FINE)
        self.coarse, deep = chain(middle, COARSE)
        self.passed = Conv(middle, wide(PASSED), 1)
        self.last = Conv(4 * wide(PASSED) + deep, wide(LAST), 3)
        self.head = nn.Conv2D(wide(LAST), len(anchors) * (5 + num_classes), 1)

    def forward(self, image: paddle.Tensor) -> list[paddle.Tensor]:
        fine = self.fine(image)
        joined = paddle.concat([reorg(self.passed(fine)), self.coarse(fine)], axis=1)
        return [self.head(self.last(joined))]


def reorg(x: paddle.Tensor) -> paddle.Tensor:
    """[N, C, 2H, 2W] -> [N, 4C, H, W]: channel (2 row + column) C + c is c at that place of each 2 x 2 cell."""
    return paddle.concat([x[:, :, row::2, column::2] for row in (0, 1) for column in (0, 1)], axis=1)


class Head(BoxHead):
    """One map. `region`: the loss as it was written first, summed over a batch ("original"), or divided by the number
    of its pictures ("divided"), or as the pruning study of it ended: sizes are compared as factors of the anchors,
    not as their logarithms, and the sum is divided ("later"). The first epochs' pull of all boxes to the middle of
    their cells is left out, as there."""

    options = ("sizes", "region")
    anchors = tuple(range(1, 21))

    def __init__(self, labels: list[str], sizes: Sequence[int] = (), region: str = "divided"):
        super().__init__(labels, sizes)
        if region not in REGIONS:
            raise UserError(f"train.region: '{region}' is not known; valid: {', '.join(REGIONS)}")
        self.region = region

    def loss(
        self, network: nn.Layer, outputs: Sequence[paddle.Tensor], batch: dict
    ) -> dict[str, paddle.Tensor]:
        """Half the squared errors of centres, sizes and confidences, and the cross-entropy of the classes, all where a
        box is, confidences everywhere but where a box is nearly found."""
        x, grid = _split(outputs[0], network), outputs[0].shape[2:]
        centre, size, confidence = F.sigmoid(x[:, :, :2]), x[:, :, 2:4], F.sigmoid(x[:, :, 4])
        boxes, labels, weights = (t.numpy() for t in padded(batch))
        aims = _aims(
            _boxes(x, network).numpy(), boxes, labels, weights, np.array(network.anchors) / STRIDE, grid
        )
        n, a, row, column = (paddle.to_tensor(part) for part in aims.where)
        place = paddle.stack([n, a, row, column], 1)
        weight = paddle.to_tensor(aims.weights)

        def at(maps: paddle.Tensor) -> paddle.Tensor:
            """[N, A, k, H, W] -> [boxes, k]"""
            return paddle.gather_nd(maps.transpose([0, 1, 3, 4, 2]), place)

        parts = {"confidence": _half(confidence - aims.confidence, aims.confidence_weights)}
        if len(aims.weights):
            factors = self.region == "later"
            sizes = at(size).exp() if factors else at(size)
            wanted = paddle.to_tensor(aims.factors if factors else np.log(aims.factors))
            parts["box"] = _half(at(centre) - paddle.to_tensor(aims.centres), weight.unsqueeze(1))
            parts["box"] += _half(sizes - wanted, weight.unsqueeze(1))
            classes = F.cross_entropy(
                at(x[:, :, 5:]), paddle.to_tensor(aims.labels), reduction="none"
            ).flatten()
            parts["class"] = (classes * weight).sum()
        by = 1 if self.region == "original" else outputs[0].shape[0]
        parts = {name: part / by for name, part in parts.items()}
        return {"loss": paddle.add_n(list(parts.values())), **parts}

    def apart(
        self, said: Sequence[paddle.Tensor], wanted: Sequence[paddle.Tensor], batch: dict
    ) -> paddle.Tensor:
        return soft_maps_apart(said[0], wanted[0], len(self.labels))

    def decode(self, network: nn.Layer) -> nn.Layer:
        return _Decode(network.anchors, network.num_classes)


def _split(maps: paddle.Tensor, network: nn.Layer) -> paddle.Tensor:
    n, _, h, w = maps.shape
    return maps.reshape([n, len(network.anchors), 5 + network.num_classes, h, w])


def _half(difference: paddle.Tensor, weight: paddle.Tensor) -> paddle.Tensor:
    return (difference.square() * weight).sum() / 2


def _boxes(x: paddle.Tensor, network: nn.Layer) -> paddle.Tensor:
    """[N, A, 5 + C, H, W] -> x, y, width, height in cells [N, A, H, W, 4], without gradients."""
    h, w = x.shape[3:]
    corner = np.stack(np.meshgrid(np.arange(w), np.arange(h)), 0).astype("float32")  # [2, H, W]
    anchors = np.float32(network.anchors).reshape(1, -1, 2, 1, 1) / STRIDE
    with paddle.no_grad():
        centres = F.sigmoid(x[:, :, :2]) + paddle.to_tensor(corner)
        sizes = x[:, :, 2:4].clip(max=20).exp() * paddle.to_tensor(anchors)
        return paddle.concat([centres, sizes], 2).transpose([0, 1, 3, 4, 2])


class _Aims:
    """Of the labelled boxes, one for each place that has one: `where` (picture, anchor, row, column), `centres` in
    their cells, `factors` of the anchors, `labels`, `weights`; of every place `confidence` and its weight."""

    def __init__(self, shape: tuple[int, ...]):
        self.rows: dict[tuple[int, int, int, int], tuple] = {}
        self.confidence, self.confidence_weights = np.zeros(shape, np.float32), np.ones(shape, np.float32)

    def done(self) -> "_Aims":
        found = list(self.rows.values())
        self.where = [np.array([key[i] for key in self.rows], np.int64) for i in range(4)]
        self.centres = np.array([row[0] for row in found], np.float32).reshape(-1, 2)
        self.factors = np.array([row[1] for row in found], np.float32).reshape(-1, 2)
        self.labels = np.array([row[2] for row in found], np.int64)
        self.weights = np.array([row[3] for row in found], np.float32)
        self.confidence = paddle.to_tensor(self.confidence)
        self.confidence_weights = paddle.to_tensor(self.confidence_weights)
        return self


def _aims(
    said: np.ndarray, boxes: np.ndarray, labels: np.ndarray, weights: np.ndarray, anchors: np.ndarray,
    grid: Sequence[int],
) -> _Aims:  # fmt: skip
    aims, scale = _Aims(said.shape[:4]), np.array([grid[1], grid[0]] * 2)
    for n in range(len(boxes)):
        real = boxes[n, :, 2:].min(1) > 0
        given = boxes[n][real] * scale
        if not len(given):
            continue
        alike = _iou(said[n].reshape(-1, 1, 4), given[None])
        nearly = (alike.max(1) > BACKGROUND).reshape(said.shape[1:4])
        aims.confidence_weights[n][nearly] = 0
        for box, label, weight in zip(given, labels[n][real], weights[n][real], strict=True):
            column, row = (min(int(at), size - 1) for at, size in zip(box[:2], grid[::-1], strict=True))
            centred = np.concatenate([np.zeros_like(anchors), anchors], 1)
            anchor = int(_iou(centred, np.array([[0, 0, *box[2:]]])).argmax())
            where = (n, anchor, row, column)
            aims.rows[where] = (box[:2] - [column, row], box[2:] / anchors[anchor], label, weight)
            aims.confidence[where] = _iou(said[where][None], box[None])[0]
            aims.confidence_weights[where] = OBJECT * weight
    return aims.done()


def _iou(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Of boxes [..., 4] as centre, width and height."""
    low = np.maximum(one[..., :2] - one[..., 2:] / 2, other[..., :2] - other[..., 2:] / 2)
    high = np.minimum(one[..., :2] + one[..., 2:] / 2, other[..., :2] + other[..., 2:] / 2)
    both = np.clip(high - low, 0, None).prod(-1)
    return both / (one[..., 2:].prod(-1) + other[..., 2:].prod(-1) - both + 1e-12)


class _Decode(nn.Layer):
    """The raw map -> boxes."""

    def __init__(self, anchors: Sequence[Sequence[float]], num_classes: int):
        super().__init__()
        self.anchors, self.num_classes = anchors, num_classes

    def forward(self, maps: Sequence[paddle.Tensor]) -> tuple[paddle.Tensor, paddle.Tensor]:
        count, (h, w) = len(self.anchors), maps[0].shape[2:]
        x = maps[0].reshape([-1, count, 5 + self.num_classes, h * w])
        rows, columns = (part.reshape(1, 1, 1, -1).astype("float32") for part in np.mgrid[:h, :w])
        anchors = np.float32(self.anchors).reshape(1, count, 2, 1) / STRIDE
        corner, side = np.concatenate([columns, rows], 2), np.float32([w, h]).reshape(1, 1, 2, 1)
        centre = (F.sigmoid(x[:, :, 0:2]) + paddle.to_tensor(corner)) * paddle.to_tensor(1 / side)
        half = paddle.exp(x[:, :, 2:4]) * paddle.to_tensor(anchors / side / 2)
        boxes = paddle.concat([centre - half, centre + half], 2).transpose([0, 1, 3, 2])
        scores = F.softmax(x[:, :, 5:], 2) * F.sigmoid(x[:, :, 4:5])
        return kept(
            boxes.reshape([-1, count * h * w, 4]),
            scores.transpose([0, 2, 1, 3]).reshape([-1, self.num_classes, count * h * w]),
        )


def read_darknet(path: Path, network: nn.Layer) -> dict[str, np.ndarray]:
    """A darknet .weights file -> arrays by the network's names. Raises UserError for one that does not fit."""
    raw = path.read_bytes()
    if len(raw) < 20:
        raise UserError(f"--pretrain_weights: '{path}' has {len(raw)} bytes; it is no darknet weights file")
    major, minor = np.frombuffer(raw[:8], "<i4")
    start = 20 if major * 10 + minor >= 2 else 16
    values = np.frombuffer(raw, "<f4", offset=start) if (len(raw) - start) % 4 == 0 else np.zeros(0, "<f4")
    order = [f"{name}.{part}" for name in _in_order(network) for part in _PARTS[name == "head"]]
    tensors = network.state_dict()
    wanted = sum(int(np.prod(tensors[name].shape)) for name in order)
    if len(values) != wanted:
        raise UserError(
            f"--pretrain_weights: '{path}' holds {len(values)} numbers, the network has {wanted}; it is of another "
            "number of classes, of other widths, or damaged"
        )
    found, at = {}, 0
    for name in order:
        shape = tensors[name].shape
        size = int(np.prod(shape))
        found[name] = values[at : at + size].reshape(shape).copy()
        at += size
    return found


_PARTS = {False: ("1.bias", "1.weight", "1._mean", "1._variance", "0.weight"), True: ("bias", "weight")}


def _in_order(network: nn.Layer) -> list[str]:
    """Names of the convolutions as darknet counts them: the passthrough's stands behind the 20th."""
    chains = [
        f"{part}.{i}"
        for part in ("fine", "coarse")
        for i, layer in enumerate(getattr(network, part))
        if isinstance(layer, Conv)
    ]
    return [*chains, "passed", "last", "head"]


CARD = Card(
    build,
    {"detection": Head},
    face="YOLOv2",
    args={"num_classes": 3, "scale": 0.125},
    image_shape=(3, 64, 64),
    reads={".weights": read_darknet},
    levels=("fine", "coarse"),
    parts={"backbone": ("fine.", "coarse.")},
)
