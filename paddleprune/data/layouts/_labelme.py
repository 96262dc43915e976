"""Labelme: a .json file a picture, with `shapes`."""

import base64
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UserError
from ...texts import read_json
from ..images import read_encoded, size_of
from ._drawn import Drawn, Shape, box, found, label_of, outline
from ._found import Found, files_below, partners, pictures_in

log = logging.getLogger(__name__)

LOOKED_AT = 50  # files that are looked into
CORNERS = 72  # of a circle's outline
FLAT = ("point", "points", "line", "linestrip")


def labelme(root: Path, folder: Path, task: str) -> Found | None:
    files = [path for path in files_below(root, (".json",)) if path.parent.resolve() != folder.resolve()]
    if not any(_table(path) is not None for path in files[:LOOKED_AT]):
        return None
    pictures = pictures_in(root)
    pairs = partners(pictures, files)
    if not pairs:
        raise UserError(
            f"--data: '{root}' has Labelme files without their pictures; put each picture beside its .json, by the same name"
        )
    left_out = Counter[str]()
    drawn = [one for picture, file in pairs if (one := _drawn(picture, file, left_out)) is not None]
    if left_out:
        log.warning("%s are left out", ", ".join(f"{n} x {k}" for k, n in left_out.items()))
    return found("Labelme", root, folder, drawn, task)


def _table(file: Path) -> dict | None:
    try:
        raw = read_json(file, "Labelme file")
    except UserError:
        return None
    good = isinstance(raw, dict) and isinstance(raw.get("shapes"), list) and "imagePath" in raw
    return raw if good else None


def _drawn(picture: Path, file: Path, left_out: Counter[str]) -> Drawn | None:
    raw = _table(file)
    if raw is None:  # a file of another tool's beside them
        left_out["file of another kind"] += 1
        return None
    sides = [raw.get("imageHeight"), raw.get("imageWidth")]
    good = all(type(side) is int and side > 0 for side in sides)
    height, width = sides if good else size_of(picture, str(file))
    shapes = []
    for number, one in enumerate(raw["shapes"]):
        shape = _shape(one, f"{file}: shapes[{number}]")
        if shape is None:
            left_out[str(one.get("shape_type"))] += 1
        else:
            shapes.append(shape)
    return Drawn(picture, (height, width), shapes)


def _shape(one: Any, where: str) -> Shape | None:
    """A shape with an area; None for points and lines."""
    one = one if isinstance(one, dict) else {}
    label, kind = label_of(one.get("label"), where), one.get("shape_type") or "polygon"
    if kind in FLAT:
        return None
    if kind == "rectangle":
        points = outline(one.get("points"), where, 2)
        return box(label, points.min(0), points.max(0))
    if kind == "circle":
        centre, rim = outline(one.get("points"), where, 2)[:2]
        turns = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
        return Shape(
            label, centre + np.hypot(*(rim - centre)) * np.stack([np.cos(turns), np.sin(turns)], axis=1)
        )
    if kind == "mask":
        first = np.floor(outline(one.get("points"), where, 1)[:1])
        encoded = _decoded(one.get("mask"), where)
        return Shape(label, first, pixels=lambda size: read_encoded(encoded, size, where))
    if kind == "polygon":
        return Shape(label, outline(one.get("points"), where))
    raise UserError(
        f"{where}: shape_type '{kind!s:.40}' is not known; valid: polygon, rectangle, circle, mask"
    )


def _decoded(text: Any, where: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (TypeError, ValueError) as error:
        raise UserError(f"{where}: its mask is not a picture in base64; mend or remove it") from error
