"""Files appear whole or not at all, names stay inside their folder, and text is what it should be."""

import errno
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from paddleprune.errors import UserError
from paddleprune.files import (
    atomic_file,
    atomic_folder,
    checked_path,
    only_one,
    owner,
    scratch_folder,
    write_json,
    write_text,
)
from paddleprune.texts import inside, parse_yaml, read_json

ROOT = Path(__file__).resolve().parents[1]
DEAD = 2**22 + 7  # above the largest process number of Linux


def test_what_killed_processes_left_is_swept(tmp_path, monkeypatch):
    (tmp_path / f".a.json.{owner(DEAD)}.tmp").write_text("half")
    (tmp_path / f".a.json.{owner(os.getppid())}.tmp").write_text("of a process that lives")
    (tmp_path / f".run.{owner(DEAD)}.tmp").mkdir()
    elsewhere = tmp_path / f".a.json.00000000x{DEAD}.tmp"  # of another machine, that shares the folder
    elsewhere.write_text("half")
    write_json(tmp_path / "a.json", 1)
    with atomic_folder(tmp_path / "run") as folder:
        (folder / "x").write_text("x")
    assert {p.name for p in tmp_path.iterdir()} == {
        "a.json",
        "run",
        f".a.json.{owner(os.getppid())}.tmp",
        elsewhere.name,
    }
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / f"paddleprune-{owner(DEAD)}-abc").mkdir()
    with scratch_folder() as folder, scratch_folder() as inner:
        assert folder.is_dir()
        assert inner.is_dir()
    assert not list(tmp_path.glob("paddleprune-*"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EFBIG])
def test_a_disk_that_takes_nothing_is_one_line_and_leaves_nothing(tmp_path, number):
    write_text(tmp_path / "a", "old")
    for write in (lambda: atomic_file(tmp_path / "a"), lambda: atomic_folder(tmp_path / "b")):
        with (
            pytest.raises(
                UserError, match=f"cannot write .*{os.strerror(number)}; (make room|choose a place)"
            ),
            write(),
        ):
            raise OSError(number, os.strerror(number))
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"


@pytest.mark.parametrize(
    "name", ["../victim.txt", "a/../../victim.txt", "/etc/passwd", "..\\victim.txt", "", "a\0b", 5]
)
def test_names_from_files_do_not_leave_their_folder(tmp_path, name):
    with pytest.raises(UserError, match="manifest: .* is no name of something inside"):
        inside(tmp_path, name, "manifest")
    assert inside(tmp_path, "a/b.txt", "manifest") == tmp_path / "a/b.txt"


def test_one_run_a_folder_and_a_dead_one_does_not_hold_it(tmp_path):
    code = f"""
        import sys, time
        sys.path.insert(0, {str(ROOT)!r})
        from pathlib import Path
        from paddleprune.files import only_one
        with only_one(Path({str(tmp_path)!r})):
            print("held", flush=True)
            time.sleep(600)
    """
    holder = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(UserError, match="another process is writing a run"), only_one(tmp_path):
        pass
    holder.kill()
    holder.wait()
    with only_one(tmp_path):
        assert not list(tmp_path.iterdir()), "a lock is no file"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", "the key 'a' is there twice, again in line 3"),
        ("a: 2020-99-99", "month must be in"),
        ("a: !!int foo", "invalid literal"),
        ("a: !!python/object/apply:os.system ['x']", "could not determine a constructor"),
        ("a: " + "[" * 5000, "not valid YAML"),
        ("a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"b{i}: &b{i} [{','.join(['*' + ('a' if i == 0 else f'b{i - 1}')] * 9)}]\n"
                                                   for i in range(8)), "more than"),
        ("a: &a {b: *a}", "inside each other"),
    ],
)  # fmt: skip
def test_yaml_that_is_none(text, words):
    with pytest.raises(UserError, match="x is not valid YAML") as error:
        parse_yaml(text, "x")
    assert words in str(error.value)
    assert parse_yaml("a: &x {b: 1}\nc: {<<: *x, b: 2}", "x") == {"a": {"b": 1}, "c": {"b": 2}}


def test_json_with_a_mark_before_it_and_json_that_is_none(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf" + json.dumps({"a": "ü"}).encode())
    assert read_json(tmp_path / "a.json", "file") == {"a": "ü"}
    for text in ("[" * 200_000, "{", "", "\xff"):
        (tmp_path / "a.json").write_bytes(text.encode("latin1"))
        with pytest.raises(UserError, match="file '.*a.json' is not"):
            read_json(tmp_path / "a.json", "file")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(UserError, match="does not exist"):
        read_json(tmp_path / "folder.json", "file")


@pytest.mark.parametrize("path", ["", "  ", "a\0b", None, 5])
def test_what_is_no_path(path):
    with pytest.raises(UserError, match="--model_dir: "):
        checked_path(path, "--model_dir")
