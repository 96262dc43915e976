"""ONNX: one `.onnx` file through paddle2onnx, run here with ONNX Runtime."""

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from paddle.base.proto import framework_pb2

from ..errors import UserError
from ..files import scratch_folder
from ..processor import cores
from ._runtime import Converted, Exported, Runtime, each
from .integers import ALGORITHMS, LARGEST, quantised

OPSET = 13
_EXPORT = """
import sys, paddle2onnx
folder = sys.argv[1]
paddle2onnx.export(
    f"{folder}/model.pdmodel", f"{folder}/model.pdiparams", f"{folder}/model.onnx",
    opset_version=int(sys.argv[2]), optimize_tool="None",
)
"""
INSTALL = "pip install paddle2onnx==2.1.0 onnx==1.17.0 onnxruntime==1.23.2"


def convert(exported: Exported) -> bytes:
    """The `.onnx` file as bytes. Raises UserError where an operator has no counterpart.

    In a process of its own: the converter logs, exits and crashes as it likes. Its optimizer is left
    out: it installs packages into the environment while it runs.
    """
    if importlib.util.find_spec("paddle2onnx") is None:
        raise UserError(f"--format onnx: paddle2onnx is not installed; {INSTALL}")
    with scratch_folder() as folder:
        exported.write(folder)
        command = [sys.executable, "-c", _EXPORT, str(folder), str(OPSET)]
        done = subprocess.run(command, capture_output=True, text=True)
        target = folder / "model.onnx"
        if done.returncode == 0 and target.is_file():
            return _mended(exported, target.read_bytes())
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if "rror" in line]
        reason = lines[-1][:200] if lines else f"exit code {done.returncode}"
        raise UserError(f"paddle2onnx cannot convert this model ({reason}); use --format inference")


def _mended(exported: Exported, model: bytes) -> bytes:
    """The converted model with what the converter gets wrong put right."""
    import onnx

    program = framework_pb2.ProgramDesc.FromString(exported.model)
    converted = onnx.load_from_string(model)
    _put_slopes(program, converted.graph)
    _limit_candidates(program, converted.graph)
    return converted.SerializeToString()


def _operators(program: Any, kind: str) -> list[Any]:
    return [op for op in program.blocks[0].ops if op.type == kind]


def _nodes(graph: Any, kind: str) -> list[Any]:
    return [node for node in graph.node if node.op_type == kind]


def _put_slopes(program: Any, graph: Any) -> None:
    """The converter reads the slope of a leaky ReLU from the wrong place."""
    from onnx import helper

    pairs = zip(_operators(program, "leaky_relu"), _nodes(graph, "LeakyRelu"), strict=True)
    for op, node in pairs:
        slope = next(a.f for a in op.attrs if a.name == "alpha")
        del node.attribute[:]
        node.attribute.append(helper.make_attribute("alpha", slope))


def _limit_candidates(program: Any, graph: Any) -> None:
    """Paddle's NMS looks at the `nms_top_k` best boxes of each class; the converter makes of that how many
    boxes come out of ONNX's, which looks at all. Scores [N, classes, boxes] of the others become 0 first."""
    from onnx import helper, numpy_helper

    pairs = zip(_operators(program, "multiclass_nms3"), _nodes(graph, "NonMaxSuppression"), strict=True)
    for number, (op, nms) in enumerate(pairs):
        limit = next(a.i for a in op.attrs if a.name == "nms_top_k")
        scores, name = nms.input[1], f"candidates.{number}"
        made = {
            "most": numpy_helper.from_array(np.array([limit], np.int64), f"{name}.most"),
            "last": numpy_helper.from_array(np.array([-1], np.int64), f"{name}.last"),
        }
        graph.initializer.extend(made.values())
        steps = [
            helper.make_node("Shape", [scores], [f"{name}.shape"]),
            helper.make_node("Gather", [f"{name}.shape", f"{name}.last"], [f"{name}.boxes"]),
            helper.make_node("Min", [f"{name}.boxes", f"{name}.most"], [f"{name}.count"]),
            helper.make_node("TopK", [scores, f"{name}.count"], [f"{name}.best", f"{name}.where"], axis=-1),
            helper.make_node("ConstantOfShape", [f"{name}.shape"], [f"{name}.none"]),
            helper.make_node(
                "ScatterElements", [f"{name}.none", f"{name}.where", f"{name}.best"], [f"{name}.scores"], axis=-1
            ),
        ]  # fmt: skip
        place = list(graph.node).index(nms)
        nms.input[1] = f"{name}.scores"
        for step in reversed(steps):
            graph.node.insert(place, step)


def session(model: bytes, threads: int = 0) -> Any:
    """An ONNX Runtime session on the CPU. `threads`: 0 = all cores."""
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(f"ONNX Runtime is not installed; {INSTALL}") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or cores()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run(opened: Any, images: np.ndarray) -> list[np.ndarray]:
    """Outputs for images [N, C, H, W], one image at a time: a converted NMS is of one image."""
    name = opened.get_inputs()[0].name
    return each(lambda image: opened.run(None, {name: image}), images)


def _convert(exported: Exported, targets: Sequence[str], quant: str) -> Converted:
    model = convert(exported)
    return Converted({"model.onnx": model}, model)


def _open(here: bytes, exported: Exported, threads: int) -> Callable[[Any], list[Any]]:
    opened = session(here, threads)
    return lambda images: run(opened, images)


def _calibrate(exported: Exported, images: np.ndarray, algorithm: str) -> Converted:
    model = quantised(convert(exported), images, algorithm)
    return Converted({"model.onnx": model}, model)


RUNTIME = Runtime(
    "onnx",
    "ONNX Runtime",
    "onnxruntime",
    ("model.onnx",),
    _convert,
    _open,
    quants=("int8",),
    calibrate=_calibrate,
    largest=LARGEST,
    algorithms=tuple(ALGORITHMS),
)
