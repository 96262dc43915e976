"""Mean average precision of detected boxes."""

import contextlib
import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ._base import Metric

OVERLAP = 0.5  # IoU from which a box is found
DRAWS_AT_ONCE = 50  # resamples in one array, [draws, boxes]


class Found(NamedTuple):
    """One image: the class, score and fate of each of its detected boxes, and its labelled boxes that count
    (their classes)."""

    labels: np.ndarray
    scores: np.ndarray
    right: np.ndarray  # 1 found one, 0 found none, -1 found one that does not count
    wanted: np.ndarray


class BoxMap(Metric):
    """`map`: the mean over the classes of the area under the curve of precision over recall, precision
    made falling (PASCAL VOC from 2010 on); `map11`: of the mean precision at 11 recalls (VOC 2007,
    PaddleX's). Both in [0, 1], over the classes that have labelled boxes.

    Per image and from the highest score down, a detected box is given the labelled box of its class that
    it overlaps most; it is right if their IoU is 0.5 or more and no better one had it. Labelled boxes
    that are difficult count neither way (Everingham et al. 2010, section 4.2; corners without the
    devkit's extra pixel).
    Example, one class, 2 labelled boxes: right at .9, wrong at .8, right at .7 -> precision 1 up to
    recall 1/2, then 2/3: map 5/6, map11 (6 * 1 + 5 * 2/3) / 11 = 28/33.
    """

    main = "map"
    also = ("map11",)

    def update(self, outputs: Sequence[np.ndarray], batch: dict) -> None:
        """`outputs`: boxes [B, 6] (class, score, x1, y1, x2, y2) of all images one after another, and
        their numbers [N]. batch: "boxes" [n, 4], "labels" [n], "difficult" [n] per image."""
        for i, boxes in enumerate(split(outputs)):
            self.statistics.append(
                _fates(boxes, batch["boxes"][i], batch["labels"][i], batch["difficult"][i])
            )

    def compute(self) -> dict[str, float]:
        (values,) = self._values(np.ones((1, len(self.statistics))))
        return {"map": float(values[0]), "map11": float(values[1])}

    def each(self) -> np.ndarray:
        """Of a picture without labelled boxes 1 less the highest score of a false one."""
        alone, values = BoxMap(), []
        for one in self.statistics:
            alone.statistics = [one]
            false = one.scores[one.right == 0].max(initial=0.0)
            values.append(alone.resampled(np.ones((1, 1)))[0] if len(one.wanted) else 1 - false)
        return np.array(values)

    def resampled(self, counts: np.ndarray) -> np.ndarray:
        parts = [counts[i : i + DRAWS_AT_ONCE] for i in range(0, len(counts), DRAWS_AT_ONCE)]
        return np.concatenate([self._values(part)[:, 0] for part in parts])

    def by_class(self, classes: int) -> dict[str, np.ndarray]:
        """Labelled boxes that count; the area under the class's curve; the largest recall."""
        columns = {name: np.full(classes, np.nan) for name in ("ap", "recall")}
        boxes = np.bincount(np.concatenate([f.wanted for f in self.statistics]), minlength=classes)
        for c in np.flatnonzero(boxes):
            recall, precision = self.curve(int(c))
            columns["ap"][c] = float((np.diff(recall, prepend=0.0) * precision).sum())
            columns["recall"][c] = recall[-1] if len(recall) else 0.0
        return {"boxes": boxes, **columns}

    def curve(self, label: int) -> tuple[np.ndarray, np.ndarray]:
        """Recall, and precision made falling, of a class from the box of the highest score on, each [boxes]."""
        labels, scores, right, wanted = (np.concatenate(part) for part in zip(*self.statistics, strict=True))
        mine = np.flatnonzero((labels == label) & (right >= 0))
        hits = right[mine[np.argsort(-scores[mine], kind="stable")]].cumsum()
        precision = hits / np.arange(1, len(hits) + 1)
        return hits / max(1, int((wanted == label).sum())), np.maximum.accumulate(precision[::-1])[::-1]

    def _values(self, counts: np.ndarray) -> np.ndarray:
        """[map, map11] for each row of `counts` [B, images]."""
        image = np.concatenate([np.full(len(f.labels), i) for i, f in enumerate(self.statistics)])
        labels, scores, right, wanted = (np.concatenate(part) for part in zip(*self.statistics, strict=True))
        wanted_image = np.concatenate([np.full(len(f.wanted), i) for i, f in enumerate(self.statistics)])
        total, classes = np.zeros((len(counts), 2)), np.zeros((len(counts), 1))
        for c in np.unique(wanted):
            labelled = counts[:, wanted_image[wanted == c]].sum(1)
            mine = np.flatnonzero((labels == c) & (right >= 0))
            mine = mine[np.argsort(-scores[mine], kind="stable")]
            weight = counts[:, image[mine]].astype(np.float64)
            total += _precision(weight * right[mine], weight * (1 - right[mine]), labelled)
            classes[:, 0] += labelled > 0
        return total / np.maximum(classes, 1)


class CocoMap(BoxMap):
    """Also COCO's: `coco_map`, the mean over the IoUs 0.50, 0.55, ... 0.95, and `coco_map_small`,
    `_medium`, `_large`, of boxes up to 32 x 32, up to 96 x 96 and above, in pixels of the picture
    (pycocotools; nan where there are no such boxes)."""

    def __init__(self) -> None:
        super().__init__()
        self.pictures: list[tuple[np.ndarray, ...]] = []

    def update(self, outputs: Sequence[np.ndarray], batch: dict) -> None:
        super().update(outputs, batch)
        for i, boxes in enumerate(split(outputs)):
            self.pictures.append(
                (boxes, *(batch[key][i] for key in ("boxes", "labels", "difficult", "size")))
            )

    def merge(self, other: Any) -> None:
        super().merge(other)
        self.pictures += other.pictures

    def compute(self) -> dict[str, float]:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        names = {"coco_map": 0, "coco_map_small": 3, "coco_map_medium": 4, "coco_map_large": 5}
        with contextlib.redirect_stdout(io.StringIO()):
            truth, found = COCO(), COCO()
            truth.dataset, found.dataset = self._as_coco()
            truth.createIndex()
            found.createIndex()
            judge = COCOeval(truth, found, "bbox")
            judge.evaluate()
            judge.accumulate()
            judge.summarize()
        values = {name: float(judge.stats[place]) for name, place in names.items()}
        return super().compute() | {k: v if v >= 0 else float("nan") for k, v in values.items()}

    def _as_coco(self) -> tuple[dict, dict]:
        """Labelled and detected boxes as COCO writes them."""
        wanted: list[dict] = []
        found: list[dict] = []
        for image, (boxes, given, labels, difficult, size) in enumerate(self.pictures):
            scale = np.array([size[1], size[0]] * 2)
            for box, label, hard in zip(given * scale, labels, difficult, strict=True):
                wanted.append(_annotation(len(wanted), image, label, box) | {"iscrowd": int(hard)})
            for row in boxes:
                one = _annotation(len(found), image, row[0], row[2:] * scale)
                found.append(one | {"score": float(row[1])})
        labels = {one["category_id"] for one in [*wanted, *found]}
        common = {
            "images": [{"id": i} for i in range(len(self.pictures))],
            "categories": [{"id": label} for label in sorted(labels)],
        }
        return {**common, "annotations": wanted}, {**common, "annotations": found}


def split(outputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Boxes [B, 6] and their numbers [N] -> boxes per image."""
    numbers = np.asarray(outputs[1]).reshape(-1).astype(int)
    boxes = np.asarray(outputs[0]).reshape(-1, 6)[: numbers.sum()]  # a runtime may pad where there are none
    return np.split(boxes, np.cumsum(numbers)[:-1])


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes [n, 4] and [m, 4], corners x1, y1, x2, y2 -> [n, m]."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(2)
    union = _area(a)[:, None] + _area(b)[None] - common
    return common / np.maximum(union, 1e-12)


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2:] - boxes[:, :2]).prod(1)


def _fates(boxes: np.ndarray, given: np.ndarray, labels: np.ndarray, difficult: np.ndarray) -> Found:
    boxes = boxes[np.argsort(-boxes[:, 1], kind="stable")]
    right = np.zeros(len(boxes), np.int64)
    if len(boxes) and len(given):
        overlap = iou(boxes[:, 2:], given) * (boxes[:, :1] == labels[None])
        nearest, best = overlap.argmax(1), overlap.max(1)
        hits = np.flatnonzero(best >= OVERLAP)
        right[hits[np.unique(nearest[hits], return_index=True)[1]]] = 1  # the first of each labelled box
        right[hits[difficult[nearest[hits]] > 0]] = -1
    wanted = np.asarray(labels)[np.asarray(difficult) == 0]
    return Found(boxes[:, 0].astype(int), boxes[:, 1], right, wanted.astype(int))


def _precision(right: np.ndarray, wrong: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """[area, mean at 11 recalls] per row; `right` and `wrong` [B, boxes] from the highest score down."""
    if not right.shape[1]:
        return np.zeros((len(right), 2))
    hits = right.cumsum(1)
    recall = hits / np.maximum(labelled, 1e-12)[:, None]
    precision = hits / np.maximum(hits + wrong.cumsum(1), 1e-12)
    falling = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
    area = (np.diff(recall, prepend=0.0, axis=1) * falling).sum(1)
    at = [np.where(recall >= r - 1e-9, falling, 0).max(1) for r in np.linspace(0, 1, 11)]
    return np.stack([area, np.mean(at, 0)], 1)


def _annotation(number: int, image: int, label: float, box: np.ndarray) -> dict:
    x1, y1, x2, y2 = (float(v) for v in box)
    return {
        "id": number + 1,
        "image_id": image,
        "category_id": int(label),
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": (x2 - x1) * (y2 - y1),
    }
