"""Annotations that are drawn, boxes and outlines alike, whatever tool wrote them: as boxes, or as masks."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UserError
from ...files import make_folder, write_json
from ...progress import bar
from ..images import size_of, write_image
from ..transforms.paired import IGNORE
from ._found import Found, divided, listable, split_of, written

log = logging.getLogger(__name__)

BACKGROUND = ("background", "_background_", "__background__")
IGNORED = ("ignore", "__ignore__", "void", "unlabelled", "unlabeled")
CLASSES = 254  # that a mask can hold beside the background
LONGEST = 200  # outline, in sides of its picture


@dataclass(frozen=True)
class Shape:
    """One thing: `outline` [n, 2], x and y in pixels, of a box its four corners; `holes` in it; or `pixels`, which gives
    bool [h, w] of a picture of the size it is asked for, whose first one is at `outline[0]`: unpacked when it is needed."""

    label: str
    outline: np.ndarray
    is_box: bool = False
    holes: Sequence[np.ndarray] = ()
    pixels: Callable[[tuple[int, int]], np.ndarray] | None = None

    def frame(self, size: tuple[int, int]) -> list[float]:
        """x, y, width, height, in a picture of `size`."""
        first, last = self.outline.min(0), self.outline.max(0)
        if self.pixels is not None:
            ys, xs = np.nonzero(self.pixels(size))
            if len(xs):
                first, last = (
                    first + np.array(end) for end in ((xs.min(), ys.min()), (xs.max() + 1, ys.max() + 1))
                )
        return [float(v) for v in (*first, *(last - first))]


@dataclass(frozen=True)
class Drawn:
    """A picture's things, the uppermost last. `size`: height and width that they were drawn for."""

    picture: Path
    size: tuple[int, int]
    shapes: list[Shape]
    split: str = ""  # train, val or test, where the tool says so


def box(label: str, first: Sequence[float], last: Sequence[float]) -> Shape:
    """The box between two corners, given in any order."""
    (x1, x2), (y1, y2) = (sorted((a, b)) for a, b in zip(first, last, strict=True))
    return Shape(label, np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], float), is_box=True)


def found(
    kind: str, root: Path, folder: Path, drawn: Sequence[Drawn], task: str, usual: str = "", labels: Sequence[str] = ()
) -> Found:  # fmt: skip
    """Boxes or masks of what was drawn. `task`: what is asked for, or ""; then it is what the shapes are of, or `usual`.
    `labels` in their order; without them they are those of the shapes.
    Raises UserError where the shapes are of both sorts, and nothing was asked for."""
    drawn = _joined(drawn)
    sorts = Counter("detection" if shape.is_box else "segmentation" for one in drawn for shape in one.shapes)
    if not sorts:
        raise UserError(f"--data: '{root}' ({kind}) has no box and no outline; check what was exported")
    if not task and not usual and len(sorts) > 1:
        raise UserError(
            f"--data: '{root}' ({kind}) has {sorts['detection']} boxes and {sorts['segmentation']} outlines; say --task "
            "detection, each outline's box, or --task segmentation, each box filled"
        )
    chosen = task or usual or next(iter(sorts))
    if chosen == "detection":
        if sorts["segmentation"]:
            log.info(
                "%d outlines serve as boxes; --task segmentation takes them whole", sorts["segmentation"]
            )
        return boxes(kind, root, folder, drawn, labels)
    if sorts["detection"]:
        log.warning("%d boxes are filled: in the masks they are whole rectangles", sorts["detection"])
    return masks(kind, root, folder, drawn, labels)


def _joined(drawn: Sequence[Drawn]) -> list[Drawn]:
    """Each picture once, with the shapes of all files that have some for it."""
    found: dict[Path, Drawn] = {}
    for one in drawn:
        before = found.get(one.picture)
        if before is not None and before.size != one.size:
            raise UserError(
                f"--data: '{one.picture}' was drawn on with {before.size[1]}x{before.size[0]} and with "
                f"{one.size[1]}x{one.size[0]} pixels; keep one of the files"
            )
        found[one.picture] = one if before is None else replace(before, shapes=[*before.shapes, *one.shapes])
    return list(found.values())


def name_from(root: Path, picture: Path) -> str:
    """A picture as a list names it."""
    return listable(str(picture.relative_to(root) if picture.is_relative_to(root) else picture.resolve()))


def _split(root: Path, folder: Path, drawn: Sequence[Drawn]) -> dict[str, list[Drawn]]:
    names = [name_from(root, one.picture) for one in drawn]
    kinds = [Counter(shape.label for shape in one.shapes).most_common(1) for one in drawn]
    common = [kind[0][0] if kind else "" for kind in kinds]
    return divided(root, drawn, names, common, [one.split or split_of(str(Path(n).parent)) for one, n in zip(drawn, names, strict=True)])  # fmt: skip


def boxes(kind: str, root: Path, folder: Path, drawn: Sequence[Drawn], labels: Sequence[str]) -> Found:
    """COCO tables of training and validation."""
    labels = labels or _labels(drawn)
    places = {label: number for number, label in enumerate(labels)}
    parts = _split(root, folder, drawn)
    make_folder(folder)
    for split, some in parts.items():
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for number, one in enumerate(some):
            images.append(
                {"id": number, "file_name": name_from(root, one.picture), "height": one.size[0], "width": one.size[1]}
            )  # fmt: skip
            for shape in one.shapes:
                annotations.append({"id": len(annotations), "image_id": number,
                                    "category_id": places[shape.label], "bbox": shape.frame(one.size)})  # fmt: skip
        if not images:
            raise UserError(f"--data: '{root}' ({kind}) has nothing for {split}; give it more pictures")
        categories = [{"id": i, "name": label} for label, i in places.items()]
        write_json(
            folder / f"{split}.json", {"images": images, "annotations": annotations, "categories": categories}
        )
    tables = [str((folder / f"{split}.json").resolve()) for split in ("train", "val")]
    return Found(kind, "detection", "coco", root, *tables)


def _labels(drawn: Sequence[Drawn]) -> list[str]:
    return sorted({shape.label for one in drawn for shape in one.shapes})


def masks(kind: str, root: Path, folder: Path, drawn: Sequence[Drawn], labels: Sequence[str]) -> Found:
    """A mask a picture, in `folder/masks`: 0 what nothing was drawn on, or what was called background, 255 what was called
    ignore or void."""
    labels = labels or _labels(drawn)
    named = [label for label in labels if label.lower() not in (*BACKGROUND, *IGNORED)]
    if len(named) > CLASSES:
        raise UserError(f"--data: '{root}' ({kind}) has {len(named)} classes; masks hold up to {CLASSES}")
    values = {label: number for number, label in enumerate(named, 1)}
    values |= {label: 0 for label in labels if label.lower() in BACKGROUND}
    values |= {label: IGNORE for label in labels if label.lower() in IGNORED}
    parts = _split(root, folder, drawn)
    place = make_folder(folder / "masks")
    files = {one.picture: place / f"{number:06d}.png" for number, one in enumerate(drawn)}
    for one in bar(drawn, "masks", len(drawn), "mask"):
        write_image(files[one.picture], mask_of(one, values))
    lines = {
        split: [f"{name_from(root, one.picture)}\t{files[one.picture].resolve()}" for one in some]
        for split, some in parts.items()
    }
    return written(kind, "segmentation", "seg_list", root, folder, lines, ["background", *named])


def mask_of(one: Drawn, values: dict[str, int]) -> np.ndarray:
    """Values by label -> uint8 [H, W], later shapes over earlier ones. Raises UserError where the picture has
    another size than it was drawn for."""
    own = size_of(one.picture, "--data")
    if own != one.size:
        raise UserError(
            f"--data: '{one.picture}' is {own[1]}x{own[0]}, its outlines are of {one.size[1]}x{one.size[0]}; make them "
            "agree"
        )
    mask = np.zeros(one.size, np.uint8)
    for shape in one.shapes:
        inside = _inside(shape, one.size, f"--data: '{one.picture}'")
        mask[inside] = values[shape.label]
    return mask


def _inside(shape: Shape, size: tuple[int, int], where: str) -> np.ndarray:
    """bool [H, W]: the pixels of a shape."""
    if shape.pixels is not None:
        whole = np.zeros(size, bool)
        x, y = (int(v) for v in np.clip(shape.outline[0], -1e6, 1e6))
        part = shape.pixels(size)[max(0, -y) : max(0, size[0] - y), max(0, -x) : max(0, size[1] - x)]
        y, x = max(0, y), max(0, x)
        whole[y : y + part.shape[0], x : x + part.shape[1]] = part
        return whole
    inside = _filled(shape.outline, size, where)
    for hole in shape.holes:
        inside &= ~_filled(hole, size, where)
    return inside


def _filled(outline: np.ndarray, size: tuple[int, int], where: str) -> np.ndarray:
    """As COCO's own library fills a polygon, which walks along its rim."""
    from pycocotools import mask

    sides = np.array(size[::-1], float)
    near = np.clip(outline, -sides, 2 * sides)
    if np.abs(np.diff(near, axis=0, append=near[:1])).sum() > LONGEST * sides.sum():
        raise UserError(f"{where}: an outline is {LONGEST} times as long as the picture's sides; mend it")
    return mask.decode(mask.frPyObjects([near.ravel().tolist()], *size))[..., 0].astype(bool)


def outline(points: Any, where: str, least: int = 3) -> np.ndarray:
    """Points as a file holds them -> [n, 2]. Raises UserError for what is none, or fewer than `least`."""
    try:
        found = np.array(points, float)
    except (TypeError, ValueError, OverflowError):
        found = np.empty(0)
    if found.ndim != 2 or found.shape[1] != 2 or len(found) < least or not np.isfinite(found).all():
        raise UserError(
            f"{where}: {str(points)[:60]} is no outline of {least} points or more; mend or remove it"
        )
    return found


def label_of(text: Any, where: str) -> str:
    """A class name as it stands in a list of them, on one line. Raises UserError for none."""
    name = " ".join(text.split()) if isinstance(text, str) else ""
    if not name:
        raise UserError(f"{where}: it has no label; mend or remove it")
    return name
