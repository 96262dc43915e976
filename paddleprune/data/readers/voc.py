"""Detection, Pascal VOC: lines `image xml` and a labels.txt."""

import math
import re
from pathlib import Path
from xml.etree import ElementTree

from ...errors import UserError
from ...lookup import suggest
from ...texts import read_bytes
from ..images import size_of
from ._boxes import BoxReader, Labelled, rows_of
from ._list_files import file_of, fingerprint, inside, read_labels, read_list

DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
ENCODING = re.compile(r"encoding\s*=\s*[\"']([\w.-]+)[\"']")
CHINESE = ("gb2312", "gbk", "gb_2312-80")  # written for the larger gb18030, too


class Reader(BoxReader):
    """Images with boxes.

    `read(i)` gives {"image": uint8 RGB [H, W, 3], "boxes": float32 [n, 4] as corners x1, y1, x2, y2 in
    pixels, "labels": [n], "difficult": [n], "size": [H, W]}. All annotations are read at once. Boxes are
    cut at the image's rim; those without area are left out and counted.
    """

    def __init__(self, root: str | Path, list_file: str, labels: str):
        self.root = Path(root)
        self.labels = read_labels(file_of(self.root, labels, "data.labels"))
        source = file_of(self.root, list_file, "list file")
        rows = read_list(source, "image xml", self.root)
        files = [[inside(self.root, name, where) for name in names] for where, names in rows]
        self.fingerprint = fingerprint((row[1], pair) for row, pair in zip(rows, files, strict=True))
        annotated = [self._annotated(*pair, where) for pair, (where, _) in zip(files, rows, strict=True)]
        self.hold(annotated, str(source))

    def _annotated(self, path: Path, annotation: Path, where: str) -> Labelled:
        root = parse(annotation, where)
        size = (_number(root, "size/height", 0), _number(root, "size/width", 0))
        height, width = (
            (int(n) for n in size) if all(0 < n < math.inf for n in size) else size_of(path, where)
        )
        rows = [self._box(thing, annotation, where) for thing in root.iter("object")]
        return Labelled(path, f"{where}: '{annotation}'", (height, width), rows_of(rows))

    def _box(self, thing: ElementTree.Element, annotation: Path, where: str) -> tuple:
        name = (thing.findtext("name") or "").strip()
        if name not in self.labels:
            raise UserError(
                f"{where}: '{annotation}' has the class '{name[:80]}', which is not in labels.txt; "
                f"{suggest(name, self.labels)}"
            )
        corners = [_number(thing, f"bndbox/{key}") for key in ("xmin", "ymin", "xmax", "ymax")]
        if None in corners:
            raise UserError(
                f"{where}: '{annotation}' has a box of '{name}' without the four numbers xmin, ymin, xmax and "
                "ymax; mend it"
            )
        return (*corners, self.labels.index(name), int(_number(thing, "difficult", 0) > 0))


def names_of(path: Path) -> list[str]:
    """The class of each object of an annotation."""
    return [(thing.findtext("name") or "").strip() for thing in parse(path, str(path)).iter("object")]


def parse(path: Path, where: str) -> ElementTree.Element:
    """The root of an XML file. Raises UserError, begun by `where`, for one that is damaged or declares entities."""
    try:
        text = _decoded(read_bytes(path, f"{where}: annotation"))
        if "<!ENTITY" in text:  # could unfold to gigabytes
            raise ElementTree.ParseError("it declares entities")
        return ElementTree.fromstring(text)
    except (
        ElementTree.ParseError,
        ValueError,
        LookupError,
        RecursionError,
    ) as error:  # the middle two: encodings
        raise UserError(
            f"{where}: '{path}' is not valid XML ({error}); mend it or remove the line"
        ) from error


def _decoded(raw: bytes) -> str:
    """The text of an XML file in the encoding that it declares, without the declaration: the parser knows
    few encodings, Python many."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = raw.decode("utf-16")
    else:
        declaration = DECLARATION.match(raw[:200].decode("latin1"))
        declared = ENCODING.search(declaration[0]) if declaration else None
        encoding = declared[1].lower() if declared else "utf-8"
        text = raw.decode(
            "gb18030" if encoding in CHINESE else "utf-8-sig" if encoding == "utf-8" else encoding
        )
    return DECLARATION.sub("", text, count=1)


def _number(element: ElementTree.Element, path: str, missing: float | None = None) -> float | None:
    text = element.findtext(path)
    try:
        return missing if text is None else float(text)
    except ValueError:
        return missing
