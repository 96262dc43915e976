"""What every layout with list files shares: safe paths, labels, images, one-line errors."""

import hashlib
from pathlib import Path

from ...errors import UserError
from ...files import read_lines


def read_labels(path: Path) -> list[str]:
    """Class names, one a line. A name may be there twice (ImageNet's are)."""
    labels = [line for line in read_lines(path, "labels file") if line]
    if not labels:
        raise UserError(f"labels file '{path}' is empty; write one class name a line")
    return labels


def read_list(path: Path, columns: str) -> list[tuple[str, list[str]]]:
    """Lines of a list file -> [(where, fields)]; `where` is 'file:line' for later errors.

    `columns` describes a line, e.g. 'path index'; the count of its words is checked. A first
    field with spaces in it is allowed: fields are split from the right.
    """
    count = len(columns.split())
    rows = []
    for number, line in enumerate(read_lines(path, "list file"), 1):
        if not line:
            continue
        fields = line.rsplit(maxsplit=count - 1)
        if len(fields) != count:
            raise UserError(f"{path}:{number}: '{line}' must be '{columns}'; mend the line")
        rows.append((f"{path}:{number}", fields))
    if not rows:
        raise UserError(f"list file '{path}' is empty; write one line '{columns}' an image")
    return rows


def inside(root: Path, relative: str, where: str) -> Path:
    """`root/relative`, which must exist and lie inside `root`."""
    path = root / relative
    if not path.resolve().is_relative_to(root.resolve()):
        raise UserError(f"{where}: '{relative}' points outside the folder '{root}'; move it inside")
    if not path.is_file():
        raise UserError(f"{where}: '{relative}' does not exist in '{root}'; mend the list")
    return path


def class_index(text: str, labels: list[str], where: str) -> int:
    """A label index as written in a list, checked against the count of labels."""
    if not text.isdigit():
        raise UserError(f"{where}: label '{text}' is not an index; write 0 to {len(labels) - 1}")
    index = int(text)
    if index >= len(labels):
        raise UserError(
            f"{where}: label {index} is out of range; labels.txt has {len(labels)} names, "
            f"so 0 to {len(labels) - 1} are valid"
        )
    return index


def fingerprint(rows: list[tuple[str, list[str]]], root: Path, files: int) -> str:
    """Hex digest of the list's lines and of the size of each file they name.

    The first `files` fields of a line are files. Reading every byte of a large set would take
    minutes; a changed image nearly always has another size.
    """
    digest = hashlib.sha256()
    for _, fields in rows:
        sizes = [(root / name).stat().st_size for name in fields[:files]]
        digest.update(repr((fields, sizes)).encode())
    return digest.hexdigest()[:16]
