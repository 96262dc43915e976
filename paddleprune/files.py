"""Files and folders that appear whole under their final name, or not at all.

Every file is written through this module: it has the one answer to full disks and to processes that die.
What is read: texts.py.
"""

import contextlib
import errno
import json
import os
import platform
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import UserError


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """An OSError in the block becomes a UserError that names `path`, what the system said and what helps."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        advice = "make room, then run again" if full else "choose a place that can be written"
        raise UserError(f"cannot write '{short(Path(path))}': {error.strerror or error}; {advice}") from error


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
    return path.with_name(f".{path.name}.{owner()}.tmp")


def _sweep(path: Path) -> None:
    """Remove what killed processes left beside `path` under temporary names of its."""
    with contextlib.suppress(OSError):
        for left in path.parent.glob(f".{_literally(path.name)}.*.tmp"):
            if _is_orphan(left.name.split(".")[-2]):
                shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink()


def _literally(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def owner(process: int | None = None) -> str:
    """What a process calls its temporary files: its machine, of several that share a folder, and its number."""
    return f"{zlib.crc32(platform.node().encode()):08x}x{process or os.getpid()}"


def _is_orphan(name: str) -> bool:
    """Does a temporary name belong to a process of this machine that is dead?"""
    machine, _, process = name.partition("x")
    if os.name == "nt" or not process.isdigit() or machine != owner().partition("x")[0]:
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except OSError:  # somebody else's
        return False
    return False


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A temporary folder for what other programs must find on disk; gone after the block. What killed
    processes left of theirs goes, too."""
    with room_for_temporary_files():
        base = Path(tempfile.gettempdir())
        for left in base.glob("paddleprune-*-*"):
            if _is_orphan(left.name.split("-")[1]):
                shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=f"paddleprune-{owner()}-"))
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
            f"cannot create the folder '{short(path)}': {reason}; choose a folder you can write to"
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


def short(path: Path) -> str:
    text = str(path)
    return text if len(text) <= 300 else f"{text[:300]}..."
