"""Boxes: COCO, Pascal VOC, YOLO."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...errors import UserError
from ...files import make_folder, write_json
from ...texts import read_json, read_lines, read_yaml
from ..images import size_of
from ..readers.voc import names_of
from ._found import Found, divided, partners, pictures_in, split_of, written

MOST = 50  # JSON files that are looked into
MOST_CLASSES = 10_000


def coco(root: Path, folder: Path) -> Found | None:
    tables = {path: raw for path in sorted(root.rglob("*.json"))[:MOST] if (raw := _table(path)) is not None}
    if not tables:
        return None
    of = {split_of(str(path.relative_to(root))): path for path in tables}
    if "train" in of and "val" in of:
        names = [str(of[split].relative_to(root)) for split in ("train", "val")]
        return Found("COCO", "detection", "coco", root, *names)
    known = [path for path in tables if split_of(str(path.relative_to(root))) != "test"]
    if len(known) != 1:
        listed = ", ".join(str(path.relative_to(root)) for path in list(tables)[:4])
        raise UserError(f"--data: several COCO files ({listed}); keep one, or name two of them train and val")
    return _coco_parts("COCO", root, folder, tables[known[0]], known[0].parent)


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


def _coco_parts(kind: str, root: Path, folder: Path, raw: dict, beside: Path) -> Found:
    """One COCO table in two; pictures are named from `root`."""
    _refuse_odd(raw, f"{beside}: {kind} table")
    of: dict[Any, list[dict]] = {}
    for one in raw["annotations"]:
        of.setdefault(one.get("image_id"), []).append(one)
    boxes = [of.get(image.get("id"), []) for image in raw["images"]]
    kinds = [Counter(a.get("category_id") for a in some).most_common(1) for some in boxes]
    images = [
        {**image, "file_name": _from(root, beside, image.get("file_name", ""))} for image in raw["images"]
    ]
    rows = list(zip(images, boxes, strict=True))
    names = [image["file_name"] for image in images]
    parts = divided(root, rows, names, [common[0][0] if common else None for common in kinds])
    make_folder(folder)
    for split, some in parts.items():
        taken = {
            "images": [image for image, _ in some],
            "annotations": [a for _, of_it in some for a in of_it],
        }
        write_json(folder / f"{split}.json", {**raw, **taken})
    tables = [str((folder / f"{split}.json").resolve()) for split in ("train", "val")]
    return Found(kind, "detection", "coco", root, *tables)


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


def voc(root: Path, folder: Path) -> Found | None:
    pairs = partners(pictures_in(root), sorted(root.rglob("*.xml")))
    if not pairs:
        return None
    of = [names_of(xml) for _, xml in pairs]
    labels = sorted({name for names in of for name in names})
    kinds = [Counter(names).most_common(1)[0][0] if names else "" for names in of]
    lines = [f"{p.relative_to(root)}\t{x.relative_to(root)}" for p, x in pairs]
    parts = divided(root, lines, [str(p.relative_to(root)) for p, _ in pairs], kinds)
    return written("Pascal VOC", "detection", "voc", root, folder, parts, labels)


def yolo(root: Path, folder: Path) -> Found | None:
    pairs = partners(pictures_in(root), [path for path in sorted(root.rglob("*.txt")) if _is_yolo(path)])
    if not pairs:
        return None
    images, annotations = [], []
    for number, (picture, text) in enumerate(pairs):
        height, width = size_of(picture, str(picture))
        images.append(
            {"id": number, "file_name": str(picture.relative_to(root)), "width": width, "height": height}
        )
        for number_of_line, line in enumerate(read_lines(text, "labels file"), 1):
            if line.split():
                kind, numbers = _row(line, f"{text}:{number_of_line}")
                box = _box(numbers, width, height)
                annotations.append(
                    {"id": len(annotations), "image_id": number, "category_id": kind, "bbox": box}
                )
    labels = _yolo_names(root, max((a["category_id"] for a in annotations), default=0) + 1)
    categories = [{"id": i, "name": name} for i, name in enumerate(labels)]
    raw = {"images": images, "annotations": annotations, "categories": categories}
    return _coco_parts("YOLO", root, folder, raw, root)


def _is_yolo(path: Path) -> bool:
    """Does a text file hold lines `class x y width height` or `class x y x y ...`, in fractions?"""
    lines = [
        line for line in path.read_text(encoding="utf-8", errors="replace").splitlines()[:3] if line.strip()
    ]
    for line in lines:
        words = line.split()
        try:
            values = [float(word) for word in words]
        except ValueError:
            return False
        if len(values) < 5 or not values[0].is_integer() or not all(-0.01 <= v <= 1.01 for v in values[1:]):
            return False
    return bool(lines)


def _row(line: str, where: str) -> tuple[int, list[float]]:
    """The class and the numbers of a line."""
    try:
        kind, *numbers = (float(word) for word in line.split())
        if not all(map(math.isfinite, (kind, *numbers))) or kind >= MOST_CLASSES:
            raise ValueError(f"its numbers must be finite, the class below {MOST_CLASSES}")
        if kind < 0 or kind != int(kind) or (len(numbers) != 4 and (len(numbers) < 6 or len(numbers) % 2)):
            raise ValueError("it must be `class x y width height`, or `class x y x y x y ...`")
        return int(kind), numbers
    except ValueError as error:
        raise UserError(f"{where}: '{line[:80]}' is no box ({error}); mend or remove the line") from error


def _box(numbers: Sequence[float], width: int, height: int) -> list[float]:
    """x, y, width, height in pixels; of a polygon those of its frame."""
    if len(numbers) == 4:
        x, y, w, h = numbers
        return [(x - w / 2) * width, (y - h / 2) * height, w * width, h * height]
    xs, ys = numbers[0::2], numbers[1::2]
    return [min(xs) * width, min(ys) * height, (max(xs) - min(xs)) * width, (max(ys) - min(ys)) * height]


def _yolo_names(root: Path, count: int) -> list[str]:
    for path in [*sorted(root.glob("*.yaml")), *sorted(root.glob("*.yml"))]:
        raw = read_yaml(path, "data file")
        names = raw.get("names") if isinstance(raw, dict) else None
        if isinstance(names, dict):
            names = [names[key] for key in sorted(names)]
        if isinstance(names, list) and len(names) >= count:
            return [str(name) for name in names]
    for name in ("classes.txt", "obj.names", "labels.txt"):
        if (root / name).is_file():
            names = [line for line in read_lines(root / name, "names file") if line]
            if len(names) >= count:
                return names
    return [f"class_{i}" for i in range(count)]
