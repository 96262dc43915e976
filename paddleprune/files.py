"""Files and folders that appear whole under their final name, or not at all; and what is read from files.

Every file is written, and every text file read, through this module: it has the one answer to full disks,
names that leave their folder, and text that is not what it should be.
"""

import contextlib
import errno
import json
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath
from typing import Any

import yaml

from .errors import UserError

NODES = 100_000  # values in a YAML or JSON file, aliases followed; more is a file made to fill memory
DEPTH = 100  # of values inside each other
MAX_TEXT_BYTES = 2**30


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """An OSError in the block becomes a UserError that names `path`, what the system said and what helps."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        advice = "make room, then run again" if full else "choose a place that can be written"
        raise UserError(
            f"cannot write '{_short(Path(path))}': {error.strerror or error}; {advice}"
        ) from error


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block succeeds."""
    path = Path(path)
    make_folder(path.parent)
    _sweep(path)
    temporary = _temporary(path)
    try:
        with writing(path):
            yield temporary
            os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder; swap it with `path` when the block succeeds.

    A folder cannot be replaced in one system call. The old one is renamed to `.<name>.old` first,
    and `recover_folder` puts it back if the process died between the two renames.
    """
    path = Path(path)
    make_folder(path.parent)
    _sweep(path)
    temporary = _temporary(path)
    old = path.with_name(f".{path.name}.old")
    try:
        with writing(path):
            shutil.rmtree(temporary, ignore_errors=True)  # of a dead process that had our number
            temporary.mkdir()
            yield temporary
            recover_folder(path)
            if path.exists():
                os.replace(path, old)
            os.replace(temporary, path)
            shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def recover_folder(path: str | Path) -> None:
    """Finish a swap that `atomic_folder` began in a process that was killed."""
    path = Path(path)
    old = path.with_name(f".{path.name}.old")
    with writing(path):
        if old.exists() and not path.exists():
            os.replace(old, path)
        shutil.rmtree(old, ignore_errors=True)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _sweep(path: Path) -> None:
    """Remove what killed processes left beside `path` under temporary names of its."""
    with contextlib.suppress(OSError):
        for left in path.parent.glob(f".{_literally(path.name)}.*.tmp"):
            owner = left.name.split(".")[-2]
            if owner.isdigit() and not _alive(int(owner)):
                shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink()


def _literally(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A temporary folder for what other programs must find on disk; gone after the block. What killed
    processes left of theirs goes, too."""
    with room_for_temporary_files():
        base = Path(tempfile.gettempdir())
        for left in base.glob("paddleprune-*-*"):
            owner = left.name.split("-")[1]
            if owner.isdigit() and not _alive(int(owner)):
                shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=f"paddleprune-{os.getpid()}-"))
    try:
        with room_for_temporary_files():
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def room_for_temporary_files() -> Iterator[None]:
    """An OSError in the block becomes a UserError that says where temporary files can go."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot write temporary files: {error.strerror or error}; make room, or set TMPDIR to a folder "
            "that has some"
        ) from error


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Inside the block no other process may hold `folder` so; a process that dies lets go of it. Ranks of one
    training share it. Raises UserError if another one has it."""
    if os.environ.get("PADDLE_TRAINER_ID", "0") != "0":
        yield
        return
    new = not exists(folder, "folder")
    make_folder(folder)
    try:
        import fcntl

        handle = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):  # not a system, or not a folder, that can hold one
        yield
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        if error.errno not in (errno.EAGAIN, errno.EACCES):  # a file system without locks
            yield
            return
        raise UserError(
            f"--save_dir: another process is writing a run into '{folder}'; wait for it, or choose another folder"
        ) from error
    try:
        yield
    finally:
        if new:  # and nothing came of it
            with contextlib.suppress(OSError):
                folder.rmdir()
        os.close(handle)


def make_folder(path: str | Path) -> Path:
    """Create `path` and its parents. Raises UserError if that is not possible."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"cannot create the folder '{_short(path)}': {reason}; choose a folder you can write to"
        ) from error
    return path


def write_text(path: str | Path, text: str) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON; equal values give equal bytes."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


# reading ---------------------------------------------------------------------------------


def shipped(name: str | Path) -> list[Path]:
    """Where a file or folder that comes with the package may be: in the checkout, or where setup.py put it."""
    return [Path(__file__).parents[1] / name, Path(sys.prefix) / "share/paddleprune" / name]


def checked_path(path: str | Path, key: str) -> Path:
    """A path as a user gave it; `key` names the option. Raises UserError for one that cannot be a path."""
    if not isinstance(path, (str, Path)) or not str(path).strip():
        raise UserError(f"{key}: {path!r} is no path; give the path of a file or folder")
    if "\0" in str(path):
        raise UserError(f"{key}: {str(path)!r} has a zero byte in it; give the path of a file or folder")
    return Path(path)


def exists(path: Path, kind: str = "file") -> bool:
    """Is there a regular file (or a folder) at `path`? False, too, for names that no system takes."""
    try:
        return path.is_dir() if kind == "folder" else path.is_file()
    except (OSError, ValueError):
        return False


def read_bytes(path: str | Path, what: str, limit: int = MAX_TEXT_BYTES) -> bytes:
    """All of a regular file. `what` names it in errors, e.g. 'sensitivities file'."""
    path = Path(path)
    if not exists(path):
        raise UserError(f"{what} '{_short(path)}' does not exist; check the path")
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
        value = yaml.load(text, _Loader)
        bounded(value)
        return value
    except Exception as error:  # constructors of dates, numbers, sets raise what they like
        raise UserError(f"{what} is not valid YAML: {_reason(error)}") from error


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


def _short(path: Path) -> str:
    text = str(path)
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
