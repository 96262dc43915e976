"""Paddle Lite: `.nb` files for phones (arm) and for this machine (x86), and running the latter."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from paddle.base.proto import framework_pb2

from ..errors import UserError
from ..files import scratch_folder
from ._runtime import Converted, Exported, Runtime

TARGETS = ("arm", "x86")
QUANTS = ("int8", "int16")
INSTALL = "pip install paddlelite==2.13rc0 (Python 3.7 to 3.10)"
WORKER = Path(__file__).with_name("lite_worker.py")
_OPT = """
import sys
from paddlelite.lite import Opt
opt = Opt()
opt.set_model_file(sys.argv[1])
opt.set_param_file(sys.argv[2])
opt.set_optimize_out(sys.argv[3])
opt.set_valid_places(sys.argv[4])
opt.set_model_type("naive_buffer")
if sys.argv[5]:
    opt.set_quant_model(True)
    opt.set_quant_type("QUANT_" + sys.argv[5].upper())
opt.run()
"""


def installed() -> bool:
    return importlib.util.find_spec("paddlelite") is not None


def require() -> None:
    """Raises UserError with the install line where Paddle Lite is missing."""
    if not installed():
        raise UserError(f"Paddle Lite is not installed; {INSTALL}")


def convert(exported: Exported, target: str, quant: str = "") -> bytes:
    """The `.nb` file of one target as bytes. `quant`: weights of convolutions and linear layers are stored
    as "int8" or "int16" with a scale per filter, and made floats again when the file is loaded.

    Raises UserError that names the operator which Lite's optimizer cannot take, should it fail.
    """
    require()
    if target not in TARGETS:
        raise UserError(f"--targets: '{target}' is not known; valid: {', '.join(TARGETS)}")
    converted, message = _optimize(exported.model, exported.weights, target, quant)
    if converted is None:
        operator = _find_culprit(exported.model, exported.weights, target)
        raise UserError(
            f"Paddle Lite's optimizer failed for {target} at the operator {operator} ({message}); "
            "replace it in the model, or export with --format inference"
        )
    return converted


def run(model: bytes, images: np.ndarray) -> list[np.ndarray]:
    """Outputs of an x86 `.nb` for images [N, C, H, W], one image at a time."""
    require()
    with scratch_folder() as folder:
        paths = [folder / name for name in ("model.nb", "images.npy", "out.npz")]
        paths[0].write_bytes(model)
        np.save(paths[1], images)
        _work(["run", *map(str, paths)])
        with np.load(paths[2]) as out:
            return [out[name] for name in out.files]


def measure(
    models: Sequence[Path], shapes: Sequence[Any], threads: int, repeats: int, warmup: int
) -> list[list[float]]:
    """Milliseconds of each of `repeats` runs per model, batch 1, the models taking turns."""
    require()
    with scratch_folder() as folder:
        spec, out = folder / "spec.json", folder / "out.json"
        facts = {"models": [str(m) for m in models], "shapes": [list(s) for s in shapes]}
        spec.write_text(json.dumps({**facts, "repeats": repeats, "warmup": warmup}))
        _work(["time", str(spec), str(out)], threads)
        return json.loads(out.read_text())


def _work(arguments: list[str], threads: int | None = None) -> None:
    environment = dict(os.environ)
    if threads:
        environment |= {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    command = [sys.executable, str(WORKER), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise UserError(f"Paddle Lite's runtime failed ({_why(done)}); export again")


def _optimize(model: bytes, weights: bytes, target: str, quant: str = "") -> tuple[bytes | None, str]:
    """(bytes of the .nb or None, why it failed)."""
    with scratch_folder() as folder:
        paths = [folder / name for name in ("in.pdmodel", "in.pdiparams", "out")]
        paths[0].write_bytes(model)
        paths[1].write_bytes(weights)
        command = [sys.executable, "-c", _OPT, *map(str, paths), target, quant]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
        result = paths[2].with_suffix(".nb")
        if done.returncode == 0 and result.is_file():  # it can return 0 and write nothing
            return result.read_bytes(), ""
        return None, _why(done)


def _why(done: subprocess.CompletedProcess) -> str:
    if done.returncode < 0:
        return f"signal {-done.returncode}"
    lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines else f"exit code {done.returncode}, no message"


def _find_culprit(model: bytes, weights: bytes, target: str) -> str:
    """'type (number)' of the first operator with which the optimizer fails, by bisection over
    how many operators the program keeps."""
    program = framework_pb2.ProgramDesc.FromString(model)
    count = sum(op.type not in ("feed", "fetch") for op in program.blocks[0].ops)
    low, high = 0, count  # the optimizer survives `low` operators and fails with `high`
    while high - low > 1:
        middle = (low + high) // 2
        good = _optimize(_first_operators(model, middle), weights, target)[0] is not None
        low, high = (middle, high) if good else (low, middle)
    body = [op for op in program.blocks[0].ops if op.type not in ("feed", "fetch")]
    return f"'{body[high - 1].type}' (number {high} of {count})"


def _first_operators(model: bytes, count: int) -> bytes:
    """The program of the first `count` operators; the last one's output is fetched."""
    program = framework_pb2.ProgramDesc.FromString(model)
    block = program.blocks[0]
    body = [op for op in block.ops if op.type not in ("feed", "fetch")]
    fetches = [op for op in block.ops if op.type == "fetch"]
    for op in [*body[count:], *fetches[1:]]:
        block.ops.remove(op)
    fetches[0].inputs[0].arguments[0] = next(s.arguments[0] for s in body[count - 1].outputs if s.arguments)
    return program.SerializeToString()


def _convert(exported: Exported, targets: Sequence[str], quant: str) -> Converted:
    """x86 is made in any case: it alone can be run here."""
    made = {target: convert(exported, target, quant) for target in dict.fromkeys([*targets, "x86"])}
    return Converted({f"model_{target}.nb": made[target] for target in targets}, made["x86"])


def _open(here: bytes, exported: Exported, threads: int) -> Callable[[Any], list[Any]]:
    return lambda images: run(here, images)


def _time(
    models: Sequence[bytes], shapes: Sequence[Any], threads: int, repeats: int, warmup: int
) -> list[list[float]]:
    with scratch_folder() as folder:
        paths = [folder / f"{i}.nb" for i in range(len(models))]
        for path, model in zip(paths, models, strict=True):
            path.write_bytes(model)
        return measure(paths, shapes, threads, repeats, warmup)


RUNTIME = Runtime(
    "lite", "Paddle Lite x86", "paddlelite", tuple(f"model_{target}.nb" for target in TARGETS),
    _convert, _open, _time, QUANTS,
)  # fmt: skip
