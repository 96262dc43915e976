"""CVAT for images: one .xml file for all pictures."""

import logging
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from ...errors import UserError
from ..images import check_pixels
from ..readers.voc import parse
from ._drawn import Drawn, Shape, box, found, label_of, outline
from ._found import Found, pictures_in, split_of

log = logging.getLogger(__name__)

MOST = 50  # .xml files that are looked into
FLAT = ("polyline", "points", "cuboid", "skeleton", "tag")


def cvat(root: Path, folder: Path, task: str) -> Found | None:
    tables = [path for path in sorted(root.rglob("*.xml"))[:MOST] if _begins(path)]
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
    named: dict[str, list[Path]] = {}
    for picture in pictures:
        named.setdefault(picture.name, []).append(picture)
    made = []
    for element in tree.iter("image"):
        name = (element.get("name") or "").replace("\\", "/")
        where = f"{table}: image '{name[:100]}'"
        near = named.get(Path(name).name, [])
        exact = [p for p in near if p.as_posix().endswith(f"/{name}")] or near
        if len(exact) != 1:
            what = "is not there" if not exact else f"could be '{exact[0]}' or '{exact[1]}'"
            raise UserError(
                f"{where}: {what} below '{root}'; export the job with its pictures, each name once"
            )
        size = _whole(element, "height", where), _whole(element, "width", where)
        check_pixels(size[1], size[0], where)
        shapes = []
        for child in sorted(element, key=lambda one: _order(one)):
            if child.tag in FLAT:
                left_out[child.tag] += 1
            else:
                shapes.append(_shape(child, size, where))
        made.append(Drawn(exact[0], size, shapes, split_of(element.get("subset") or str(Path(name).parent))))
    return made


def _order(element: ElementTree.Element) -> int:
    """How far up a shape lies."""
    text = element.get("z_order", "0")
    return int(text) if text.lstrip("-").isdigit() and len(text) < 9 else 0


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
            return box(label, corners[:2], corners[2:])
    if element.tag == "polygon":
        points = [_numbers(pair, where) for pair in element.get("points", "").split(";")]
        return Shape(label, outline(points, where))
    if element.tag == "ellipse":
        cx, cy, rx, ry = (_numbers(element.get(key, ""), where)[0] for key in ("cx", "cy", "rx", "ry"))
        turns = np.linspace(0, 2 * np.pi, 72, endpoint=False)
        return Shape(label, np.stack([cx + rx * np.cos(turns), cy + ry * np.sin(turns)], axis=1))
    if element.tag == "mask":
        return _mask(label, element, size, where)
    raise UserError(f"{where}: <{element.tag}> is not known or not whole; valid: box, polygon, ellipse, mask")


def _numbers(text: str, where: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise UserError(f"{where}: '{text[:60]}' must be numbers with commas; mend it") from error


def _mask(label: str, element: ElementTree.Element, size: tuple[int, int], where: str) -> Shape:
    """Lengths of runs, without and with the thing in turn, row by row in the shape's frame."""
    left, top, width, height = (_whole(element, key, where) for key in ("left", "top", "width", "height"))
    runs = [int(n) for n in _numbers(element.get("rle", ""), where)]
    inside = top + height <= size[0] and left + width <= size[1]
    if min(runs) < 0 or sum(runs) != width * height or not inside:
        raise UserError(f"{where}: a mask's runs do not fill its frame in the picture; export it again")
    pixels = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
    return Shape(label, np.array([[left, top]], float), pixels=pixels)
