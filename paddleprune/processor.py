"""What makes Paddle faster on a CPU, and is off by default. No Paddle is loaded here."""

import ctypes
import os
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path

MKL = "MKL_DEBUG_CPU_TYPE"  # environment variable of the MKL of 2019 that Paddle brings
AVX2, AVX512 = "5", "7"
OF_AVX512 = frozenset("avx512f avx512cd avx512bw avx512dq avx512vl".split())  # what MKL's takes
# glibc's malloc.h
TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4
NEVER = -1  # of trimming
# To set one of them ends glibc's own choice of the thresholds for good; these are the largest that it would have come to.
AFTERWARDS = {MMAP_MAX: 65536, MMAP_THRESHOLD: 32 << 20, TRIM_THRESHOLD: 64 << 20}
BY_USER = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")

# Paddle sets it to 1 when it is loaded; what it was before is the user's word.
OMP_THREADS = "" if "paddle" in sys.modules else os.environ.get("OMP_NUM_THREADS", "")


def cores(asked: str = OMP_THREADS) -> int:
    """Threads to work with where no number was given: as many as OMP_NUM_THREADS asked for, or all processors that this
    process may use."""
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def use_avx(environment: MutableMapping[str, str] = os.environ, cpuinfo: str = "/proc/cpuinfo") -> None:
    """Let MKL multiply matrices with AVX-512 or AVX2 on processors that are not Intel's, where it takes SSE unless it is
    told to: convolutions are three to four times faster. Counts if it comes before MKL's first product; what the
    user has set stays."""
    try:
        text = Path(cpuinfo).read_text(errors="replace")
    except OSError:  # not on Linux: it is as fast as it is
        return
    vendor = next((line for line in text.splitlines() if line.startswith("vendor_id")), "")
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "").split()
    if vendor.endswith(("AuthenticAMD", "HygonGenuine")) and {"avx2", "fma"}.issubset(flags):
        environment.setdefault(MKL, AVX512 if OF_AVX512.issubset(flags) else AVX2)


@contextmanager
def kept_memory() -> Iterator[None]:
    """Inside the block memory that is freed stays with the process, and is given back at its end. Paddle asks for every
    feature map anew; each time the system must clear its pages, which is up to a third of a training step. Where the user
    has set any of this in the environment, that stays."""
    libc = ctypes.CDLL(None)
    known = hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim")  # glibc's
    known = known and not any(name in os.environ for name in BY_USER)
    if known:
        libc.mallopt(MMAP_MAX, 0)
        libc.mallopt(TRIM_THRESHOLD, NEVER)
    try:
        yield
    finally:
        if known:
            for option, value in AFTERWARDS.items():
                libc.mallopt(option, value)
            libc.malloc_trim(0)
