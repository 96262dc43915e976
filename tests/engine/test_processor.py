"""Settings of the processor and of memory."""

import ctypes
import os
import subprocess
import sys

import numpy as np
import pytest

from paddleprune.processor import BY_USER, MKL, kept_memory, use_avx2


@pytest.mark.parametrize(
    ("cpuinfo", "before", "after"),
    [
        ("vendor_id\t: AuthenticAMD\nflags\t\t: sse fma avx2 sha_ni\n", {}, {MKL: "5"}),
        ("vendor_id\t: HygonGenuine\nflags\t\t: sse fma avx2 sha_ni\n", {}, {MKL: "5"}),
        ("vendor_id\t: AuthenticAMD\nflags\t\t: sse fma avx2 sha_ni\n", {MKL: "4"}, {MKL: "4"}),
        ("vendor_id\t: AuthenticAMD\nflags\t\t: sse sse4a\n", {}, {}),
        ("vendor_id\t: GenuineIntel\nflags\t\t: sse fma avx2 sha_ni\n", {}, {}),
        ("CPU architecture: 8\n", {}, {}),
    ],
)
def test_mkl_is_told_of_avx2_where_it_does_not_look(tmp_path, cpuinfo, before, after):
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    use_avx2(before, str(tmp_path / "cpuinfo"))
    assert before == after


def test_a_system_without_cpuinfo_stays_as_it_is(tmp_path):
    environment: dict[str, str] = {}
    use_avx2(environment, str(tmp_path / "nothing"))
    assert not environment


def test_it_is_set_before_paddle_is_loaded():
    code = "import os, sys, paddleprune; assert 'paddle' not in sys.modules; print(os.environ.get('MKL_DEBUG_CPU_TYPE'))"
    environment = {name: value for name, value in os.environ.items() if name != MKL}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    expected: dict[str, str] = {}
    use_avx2(expected)
    assert done.stdout.strip() == str(expected.get(MKL))


class _Memory(ctypes.Structure):
    """glibc's mallinfo2."""

    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd".split()] + [
        (name, ctypes.c_size_t) for name in "usmblks fsmblks uordblks fordblks keepcost".split()
    ]


def _memory() -> _Memory:
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallinfo2"):
        pytest.skip("needs glibc 2.33 or newer")
    libc.mallinfo2.restype = _Memory
    return libc.mallinfo2()


def test_freed_memory_stays_inside_the_block_and_goes_back_at_its_end(monkeypatch):
    for name in BY_USER:
        monkeypatch.delenv(name, raising=False)
    size = 64 << 20
    before = _memory()
    with kept_memory():
        room = np.ones(size, np.uint8)
        assert _memory().hblkhd == before.hblkhd  # not mapped anew
        del room
        assert _memory().fordblks >= size  # still ours
    assert _memory().fordblks < before.fordblks + size
    room = np.ones(size, np.uint8)
    assert _memory().hblkhd >= before.hblkhd + size  # as before
    del room


def test_what_the_user_set_of_memory_stays(monkeypatch):
    monkeypatch.setenv("MALLOC_MMAP_MAX_", "65536")
    before = _memory()
    with kept_memory():
        room = np.ones(64 << 20, np.uint8)
        assert _memory().hblkhd > before.hblkhd
        del room
