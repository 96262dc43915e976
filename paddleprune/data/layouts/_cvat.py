"""CVAT for images: one .xml file for all pictures."""

import logging
import math
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from ...errors import UserError
from ..images import check_pixels
from ..readers.voc import parse
from ._drawn import Drawn, Shape, box, found, label_of, outline
from ._found import Found, files_below, pictures_in, split_of

log = logging.getLogger(__name__)

MOST = 50  # .xml files that are looked into
FLAT = ("polyline", "points", "cuboid", "skeleton", "tag")


def cvat(root: Path, folder: Path, task: str) -> Found | None:
    tables = [path for path in files_below(root, (".xml",))[:MOST] if _begins(path)]
    if not tables:
        return None
    pictures = pictures_in(root)
    left_out = Counter[str]()
    drawn = [one for table in tables for one in _drawn(table, root, pictures, left_out)]
    if left_out:
        log.warning("%s are left out", ", ".join(f"{n} x {k}" for k, n in left_out.items()))
    return found("CVAT", root, folder, drawn, task)


def _begins(path: Path) -> bool:
    """Is a file's root `<annotations>`, as CVAT writes it? A picture's VOC file begins otherwise."""
    with path.open("rb") as file:
        return b"<annotations" in file.read(400)


def _drawn(table: Path, root: Path, pictures: list[Path], left_out: Counter[str]) -> list[Drawn]:
    tree = parse(table, "--data")
    if tree.find("track") is not None:
        raise UserError(f"--data: '{table}' is CVAT's for a video; export the job as 'CVAT for images 1.1'")
    images = list(tree.iter("image"))
    names = [(element.get("name") or "").replace("\\", "/") for element in images]
    found_for = _pictures_of(
        table, root, names, [element.get("subset") or "" for element in images], pictures
    )
    made = []
    for element, name, picture in zip(images, names, found_for, strict=True):
        where = f"{table}: image '{name[:100]}'"
        size = _whole(element, "height", where), _whole(element, "width", where)
        check_pixels(size[1], size[0], where)
        shapes = []
        for child in sorted(element, key=lambda one: _order(one)):
            if child.tag in FLAT:
                left_out[child.tag] += 1
            else:
                shapes.append(_shape(child, size, where))
        made.append(Drawn(picture, size, shapes, split_of(element.get("subset") or str(Path(name).parent))))
    return made


def _pictures_of(
    table: Path, root: Path, names: list[str], subsets: list[str], pictures: list[Path]
) -> list[Path]:
    """The picture of each name: where CVAT puts it, or else the one of that name, if no other image has it."""
    there, alike = set(pictures), Counter(Path(name).name for name in names)
    named: dict[str, list[Path]] = {}
    for picture in pictures:
        named.setdefault(picture.name, []).append(picture)
    chosen = []
    for name, subset in zip(names, subsets, strict=True):
        homes = [
            base / part
            for base in (table.parent, root)
            for part in (f"images/{subset}", "images", subset, "")
        ]
        picture = next((home / name for home in homes if home / name in there), None)
        near = named.get(Path(name).name, [])
        if picture is None and len(near) == 1 and alike[Path(name).name] == 1:
            picture = near[0]
        if picture is None:
            raise UserError(
                f"{table}: image '{name[:100]}' is not below '{root}', or cannot be told from others of its name; export the "
                "job with its pictures"
            )
        chosen.append(picture)
    twice = [picture for picture, count in Counter(chosen).items() if count > 1]
    if twice:
        raise UserError(f"{table}: two images are the picture '{twice[0]}'; keep one of them")
    return chosen


def _order(element: ElementTree.Element) -> int:
    """How far up a shape lies."""
    text = element.get("z_order", "0")
    return int(text) if re.fullmatch(r"-?[0-9]{1,8}", text) else 0


def _whole(element: ElementTree.Element, key: str, where: str) -> int:
    text = element.get(key, "")
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise UserError(f"{where}: {key}='{text[:40]}' must be a whole number; mend it")
    return int(text)


def _shape(element: ElementTree.Element, size: tuple[int, int], where: str) -> Shape:
    label = label_of(element.get("label"), where)
    if element.tag == "box":
        corners = _numbers(",".join(element.get(key, "") for key in ("xtl", "ytl", "xbr", "ybr")), where)
        if len(corners) == 4:
            straight = box(label, corners[:2], corners[2:])
            return replace(straight, outline=_turned(straight.outline, element, where))
    if element.tag == "polygon":
        points = [_numbers(pair, where) for pair in element.get("points", "").split(";")]
        return Shape(label, outline(points, where))
    if element.tag == "ellipse":
        cx, cy, rx, ry = (_numbers(element.get(key, ""), where)[0] for key in ("cx", "cy", "rx", "ry"))
        turns = np.linspace(0, 2 * np.pi, 72, endpoint=False)
        rim = np.stack([cx + rx * np.cos(turns), cy + ry * np.sin(turns)], axis=1)
        return Shape(label, _turned(rim, element, where))
    if element.tag == "mask":
        return _mask(label, element, size, where)
    raise UserError(f"{where}: <{element.tag}> is not known or not whole; valid: box, polygon, ellipse, mask")


def _turned(outline: np.ndarray, element: ElementTree.Element, where: str) -> np.ndarray:
    """An outline turned about its middle, clockwise, by the degrees that its element says."""
    angle = np.deg2rad(_numbers(element.get("rotation", "0"), where)[0])
    middle = (outline.min(0) + outline.max(0)) / 2
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return middle + (outline - middle) @ turn


def _numbers(text: str, where: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
        if not all(map(math.isfinite, numbers)):
            raise ValueError
        return numbers
    except ValueError as error:
        raise UserError(f"{where}: '{text[:60]}' must be numbers with commas; mend it") from error


def _mask(label: str, element: ElementTree.Element, size: tuple[int, int], where: str) -> Shape:
    """Lengths of runs, without and with the thing in turn, row by row in the shape's frame."""
    left, top, width, height = (_whole(element, key, where) for key in ("left", "top", "width", "height"))
    runs = [int(n) for n in _numbers(element.get("rle", ""), where)]
    inside = top + height <= size[0] and left + width <= size[1]
    if min(runs) < 0 or sum(runs) != width * height or not inside:
        raise UserError(f"{where}: a mask's runs do not fill its frame in the picture; export it again")

    def pixels(_: tuple[int, int]) -> np.ndarray:
        return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)

    return Shape(label, np.array([[left, top]], float), pixels=pixels)
