"""Detection, COCO: the list is a JSON file of `images`, `annotations` and `categories`; file names start
from the data's folder. The categories, in the order of their ids, are the labels; no labels.txt is needed.
"""

import hashlib
import logging
import math
from pathlib import Path
from typing import Any

from ...errors import UserError
from ...files import read_json
from ._boxes import CROWD, BoxReader, Labelled, Tidy
from ._list_files import inside

log = logging.getLogger(__name__)
KEYS = {"images": ("id", "file_name", "width", "height"), "categories": ("id", "name"),
        "annotations": ("image_id", "category_id", "bbox")}  # fmt: skip


class Reader(BoxReader):
    """Images with boxes, as voc.Reader gives them; crowds are difficult, and not trained on.

    Annotations of images that the file does not list are left out and counted.
    """

    def __init__(self, root: str | Path, list_file: str, labels: str = ""):
        self.root, source = Path(root), str(Path(root) / list_file)
        raw = _checked(read_json(self.root / list_file, "COCO file"), source)
        for table in ("images", "categories"):
            _once(raw[table], f"{source}: {table}")
        categories = sorted(raw["categories"], key=lambda c: c["id"])
        self.labels = [str(c["name"]) for c in categories]
        index = {c["id"]: i for i, c in enumerate(categories)}
        rows: dict[Any, list[tuple]] = {image["id"]: [] for image in raw["images"]}
        dangling = 0
        for number, one in enumerate(raw["annotations"]):
            where = f"{source}: annotations[{number}]"
            if one["category_id"] not in index:
                raise UserError(
                    f"{where}: category_id {one['category_id']} is not in categories; add it or remove the "
                    "annotation"
                )
            if one["image_id"] not in rows:
                dangling += 1
                continue
            x, y, width, height = _numbers(one["bbox"], 4, f"{where}: bbox [x, y, width, height]")
            crowd = CROWD if one.get("iscrowd", 0) else 0
            rows[one["image_id"]].append((x, y, x + width, y + height, index[one["category_id"]], crowd))
        if dangling:
            log.warning("%s: %d of %d annotations are left out, their image is not in the file",
                        source, dangling, len(raw["annotations"]))  # fmt: skip
        tidy = Tidy()
        self.samples = [self._image(tidy, image, rows[image["id"]], source) for image in raw["images"]]
        tidy.report(source)
        self.fingerprint = _fingerprint(self.samples)

    def _image(self, tidy: Tidy, image: dict, rows: list[tuple], source: str) -> Labelled:
        where = f"{source}: image {image['id']}"
        path = inside(self.root, str(image["file_name"]), where)
        height, width = _numbers([image["height"], image["width"]], 2, f"{where}: height and width")
        if not (0 < height < math.inf and 0 < width < math.inf):
            raise UserError(f"{where}: height and width: {height:g} and {width:g} must be above 0; mend it")
        return tidy(path, where, (int(height), int(width)), rows)


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
    return raw


def _once(rows: list[dict], what: str) -> None:
    """Raises UserError for ids of several types, or for one that comes twice."""
    ids = [row["id"] for row in rows]
    if len({type(i) for i in ids}) > 1 or not isinstance(ids[0], (int, str)):
        raise UserError(f"{what}: the ids must be all numbers or all texts; mend them")
    if len(set(ids)) < len(ids):
        twice = next(i for i in ids if ids.count(i) > 1)
        raise UserError(f"{what}: the id {twice!r} is there twice; give each its own")


def _numbers(values: Any, count: int, what: str) -> list[float]:
    try:
        numbers = [float(v) for v in values]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) != count:
        raise UserError(f"{what}: {values!r} must be {count} numbers; mend it")
    return numbers


def _fingerprint(samples: list[Labelled]) -> str:
    digest = hashlib.sha256()
    for one in samples:
        facts = (one.image.name, one.image.stat().st_size, one.boxes.tolist(), one.labels.tolist())
        digest.update(repr(facts).encode())
    return digest.hexdigest()[:16]
