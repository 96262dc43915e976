"""Boxes: Pascal VOC, YOLO."""

import math
from collections import Counter
from pathlib import Path

import numpy as np

from ...errors import UserError
from ...texts import read_lines, read_yaml
from ..images import size_of
from ..readers.voc import names_of
from ._drawn import Drawn, Shape, box, found, label_of
from ._found import Found, divided, files_below, partners, pictures_in, written

MOST_CLASSES = 10_000


def voc(root: Path, folder: Path, task: str) -> Found | None:
    pairs = partners(pictures_in(root), files_below(root, (".xml",)))
    if not pairs:
        return None
    of = [names_of(xml) for _, xml in pairs]
    labels = sorted({name for names in of for name in names})
    kinds = [Counter(names).most_common(1)[0][0] if names else "" for names in of]
    lines = [f"{p.relative_to(root)}\t{x.relative_to(root)}" for p, x in pairs]
    parts = divided(root, lines, [str(p.relative_to(root)) for p, _ in pairs], kinds)
    return written("Pascal VOC", "detection", "voc", root, folder, parts, labels)


def yolo(root: Path, folder: Path, task: str) -> Found | None:
    pictures = pictures_in(root)
    stems = {picture.stem for picture in pictures}
    texts = [path for path in files_below(root, (".txt",)) if path.stem in stems]
    if not any(_is_yolo(path) for path in texts):
        return None
    pairs = partners(pictures, texts)  # an empty file is of a picture with nothing on it
    rows: list[tuple[Path, tuple[int, int], list[tuple[int, np.ndarray, bool]]]] = []
    for picture, text in pairs:
        height, width = size_of(picture, str(picture))
        lines = enumerate(read_lines(text, "labels file"), 1)
        outlines = [_row(line, (height, width), f"{text}:{number}") for number, line in lines if line.split()]
        rows.append((picture, (height, width), outlines))
    labels = _yolo_names(root, max((kind for _, _, some in rows for kind, *_ in some), default=0) + 1)
    drawn = [
        Drawn(picture, size, [Shape(labels[kind], corners, is_box) for kind, corners, is_box in some])
        for picture, size, some in rows
    ]
    return found("YOLO", root, folder, drawn, task, "detection", labels)


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


def _row(line: str, size: tuple[int, int], where: str) -> tuple[int, np.ndarray, bool]:
    """The class of a line, its outline [n, 2] in pixels, and whether that is a box's."""
    try:
        kind, *numbers = (float(word) for word in line.split())
        if not all(map(math.isfinite, (kind, *numbers))) or kind >= MOST_CLASSES:
            raise ValueError(f"its numbers must be finite, the class below {MOST_CLASSES}")
        if kind < 0 or kind != int(kind) or (len(numbers) != 4 and (len(numbers) < 6 or len(numbers) % 2)):
            raise ValueError("it must be `class x y width height`, or `class x y x y x y ...`")
        if not all(-1 <= number <= 2 for number in numbers):
            raise ValueError("its numbers must be fractions of the picture's sides")
    except ValueError as error:
        raise UserError(f"{where}: '{line[:80]}' is no box ({error}); mend or remove the line") from error
    pixels = np.array(numbers).reshape(-1, 2) * (size[1], size[0])
    if len(numbers) > 4:
        return int(kind), pixels, False
    centre, sides = pixels
    return int(kind), box("", centre - sides / 2, centre + sides / 2).outline, True


def _yolo_names(root: Path, count: int) -> list[str]:
    for path in [*sorted(root.glob("*.yaml")), *sorted(root.glob("*.yml"))]:
        raw = read_yaml(path, "data file")
        names = raw.get("names") if isinstance(raw, dict) else None
        if isinstance(names, dict):
            names = _in_order(names, path)
        if isinstance(names, list) and len(names) >= count:
            return [label_of(str(name), str(path)) for name in names]
    for name in ("classes.txt", "obj.names", "labels.txt"):
        if (root / name).is_file():
            names = [line for line in read_lines(root / name, "names file") if line]
            if len(names) >= count:
                return names
    return [f"class_{i}" for i in range(count)]


def _in_order(names: dict, path: Path) -> list:
    """{0: a, 1: b}, the keys numbers or texts of them, from 0 on -> [a, b]."""
    by_number = {int(key): name for key, name in names.items() if str(key).isascii() and str(key).isdigit()}
    if sorted(by_number) != list(range(len(names))):
        raise UserError(
            f"{path}: the keys of 'names', {str(list(names))[:60]}, must be the numbers from 0 on; mend them"
        )
    return [by_number[number] for number in range(len(names))]
