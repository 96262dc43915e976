"""What is read from text files, YAML and JSON; and what a value or a name in one may be.

Every text file is read through this module: it has the one answer to text that is not what it should be, and to
names that leave their folder.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path, PureWindowsPath
from typing import Any

import yaml

from .errors import UserError
from .files import exists, short

NODES = 100_000  # values in a YAML or JSON file, aliases followed; more is a file made to fill memory
DEPTH = 100  # of values inside each other
MAX_TEXT_BYTES = 2**30


def read_bytes(path: str | Path, what: str, limit: int = MAX_TEXT_BYTES) -> bytes:
    """All of a regular file. `what` names it in errors, e.g. 'sensitivities file'."""
    path = Path(path)
    if not exists(path):
        raise UserError(f"{what} '{short(path)}' does not exist; check the path")
    try:
        if path.stat().st_size > limit:
            raise UserError(f"{what} '{path}' is larger than {limit >> 20} MiB; it was not read")
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{what} '{path}' cannot be read ({error.strerror}); check the path") from error


def read_text(path: str | Path, what: str, limit: int = MAX_TEXT_BYTES) -> str:
    """All of a UTF-8 text file, without the mark that some editors put before it."""
    try:
        return read_bytes(path, what, limit).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{what} '{path}' is not UTF-8 text; save it as UTF-8") from error


def read_lines(path: Path, what: str) -> list[str]:
    """Lines of a UTF-8 text file, stripped, the empty ones included."""
    return [line.strip() for line in read_text(path, what).splitlines()]


def read_json(path: str | Path, what: str, limit: int = MAX_TEXT_BYTES) -> Any:
    """Read a JSON file. `what` names it in the error, e.g. 'sensitivities file'."""
    text = read_text(path, what, limit)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{what} '{path}' is not valid JSON ({_reason(error)}); check or make it again"
        ) from error


def read_yaml(path: str | Path, what: str) -> Any:
    """Read a YAML file of plain values: no objects, no key twice, nothing that unfolds to gigabytes."""
    return parse_yaml(read_text(path, what), f"{what} '{path}'")


def parse_yaml(text: str, what: str) -> Any:
    """The plain value of a YAML text; `what` begins the error."""
    try:
        _refuse_deep(text)
        value = yaml.load(text, _Loader)
        bounded(value)
        return value
    except Exception as error:  # constructors of dates, numbers, sets raise what they like
        raise UserError(f"{what} is not valid YAML: {_reason(error)}") from error


def _refuse_deep(text: str) -> None:
    """Raises ValueError for brackets so deep that the parser would take minutes over them."""
    depth = 0
    for character in text:
        depth += (character in "[{") - (character in "]}")
        if depth > 10 * DEPTH:
            raise ValueError(f"it has more than {10 * DEPTH} brackets inside each other")


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader; a key that is there twice is an error, as YAML has it."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict:
        seen = set()
        for key, _ in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is not None and name in seen and name != "<<":
                raise yaml.YAMLError(
                    f"the key '{name}' is there twice, again in line {key.start_mark.line + 1}"
                )
            seen.add(name)
        return super().construct_mapping(node, deep)


def bounded(value: Any) -> None:
    """Raises ValueError for a value of too many parts, or too deep, aliases followed."""
    left, waiting = NODES, [(value, 0)]
    while waiting:
        one, depth = waiting.pop()
        left -= 1
        if left < 0 or depth > DEPTH:
            raise ValueError(f"it has more than {NODES} values, or more than {DEPTH} inside each other")
        if isinstance(one, dict):
            waiting += [(part, depth + 1) for pair in one.items() for part in pair]
        elif isinstance(one, (list, tuple, set)):
            waiting += [(part, depth + 1) for part in one]


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]}..."


def inside(root: str | Path, name: Any, what: str) -> Path:
    """`root/name` for a name that a file holds. Raises UserError, begun by `what`, for one that leads out of
    the folder. Links inside it are its owner's and are followed."""
    text = str(name)
    parts = [*Path(text).parts, *PureWindowsPath(text).parts]
    if not isinstance(name, str) or not text or "\0" in text or ".." in parts or Path(text).is_absolute():
        raise UserError(f"{what}: {text[:200]!r} is no name of something inside the folder '{root}'; mend it")
    return Path(root) / text


def finite(value: Any, what: str, check: Callable[[float], bool] = lambda number: True) -> float:
    """A number from a file as a float. Raises ValueError for text, booleans, NaN, infinity, or one that
    `check` refuses."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{what}: {value!r} is no number")
    if not math.isfinite(value) or not check(float(value)):
        raise ValueError(f"{what}: {value!r} is out of range")
    return float(value)
