"""MNN: one `.mnn` file, converted from ONNX, run here on the CPU."""

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import UserError
from ..files import scratch_folder
from ..processor import cores
from ..progress import silent
from . import onnx
from ._runtime import Converted, Exported, Runtime

INSTALL = "pip install MNN==3.6.1"
_CONVERT = """
import sys
from MNN.tools import mnnconvert
sys.argv = ["mnnconvert", "-f", "ONNX", "--modelFile", "in.onnx", "--MNNModel", "out.mnn", "--bizCode", "paddleprune"]
mnnconvert.main()
"""


def convert(exported: Exported) -> bytes:
    """The `.mnn` file as bytes, weights in float32. Raises UserError where an operator has no counterpart."""
    _require()
    with scratch_folder() as folder:
        (folder / "in.onnx").write_bytes(onnx.convert(exported))
        done = subprocess.run([sys.executable, "-c", _CONVERT], capture_output=True, text=True, cwd=folder)
        target = folder / "out.mnn"
        if target.is_file():
            return target.read_bytes()
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        reason = lines[-1][:200] if lines else f"exit code {done.returncode}"
        raise UserError(f"MNN cannot convert this model ({reason}); use --format lite or onnx")


def opened(model: bytes, ends: tuple[str, Sequence[str]], threads: int = 0) -> Any:
    """A model ready to run on the CPU. `ends`: names of its input and of its outputs; `threads`: 0 = all cores."""
    _require()
    with scratch_folder() as folder, silent(sys.stdout):
        import MNN

        (folder / "model.mnn").write_bytes(model)
        settings = {"backend": "CPU", "precision": "normal", "numThread": threads or cores()}
        manager = MNN.nn.create_runtime_manager((settings,))
        name, outputs = ends
        return MNN.nn.load_module_from_file(
            f"{folder}/model.mnn", [name], list(outputs), runtime_manager=manager
        )


def run(module: Any, images: np.ndarray) -> list[np.ndarray]:
    """Outputs for images [N, C, H, W], one image at a time: a converted NMS is of one image."""
    import MNN

    every = []
    for image in images:
        given = MNN.expr.const(np.ascontiguousarray(image[None]), [1, *image.shape], MNN.expr.NCHW)
        found = module.forward([given])
        every.append([np.array(MNN.expr.convert(one, MNN.expr.NCHW).read()) for one in found])
    return [np.concatenate(part) for part in zip(*every, strict=True)]


def _require() -> None:
    if importlib.util.find_spec("MNN") is None:
        raise UserError(f"MNN is not installed; {INSTALL}")


def _convert(exported: Exported, targets: Sequence[str], quant: str) -> Converted:
    model = convert(exported)
    return Converted({"model.mnn": model}, model)


def _open(here: bytes, exported: Exported, threads: int) -> Callable[[Any], list[Any]]:
    names = [f"fetch_name_{i}" for i in range(len(exported.outputs))]  # as the converter to ONNX calls them
    module = opened(here, (exported.input, names), threads)
    return lambda images: run(module, images)


RUNTIME = Runtime("mnn", "MNN", "MNN", ("model.mnn",), _convert, _open)
