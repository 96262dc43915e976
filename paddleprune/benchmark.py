"""Latency of models side by side: batch 1, the models taking turns in one run."""

import datetime
import platform
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .engine import checkpoint
from .engine.checkpoint import ModelDir, SavedModel, versions
from .errors import UserError
from .export import formats
from .export._runtime import Exported
from .export.inference import export_inference
from .tasks import of_facts

Ready = tuple[Exported, Any]  # an exported network, and what its runtime opens


def measure(
    models: Sequence[ModelDir],
    runtimes: Sequence[str],
    threads: Sequence[int],
    repeats: int = 50,
    warmup: int = 10,
) -> list[dict[str, Any]]:
    """A row per runtime, number of threads and model, in this order:
    {"model", "runtime", "threads", "p50_ms", "p95_ms", "repeats", "input"}.

    Each model is exported as tools/export.py would, its deployed head included. Timed is one call
    of the runtime, input and output copies included, pictures not decoded.
    """
    check(runtimes, threads, repeats)
    saved = [checkpoint.load_model(model) for model in models]
    exported = [_exported(one) for one in saved]
    rows = []
    for runtime in runtimes:
        ready = [converted(one, runtime) for one in exported]
        for count in threads:
            every = times(ready, runtime, count, repeats, warmup)
            rows += [_row(one, runtime, count, ms) for one, ms in zip(saved, every, strict=True)]
    return rows


def _row(saved: SavedModel, runtime: str, threads: int, ms: Sequence[float]) -> dict[str, Any]:
    return {
        "model": str(saved.place),
        "runtime": runtime,
        "threads": threads,
        "p05_ms": round(float(np.percentile(ms, 5)), 3),
        "p50_ms": round(float(np.percentile(ms, 50)), 3),
        "p95_ms": round(float(np.percentile(ms, 95)), 3),
        "repeats": len(ms),
        "input": [1, *saved.image_shape],
    }


def check(runtimes: Sequence[str], threads: Sequence[int], repeats: int, option: str = "--runtime") -> None:
    """Raises UserError for a runtime that is unknown, and for counts of nothing."""
    for name in runtimes:
        formats.runtime(name, option)
    if not threads or not all(1 <= count <= 1024 for count in threads) or not 1 <= repeats <= 10**6:
        raise UserError(
            f"--threads {list(threads)}, --repeats {repeats}: threads must be 1 to 1024, repeats 1 or more"
        )


def converted(exported: Exported, runtime: str) -> Ready:
    """An exported network as the runtime opens it."""
    return exported, formats.runtime(runtime, "--runtime").convert(exported, (), "").here


def times(
    models: Sequence[Ready], runtime: str, threads: int, repeats: int, warmup: int
) -> list[list[float]]:
    """Milliseconds of each of `repeats` runs per converted network, batch 1, taking turns."""
    used = formats.runtime(runtime, "--runtime")
    if used.time is not None:
        shapes = [exported.shape for exported, _ in models]
        return used.time([here for _, here in models], shapes, threads, repeats, warmup)
    calls = []
    for exported, here in models:
        image = np.random.default_rng(0).random((1, *exported.shape), np.float32)
        calls.append(partial(used.open(here, exported, threads), image))
    return _time(calls, repeats, warmup)


def machine() -> dict[str, Any]:
    """What a figure depends on besides the code."""
    return {"machine": _cpu(), "date": datetime.date.today().isoformat(), "versions": versions()}


def _exported(saved: SavedModel) -> Exported:
    """A model as it is exported."""
    return export_inference(of_facts(saved.facts).head.deployed(saved.network), saved.image_shape)


def _time(calls: Sequence[Callable[[], Any]], repeats: int, warmup: int) -> list[list[float]]:
    """Milliseconds of each call, taking turns."""
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(warmup + repeats):
        for call, ms in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            if turn >= warmup:
                ms.append(1000 * (time.perf_counter() - start))
    return times


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
        return f"{name}, {sum(line.startswith('processor') for line in lines)} cores"
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
