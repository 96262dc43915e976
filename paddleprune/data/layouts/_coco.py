"""COCO: tables of boxes and outlines."""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UserError
from ...files import make_folder, write_json
from ...texts import read_json
from ..readers._boxes import Labelled
from ..readers.coco import Reader, is_crowd, numbers
from ._drawn import IGNORED, Drawn, Shape, box, found, label_of, outline
from ._found import Found, divided, files_below, listable, split_of

MOST = 50  # JSON files that are looked into


def coco(root: Path, folder: Path, task: str) -> Found | None:
    tables = {path: raw for path in files_below(root, (".json",))[:MOST] if (raw := _table(path)) is not None}
    if not tables:
        return None
    of: dict[str, list[Path]] = {}
    for path in tables:
        of.setdefault(split_of(str(path.relative_to(root))), []).append(path)
    # Of the original download the boxes, where key points lie beside them.
    of = {split: [p for p in some if "instances" in p.name] or some for split, some in of.items()}
    known = [path for split, some in of.items() if split != "test" for path in some] or list(tables)
    if task == "segmentation":
        return found("COCO", root, folder, _drawn(root, {path: tables[path] for path in known}), task)
    if [len(of.get(split, [])) for split in ("train", "val")] == [1, 1]:
        names = [str(of[split][0].relative_to(root)) for split in ("train", "val")]
        return Found("COCO", "detection", "coco", root, *names)
    if len(known) != 1:
        listed = ", ".join(str(path.relative_to(root)) for path in list(tables)[:4])
        raise UserError(f"--data: several COCO files ({listed}); keep one, or name two of them train and val")
    return _parts(root, folder, tables[known[0]], known[0].parent)


def _table(path: Path) -> dict | None:
    """What a JSON file holds, if it is a COCO one."""
    try:
        raw = read_json(path, "COCO file", 8 * 2**30)
    except UserError:
        return None
    lists = isinstance(raw, dict) and all(
        isinstance(raw.get(k), list) for k in ("images", "annotations", "categories")
    )
    return raw if lists else None


def _parts(root: Path, folder: Path, raw: dict, beside: Path) -> Found:
    """One COCO table in two; pictures are named from `root`."""
    _refuse_odd(raw, f"{beside}: COCO table")
    of: dict[Any, list[dict]] = {}
    for one in raw["annotations"]:
        of.setdefault(one.get("image_id"), []).append(one)
    boxes = [of.get(image.get("id"), []) for image in raw["images"]]
    kinds = [Counter(a.get("category_id") for a in some).most_common(1) for some in boxes]
    images = [
        {**image, "file_name": _from(root, beside, image.get("file_name", ""))} for image in raw["images"]
    ]
    rows = list(zip(images, boxes, strict=True))
    names = [listable(image["file_name"]) for image in images]
    parts = divided(root, rows, names, [common[0][0] if common else None for common in kinds])
    make_folder(folder)
    for split, some in parts.items():
        taken = {
            "images": [image for image, _ in some],
            "annotations": [a for _, of_it in some for a in of_it],
        }
        write_json(folder / f"{split}.json", {**raw, **taken})
    tables = [str((folder / f"{split}.json").resolve()) for split in ("train", "val")]
    return Found("COCO", "detection", "coco", root, *tables)


def _refuse_odd(raw: dict, what: str) -> None:
    """Raises UserError for entries that are none."""
    keys = {"images": {"file_name": str, "id": (int, str)}, "annotations": {"image_id": (int, str)}}
    for name, needed in keys.items():
        for number, one in enumerate(raw[name]):
            wrong = [
                k
                for k, kind in needed.items()
                if not isinstance(one, dict) or not isinstance(one.get(k), kind)
            ]
            if wrong:
                raise UserError(
                    f"{what}: {name}[{number}] is {one!r:.80}, without a valid '{wrong[0]}'; mend the file"
                )


def _from(root: Path, beside: Path, name: str) -> str:
    """A picture's name from the root where it lies beside the table."""
    return str((beside / name).relative_to(root)) if (beside / name).is_file() else name


class _Pictures(Reader):
    """The pictures of a table and their sizes; boxes are not needed."""

    def hold(self, annotated: list[Labelled], source: str) -> None:
        self.annotated = annotated


def _drawn(root: Path, tables: dict[Path, dict]) -> list[Drawn]:
    """The outlines of all tables."""
    drawn = []
    for path, raw in tables.items():
        reader, split = _Pictures(root, str(path)), split_of(str(path.relative_to(root)))
        names = {str(c["id"]).strip(): label_of(c["name"], str(path)) for c in raw["categories"]}
        here = {
            str(image["id"]).strip(): Drawn(one.image, one.size, [], split)
            for image, one in zip(raw["images"], reader.annotated, strict=True)
        }
        for number, annotation in enumerate(raw["annotations"]):
            where, one = f"{path}: annotations[{number}]", here.get(str(annotation["image_id"]).strip())
            if one is not None:
                crowd = is_crowd(annotation, where)
                label = IGNORED[0] if crowd else names[str(annotation["category_id"]).strip()]
                one.shapes.extend(_shapes(annotation, label, where))
        drawn += here.values()
    return drawn


def _shapes(annotation: dict, label: str, where: str) -> list[Shape]:
    """The polygons of an annotation, its runs, or else its box."""
    given = annotation.get("segmentation")
    if isinstance(given, dict):
        return [Shape(label, np.zeros((1, 2)), pixels=partial(_runs, given, where))]
    if given:
        parts = given if isinstance(given, list) and isinstance(given[0], list) else [given]
        if not all(isinstance(part, list) for part in parts):
            raise UserError(
                f"{where}: segmentation {str(given)[:60]} must be lists of x, y; mend or remove it"
            )
        pairs = [list(zip(part[0::2], part[1::2], strict=False)) for part in parts]
        return [Shape(label, outline(points, where)) for points in pairs]
    if not annotation.get("bbox"):
        return []
    x, y, width, height = numbers(annotation["bbox"], 4, f"{where}: bbox [x, y, width, height]")
    return [box(label, (x, y), (x + width, y + height))] if width and height else []


def _runs(given: dict, where: str, size: tuple[int, int]) -> np.ndarray:
    """bool [H, W] of run lengths, plain or packed."""
    from pycocotools import mask

    counts = given.get("counts")
    try:
        if list(given.get("size") or []) != list(size):
            raise ValueError(f"it is of {given.get('size')}, the picture of {list(size)}")
        plain = isinstance(counts, list)
        runs = mask.frPyObjects(given, *size) if plain else {"size": list(size), "counts": counts}
        return mask.decode(runs).astype(bool)
    except (TypeError, ValueError, OverflowError, MemoryError, AttributeError) as error:
        raise UserError(f"{where}: its mask cannot be read ({str(error)[:80]}); export it again") from error
