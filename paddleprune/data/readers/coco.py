"""Detection, COCO: the list is a JSON file of `images`, `annotations` and `categories`. The categories, in
the order of their ids, are the labels; no labels.txt is needed.

Pictures are looked for where such files are found to name them from: the data's folder, its `images`, the
JSON file's own folder (Roboflow), and for `annotations/instances_train2017.json` the folder `train2017`.
"""

import hashlib
import logging
import math
import os
from pathlib import Path
from typing import Any

from ...errors import UserError
from ...texts import finite, read_json
from ..images import size_of
from ._boxes import CROWD, BoxReader, Labelled, rows_of
from ._list_files import file_of, inside

log = logging.getLogger(__name__)
LARGEST = 8 * 2**30  # bytes
KEYS = {"images": ("id", "file_name"), "categories": ("id", "name"),
        "annotations": ("image_id", "category_id")}  # fmt: skip


class Reader(BoxReader):
    """Images with boxes, as voc.Reader gives them; crowds are difficult, and not trained on.

    Annotations of images that the file does not list, and those with neither a box nor a polygon, are left
    out and counted. A missing box is that of the polygon, a missing size that of the picture.
    """

    def __init__(self, root: str | Path, list_file: str, labels: str = ""):
        self.root, path = Path(root), file_of(Path(root), list_file, "COCO file")
        self.source = str(path)
        raw = _checked(read_json(path, "COCO file", LARGEST), self.source)
        for table in ("images", "categories"):
            _once(raw[table], f"{self.source}: {table}")
        numbers = all(_id(c["id"]).isdecimal() for c in raw["categories"])
        categories = sorted(raw["categories"], key=lambda c: int(_id(c["id"])) if numbers else _id(c["id"]))
        self.labels = [str(c["name"]) for c in categories]
        self.index = {_id(c["id"]): i for i, c in enumerate(categories)}
        rows = self._rows(raw)
        among = _folders(self.root, path)
        annotated = [self._image(image, rows[_id(image["id"])], among) for image in raw["images"]]
        self.hold(annotated, self.source)
        self.fingerprint = _fingerprint(annotated)

    def _rows(self, raw: dict) -> dict[str, list[tuple]]:
        """The boxes of each image, by its id."""
        rows: dict[str, list[tuple]] = {_id(image["id"]): [] for image in raw["images"]}
        dangling = bare = 0
        for number, one in enumerate(raw["annotations"]):
            where = f"{self.source}: annotations[{number}]"
            if _id(one["category_id"]) not in self.index:
                raise UserError(
                    f"{where}: category_id {one['category_id']!r} is not in categories; add it or remove the "
                    "annotation"
                )
            box = _box(one, where)
            if _id(one["image_id"]) not in rows:
                dangling += 1
            elif box is None:
                bare += 1
            else:
                x, y, width, height = box
                label, crowd = self.index[_id(one["category_id"])], CROWD if is_crowd(one, where) else 0
                rows[_id(one["image_id"])].append((x, y, x + width, y + height, label, crowd))
        for count, why in (
            (dangling, "their image is not in the file"),
            (bare, "they have no box and no polygon"),
        ):
            if count:
                log.warning("%s: %d of %d annotations are left out, %s",
                            self.source, count, len(raw["annotations"]), why)  # fmt: skip
        return rows

    def _image(self, image: dict, rows: list[tuple], among: list[Path]) -> Labelled:
        where = f"{self.source}: image {image['id']}"
        path = inside(self.root, str(image["file_name"]), where, among)
        sides = [image.get("height"), image.get("width")]
        if sides == [None, None]:
            return Labelled(path, where, size_of(path, where), rows_of(rows))
        height, width = numbers(sides, 2, f"{where}: height and width")
        if not (0 < height < math.inf and 0 < width < math.inf):
            raise UserError(f"{where}: height and width: {height:g} and {width:g} must be above 0; mend it")
        return Labelled(path, where, (int(height), int(width)), rows_of(rows))


def _folders(root: Path, path: Path) -> list[Path]:
    """Where pictures may be besides `root`."""
    split = path.stem.split("_", 1)[-1]  # instances_train2017 -> train2017
    found = [path.parent, root / split, root / "images", root / "images" / split, path.parent / "images",
             path.parent.parent / split, path.parent.parent / "images" / split, path.parent.parent / "images"]  # fmt: skip
    return [folder for folder in dict.fromkeys(found) if folder.is_dir()]


def _checked(raw: Any, source: str) -> dict:
    """The file with all keys that are used. Raises UserError for the first that is missing."""
    for table, keys in KEYS.items():
        rows = raw.get(table) if isinstance(raw, dict) else None
        if not isinstance(rows, list) or (table != "annotations" and not rows):
            raise UserError(f"{source}: '{table}' must be a list with entries; give a COCO file of boxes")
        for number, row in enumerate(rows):
            for key in keys:
                if not isinstance(row, dict) or key not in row:
                    raise UserError(f"{source}: {table}[{number}] has no '{key}'; mend it")
                if isinstance(row[key], float) and row[key].is_integer():
                    row[key] = int(row[key])
                if key.endswith("id") and (
                    isinstance(row[key], bool) or not isinstance(row[key], (int, str))
                ):
                    raise UserError(
                        f"{source}: {table}[{number}]: '{key}' is {str(row[key])[:80]!r}; give a number or a text"
                    )
    return raw


def _id(given: int | str) -> str:
    """Ids are numbers or texts; some tools write one of a pair as the other."""
    return str(given).strip()


def _once(rows: list[dict], what: str) -> None:
    """Raises UserError for an id that comes twice."""
    seen = set()
    for row in rows:
        if _id(row["id"]) in seen:
            raise UserError(f"{what}: the id {row['id']!r} is there twice; give each its own")
        seen.add(_id(row["id"]))


def is_crowd(one: dict, where: str) -> bool:
    """Is an annotation one of many things together? Raises UserError for what is no answer."""
    given = one.get("iscrowd", 0)
    text = str(given).strip().lower()
    if text in ("0", "1", "0.0", "1.0", "false", "true", "none", ""):
        return text in ("1", "1.0", "true")
    raise UserError(f"{where}: iscrowd is {str(given)[:80]!r}; it must be 0 or 1")


def _box(one: dict, where: str) -> list[float] | None:
    """x, y, width, height: the annotation's box, or that of its polygon; None if it has neither."""
    if one.get("bbox"):
        return numbers(one["bbox"], 4, f"{where}: bbox [x, y, width, height]")
    polygons = one.get("segmentation")
    if not isinstance(polygons, list) or not polygons:
        return None
    flat = [n for part in polygons for n in (part if isinstance(part, list) else [part])]
    found = numbers(flat, len(flat) - len(flat) % 2, f"{where}: segmentation")
    xs, ys = found[0::2], found[1::2]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)] if xs else None


def numbers(values: Any, count: int, what: str) -> list[float]:
    """So many finite numbers. Raises UserError, begun by `what`, for anything else."""
    try:
        if isinstance(values, (str, dict)):
            raise ValueError
        found = [finite(float(v), what) for v in values]
    except (TypeError, ValueError, OverflowError):
        found = []
    if len(found) != count:
        raise UserError(f"{what}: {str(values)[:80]} must be {count} numbers; mend it")
    return found


def _fingerprint(annotated: list[Labelled]) -> str:
    digest = hashlib.sha256()
    for one in annotated:
        digest.update(repr((one.image.name, os.path.getsize(one.image), one.rows.tolist())).encode())
    return digest.hexdigest()[:16]
