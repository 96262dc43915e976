"""ONNX: one `.onnx` file through paddle2onnx, run here with ONNX Runtime."""

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from .inference import Exported

OPSET = 13
INSTALL = "pip install paddle2onnx==2.1.0 onnx==1.17.0 onnxruntime==1.23.2"


def convert(exported: Exported) -> bytes:
    """The `.onnx` file as bytes. Raises UserError where an operator has no counterpart."""
    try:
        import paddle2onnx
    except ImportError as error:
        raise UserError(f"--format onnx: paddle2onnx is not installed; {INSTALL}") from error
    with tempfile.TemporaryDirectory() as folder:
        exported.write(Path(folder))
        target = Path(folder) / "model.onnx"
        try:
            paddle2onnx.export(
                f"{folder}/model.pdmodel", f"{folder}/model.pdiparams", str(target), opset_version=OPSET,
                auto_upgrade_opset=True, enable_onnx_checker=True,
            )  # fmt: skip
        except Exception as error:  # the converter raises bare RuntimeErrors
            reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise UserError(
                f"--format onnx: paddle2onnx cannot convert this model ({reason}); use --format inference"
            ) from error
        if not target.is_file():
            raise UserError("--format onnx: paddle2onnx wrote nothing; use --format inference")
        return target.read_bytes()


def session(model: bytes, threads: int = 0) -> Any:
    """An ONNX Runtime session on the CPU. `threads`: 0 = all cores."""
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(f"ONNX Runtime is not installed; {INSTALL}") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or os.cpu_count() or 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run(opened: Any, images: np.ndarray) -> list[np.ndarray]:
    return opened.run(None, {opened.get_inputs()[0].name: images})
