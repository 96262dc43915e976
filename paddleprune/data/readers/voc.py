"""Detection, Pascal VOC: lines `image xml` and a labels.txt."""

import math
from pathlib import Path
from xml.etree import ElementTree

from ...errors import UserError
from ...lookup import suggest
from ..images import size_of
from ._boxes import BoxReader, Labelled, Tidy
from ._list_files import fingerprint, inside, read_labels, read_list


class Reader(BoxReader):
    """Images with boxes.

    `read(i)` gives {"image": uint8 RGB [H, W, 3], "boxes": float32 [n, 4] as corners x1, y1, x2, y2 in
    pixels, "labels": [n], "difficult": [n], "size": [H, W]}. All annotations are read at once. Boxes are
    cut at the image's rim; those without area are left out and counted.
    """

    def __init__(self, root: str | Path, list_file: str, labels: str):
        self.root = Path(root)
        self.labels = read_labels(self.root / labels)
        rows = read_list(self.root / list_file, "image xml")
        tidy = Tidy()
        self.samples = [self._annotated(tidy, image, xml, where) for where, (image, xml) in rows]
        tidy.report(str(self.root / list_file))
        self.fingerprint = fingerprint(rows, self.root, files=2)

    def _annotated(self, tidy: Tidy, image: str, xml: str, where: str) -> Labelled:
        path, annotation = inside(self.root, image, where), inside(self.root, xml, where)
        root = _parse(annotation, where)
        size = (_number(root, "size/height", 0), _number(root, "size/width", 0))
        height, width = (
            (int(n) for n in size) if all(0 < n < math.inf for n in size) else size_of(path, where)
        )
        rows = [self._box(thing, annotation, where) for thing in root.iter("object")]
        return tidy(path, f"{where}: '{annotation}'", (height, width), rows)

    def _box(self, thing: ElementTree.Element, annotation: Path, where: str) -> tuple:
        name = (thing.findtext("name") or "").strip()
        if name not in self.labels:
            raise UserError(
                f"{where}: '{annotation}' has the class '{name}', which is not in labels.txt; "
                f"{suggest(name, self.labels)}"
            )
        corners = [_number(thing, f"bndbox/{key}") for key in ("xmin", "ymin", "xmax", "ymax")]
        if None in corners:
            raise UserError(
                f"{where}: '{annotation}' has a box of '{name}' without the four numbers xmin, ymin, xmax and "
                "ymax; mend it"
            )
        return (*corners, self.labels.index(name), int(_number(thing, "difficult", 0) > 0))


def _parse(path: Path, where: str) -> ElementTree.Element:
    text = path.read_bytes()
    try:
        if b"<!ENTITY" in text:  # could unfold to gigabytes
            raise ElementTree.ParseError("it declares entities")
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # the last two: unknown encodings
        raise UserError(
            f"{where}: '{path}' is not valid XML ({error}); mend it or remove the line"
        ) from error


def _number(element: ElementTree.Element, path: str, missing: float | None = None) -> float | None:
    text = element.findtext(path)
    try:
        return missing if text is None else float(text)
    except ValueError:
        return missing
