"""Supervisely: a project with meta.json, and in each data set img/ and ann/ with a .json file a picture."""

import base64
import logging
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

from ...errors import UserError
from ...texts import read_json
from ..images import read_encoded
from ._drawn import Drawn, Shape, box, found, label_of, outline
from ._found import Found, files_below, split_of

log = logging.getLogger(__name__)

LARGEST = 2**24  # bytes of a picture that is packed into a file
FLAT = ("point", "line", "polyline", "graph", "cuboid", "cuboid_2d", "any")


def supervisely(root: Path, folder: Path, task: str) -> Found | None:
    places = [
        meta.parent for meta in [root / "meta.json", *sorted(root.glob("*/meta.json"))] if _is_meta(meta)
    ]
    files = [file for place in places for file in files_below(place, (".json",)) if file.parent.name == "ann"]
    if not files:
        return None
    left_out = Counter[str]()
    drawn = [_drawn(file, root, left_out) for file in files]
    if left_out:
        log.warning("%s are left out", ", ".join(f"{n} x {k}" for k, n in left_out.items()))
    return found("Supervisely", root, folder, drawn, task)


def _is_meta(path: Path) -> bool:
    if not path.is_file():
        return False
    raw = read_json(path, "project file")
    return isinstance(raw, dict) and isinstance(raw.get("classes"), list)


def _drawn(file: Path, root: Path, left_out: Counter[str]) -> Drawn:
    raw = read_json(file, "annotation")
    size = raw.get("size") if isinstance(raw, dict) else None
    sides = [size.get("height"), size.get("width")] if isinstance(size, dict) else []
    if not all(type(side) is int and side > 0 for side in sides) or len(sides) != 2:
        raise UserError(f"{file}: there is no valid 'size'; export the project again")
    images = file.parent.parent / "img"
    named = [images / file.stem, *sorted(images.glob(f"{file.stem}.*"))]
    picture = next((path for path in named if path.is_file()), None)
    if picture is None:
        raise UserError(f"{file}: its picture is not in '{images}'; export the project with its pictures")
    shapes = []
    objects = raw.get("objects") or []
    if not isinstance(objects, list):
        raise UserError(f"{file}: 'objects' is {str(objects)[:40]!r}, no list; export the project again")
    for number, one in enumerate(objects):
        shape = _shape(one, f"{file}: objects[{number}]")
        if shape is None:
            left_out[str(one.get("geometryType"))] += 1
        else:
            shapes.append(shape)
    return Drawn(picture, (sides[0], sides[1]), shapes, split_of(str(file.relative_to(root).parent)))


def _shape(one: Any, where: str) -> Shape | None:
    one = one if isinstance(one, dict) else {}
    label, kind = label_of(one.get("classTitle"), where), one.get("geometryType")
    if kind in FLAT:
        return None
    if kind == "bitmap":
        raw = one.get("bitmap")
        raw = raw if isinstance(raw, dict) else {}
        encoded = _unpacked(raw.get("data"), where)
        first = outline([raw.get("origin")], where, 1)
        return Shape(label, first, pixels=lambda size: read_encoded(encoded, size, where))
    points = one.get("points")
    points = points if isinstance(points, dict) else {}
    if kind == "rectangle":
        corners = outline(points.get("exterior"), where, 2)
        return box(label, corners.min(0), corners.max(0) + 1)  # its last pixels belong to it
    if kind == "polygon":
        inner = points.get("interior") or []
        if not isinstance(inner, list):
            raise UserError(f"{where}: 'interior' is {str(inner)[:40]!r}, no list; mend or remove it")
        holes = [outline(hole, where) for hole in inner]
        return Shape(label, outline(points.get("exterior"), where), holes=holes)
    raise UserError(f"{where}: geometryType '{kind!s:.40}' is not known; valid: rectangle, polygon, bitmap")


def _unpacked(text: Any, where: str) -> bytes:
    """The picture of a bitmap, packed, in base64; its last channel tells where it is."""
    try:
        unpacker = zlib.decompressobj()
        encoded = unpacker.decompress(base64.b64decode(text), LARGEST)
        if unpacker.unconsumed_tail:
            raise ValueError("it unfolds to more than it may")
        return encoded
    except (TypeError, ValueError, zlib.error) as error:
        raise UserError(f"{where}: its bitmap cannot be read ({error}); export it again") from error
