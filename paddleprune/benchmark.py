"""Latency of models side by side: batch 1, the models taking turns in one run."""

import datetime
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import predictor
from .engine import checkpoint
from .engine.checkpoint import ModelDir, SavedModel, versions
from .errors import UserError
from .export import lite, onnx, openvino
from .export.inference import Exported, export_inference
from .files import scratch_folder
from .tasks import of_facts

RUNTIMES = ("inference", "lite", "openvino", "onnx")


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
    exported, shapes = [_exported(one) for one in saved], [one.image_shape for one in saved]
    return [
        {
            "model": str(one.place),
            "runtime": runtime,
            "threads": count,
            "p50_ms": round(float(np.percentile(ms, 50)), 3),
            "p95_ms": round(float(np.percentile(ms, 95)), 3),
            "repeats": repeats,
            "input": [1, *one.image_shape],
        }
        for runtime in runtimes
        for count in threads
        for one, ms in zip(saved, times(exported, shapes, runtime, count, repeats, warmup), strict=True)
    ]


def check(runtimes: Sequence[str], threads: Sequence[int], repeats: int) -> None:
    """Raises UserError for a runtime that is unknown, and for counts of nothing."""
    wrong = [name for name in runtimes if name not in RUNTIMES]
    if wrong:
        raise UserError(f"runtime: '{wrong[0]}' is not known; valid: {', '.join(RUNTIMES)}")
    if not threads or not all(1 <= count <= 1024 for count in threads) or not 1 <= repeats <= 10**6:
        raise UserError(
            f"--threads {list(threads)}, --repeats {repeats}: threads must be 1 to 1024, repeats 1 or more"
        )


def times(
    exported: Sequence[Exported], shapes: Sequence[tuple[int, int, int]], runtime: str, threads: int,
    repeats: int, warmup: int,
) -> list[list[float]]:  # fmt: skip
    """Milliseconds of each of `repeats` runs per exported network, batch 1, taking turns."""
    if runtime == "lite":
        return _time_lite(exported, shapes, threads, repeats, warmup)
    calls = [_call(runtime, e, shape, threads) for e, shape in zip(exported, shapes, strict=True)]
    return _time(calls, repeats, warmup)


def machine() -> dict[str, Any]:
    """What a figure depends on besides the code."""
    return {"machine": _cpu(), "date": datetime.date.today().isoformat(), "versions": versions()}


def _exported(saved: SavedModel) -> Exported:
    """A model as it is exported."""
    return export_inference(of_facts(saved.facts).head.deployed(saved.network), saved.image_shape)


def _call(runtime: str, exported: Exported, shape: tuple[int, int, int], threads: int) -> Callable[[], Any]:
    """One run of an exported network on a random image, in this process."""
    image = np.random.default_rng(0).random((1, *shape), np.float32)
    if runtime == "openvino":
        model = openvino.compiled(*openvino.convert(exported), shape, threads)
        return lambda: openvino.run(model, image)
    if runtime == "onnx":
        session = onnx.session(onnx.convert(exported), threads)
        return lambda: onnx.run(session, image)
    runner = predictor.make_predictor(exported.model, exported.weights, threads)
    return lambda: predictor.run(runner, {exported.input: image})


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


def _time_lite(
    exported: Sequence[Exported],
    shapes: Sequence[tuple[int, int, int]],
    threads: int,
    repeats: int,
    warmup: int,
) -> list[list[float]]:
    with scratch_folder() as folder:
        paths = [folder / f"{i}.nb" for i in range(len(exported))]
        for path, e in zip(paths, exported, strict=True):
            path.write_bytes(lite.convert(e, "x86"))
        return lite.measure(paths, shapes, threads, repeats, warmup)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
        return f"{name}, {sum(line.startswith('processor') for line in lines)} cores"
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
