"""What every layout with list files shares: lists and labels, the paths in them, one-line errors."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from ...errors import UserError
from ...files import checked_path, exists
from ...texts import read_lines

Row = tuple[str, list[str]]  # 'file:line' for later errors, and the line's fields


def file_of(root: Path, name: str, key: str) -> Path:
    """A list, labels or COCO file by the name that a config or script gives: inside the data's folder, or
    from where the command runs. The path inside the folder if there is neither."""
    beside = Path(root) / checked_path(name, key)
    return Path(name) if not exists(beside) and exists(Path(name)) else beside


def read_labels(path: Path) -> list[str]:
    """Class names, one a line. A name may be there twice (ImageNet's are)."""
    labels = [line for line in read_lines(path, "labels file") if line]
    if not labels:
        raise UserError(f"labels file '{path}' is empty; write one class name a line")
    return labels


def read_list(path: Path, columns: str, root: Path) -> list[Row]:
    """Lines of a list file -> [(where, fields)]; `where` is 'file:line' for later errors.

    `columns` describes a line, e.g. 'path index'. Fields stand apart by tabs, or by spaces; names with
    spaces in them may be quoted, and need not be where only one way to cut the line names files that exist.
    """
    count = len(columns.split())
    rows = []
    for number, line in enumerate(read_lines(path, "list file"), 1):
        if not line:
            continue
        fields = _fields(line, count, columns.endswith("index"), root)
        if len(fields) != count:
            raise UserError(f"{path}:{number}: '{line[:200]}' must be '{columns}'; mend the line")
        rows.append((f"{path}:{number}", fields))
    if not rows:
        raise UserError(f"list file '{path}' is empty; write one line '{columns}' an image")
    return rows


def _fields(line: str, count: int, index_last: bool, root: Path) -> list[str]:
    if "\t" in line:
        return [field.strip().strip('"') for field in line.split("\t") if field.strip()]
    if line.startswith('"') and line.count('"') % 2 == 0:
        parts = [part.strip() for part in line.split('"')]
        return [field for field in parts if field] if count > 1 else [line.strip('"')]
    words = line.rsplit(maxsplit=count - 1)
    if index_last or len(line.split()) == count or len(words) != count:
        return words
    for place in sorted((i for i, c in enumerate(line) if c == " "), reverse=True):
        first, second = line[:place].strip(), line[place:].strip()
        if second and _there(root, first) and _there(root, second):
            return [first, second]
    return words


def _there(root: Path, name: str) -> bool:
    return any(exists(path) for path in _spellings(root, name))


def _spellings(root: Path, name: str) -> list[Path]:
    """Where a name of a list may be: as it is written, and with the slashes of another system."""
    return [root / name, *([root / name.replace("\\", "/")] if "\\" in name else [])]


def inside(root: Path, name: str, where: str, among: Sequence[Path] = ()) -> Path:
    """The file that a list calls `name`: in `root`, or in one of the folders `among`. A name that climbs out
    of them is refused; links in them are followed, and so is a whole path, which its writer meant."""
    plain = os.path.normpath(name.replace("\\", "/"))
    if "\0" in name or plain.split("/")[0] == "..":
        raise UserError(
            f"{where}: '{name[:200]}' points outside the folder '{root}'; move it inside, or write its whole path"
        )
    for folder in (root, *among):
        for path in _spellings(folder, name):
            if exists(path):
                return path
    raise UserError(f"{where}: '{name[:200]}' does not exist in '{root}'; mend the list")


def class_index(text: str, labels: list[str], where: str) -> int:
    """A label index as written in a list, checked against the count of labels."""
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise UserError(f"{where}: label '{text[:80]}' is not an index; write 0 to {len(labels) - 1}")
    index = int(text)
    if index >= len(labels):
        raise UserError(
            f"{where}: label {index} is out of range; labels.txt has {len(labels)} names, "
            f"so 0 to {len(labels) - 1} are valid"
        )
    return index


def fingerprint(rows: Iterable[tuple[Sequence[str], Sequence[Path]]]) -> str:
    """Hex digest of lines, each its fields and the files that they name: of the fields and the files' sizes.

    Reading every byte of a large set would take minutes; a changed image nearly always has another size.
    """
    digest = hashlib.sha256()
    for fields, files in rows:
        digest.update(repr((list(fields), [os.path.getsize(file) for file in files])).encode())
    return digest.hexdigest()[:16]
