"""Settings of the processor and of memory."""

import ctypes
import os
import subprocess
import sys

import pytest

from paddleprune.processor import BY_USER, MKL, cores, use_avx


@pytest.mark.parametrize(
    ("cpuinfo", "before", "after"),
    [
        ("vendor_id\t: AuthenticAMD\nflags\t\t: sse fma avx2 sha_ni\n", {}, {MKL: "5"}),
        (
            "vendor_id\t: AuthenticAMD\nflags\t\t: fma avx2 avx512f avx512dq avx512cd avx512bw avx512vl\n",
            {},
            {MKL: "7"},
        ),
        ("vendor_id\t: AuthenticAMD\nflags\t\t: fma avx2 avx512f avx512cd\n", {}, {MKL: "5"}),
        ("vendor_id\t: HygonGenuine\nflags\t\t: sse fma avx2 sha_ni\n", {}, {MKL: "5"}),
        ("vendor_id\t: AuthenticAMD\nflags\t\t: sse fma avx2 sha_ni\n", {MKL: "4"}, {MKL: "4"}),
        ("vendor_id\t: AuthenticAMD\nflags\t\t: sse sse4a\n", {}, {}),
        ("vendor_id\t: GenuineIntel\nflags\t\t: sse fma avx2 sha_ni\n", {}, {}),
        ("CPU architecture: 8\n", {}, {}),
    ],
)
def test_mkl_is_told_what_it_does_not_look_for(tmp_path, cpuinfo, before, after):
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    use_avx(before, str(tmp_path / "cpuinfo"))
    assert before == after


@pytest.mark.parametrize(
    ("asked", "threads"), [("3", 3), ("", None), ("0", None), ("4,2", None), ("many", None)]
)
def test_as_many_threads_as_were_asked_for_or_as_there_are_processors(asked, threads, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 2, 5, 6, 7}, raising=False)
    assert cores(asked) == (threads or 5)


def test_what_the_user_asked_for_outlives_paddle():
    code = "import paddleprune, paddle, os; from paddleprune.processor import cores; print(cores(), os.environ['OMP_NUM_THREADS'])"
    for asked, said in (("3", "3 3"), (None, f"{cores('')} 1")):
        environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
        environment |= {"OMP_NUM_THREADS": asked} if asked else {}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
        assert done.stdout.splitlines()[-1] == said


def test_a_system_without_cpuinfo_stays_as_it_is(tmp_path):
    environment: dict[str, str] = {}
    use_avx(environment, str(tmp_path / "nothing"))
    assert not environment


def test_it_is_set_before_paddle_is_loaded():
    code = "import os, sys, paddleprune; assert 'paddle' not in sys.modules; print(os.environ.get('MKL_DEBUG_CPU_TYPE'))"
    environment = {name: value for name, value in os.environ.items() if name != MKL}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    expected: dict[str, str] = {}
    use_avx(expected)
    assert done.stdout.strip() == str(expected.get(MKL))


# Of a process of its own: what others left in this one's heap decides where its memory comes from.
MEMORY = """
import ctypes
import numpy as np
from paddleprune.processor import kept_memory

class Memory(ctypes.Structure):  # glibc's mallinfo2
    _fields_ = [(name, ctypes.c_size_t) for name in
                "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Memory
size = 64 << 20

def mapped():  # a room of its own, that goes back when it is freed?
    before = libc.mallinfo2().hblkhd
    room = np.ones(size, np.uint8)
    return libc.mallinfo2().hblkhd >= before + size

with kept_memory():
    print(mapped(), libc.mallinfo2().fordblks >= size)
print(mapped(), libc.mallinfo2().fordblks >= size)
"""


def _memory(**more: str) -> str:
    if not hasattr(ctypes.CDLL(None), "mallinfo2"):
        pytest.skip("needs glibc 2.33 or newer")
    environment = {name: value for name, value in os.environ.items() if name not in BY_USER} | more
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, env=environment)
    assert not done.returncode, done.stderr
    return done.stdout


def test_freed_memory_stays_inside_the_block_and_goes_back_at_its_end():
    assert _memory() == "False True\nTrue False\n"


def test_what_the_user_set_of_memory_stays():
    assert _memory(MALLOC_MMAP_MAX_="65536") == "True False\nTrue False\n"
