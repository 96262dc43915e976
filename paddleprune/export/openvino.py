"""OpenVINO: `.xml` and `.bin` files, read from the inference program, run here on the CPU."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import UserError
from ..files import scratch_folder
from . import onnx
from ._runtime import Converted, Exported, Runtime, each
from .integers import ALGORITHMS, LARGEST, quantised

ONE_AT_A_TIME = "by way of ONNX, whose NMS is of one image"
INSTALL = "pip install openvino==2025.4.1"


def convert(exported: Exported) -> tuple[bytes, bytes]:
    """The `.xml` and the `.bin` file as bytes, weights in float32.

    OpenVINO reads the inference program itself; where that has an operator which it knows only from
    ONNX (instance_norm), by way of ONNX. Raises UserError where it can read neither.
    """
    ov = _library()
    with scratch_folder() as folder:
        exported.write(folder)
        try:
            model = ov.Core().read_model(f"{folder}/model.pdmodel", f"{folder}/model.pdiparams")
        except RuntimeError:
            model = ov.Core().read_model(onnx.convert(exported))
    return _saved(model)


def _saved(model: Any) -> tuple[bytes, bytes]:
    with scratch_folder() as folder:
        _library().save_model(model, f"{folder}/model.xml", compress_to_fp16=False)
        return (folder / "model.xml").read_bytes(), (folder / "model.bin").read_bytes()


def compiled(xml: bytes, weights: bytes, shape: tuple[int, ...], threads: int = 0) -> Any:
    """A model ready to run on the CPU, for images [N, *shape]. `threads`: 0 = all cores."""
    ov = _library()
    core = ov.Core()
    model = core.read_model(xml, weights)
    model.reshape([-1, *shape])
    hints = {"INFERENCE_NUM_THREADS": threads} if threads else {}
    return core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", **hints})


def run(model: Any, images: np.ndarray) -> list[np.ndarray]:
    found = model(np.ascontiguousarray(images))
    return [np.array(found[output]) for output in model.outputs]


def _library() -> Any:
    try:
        import openvino
    except ImportError as error:
        raise UserError(f"OpenVINO is not installed; {INSTALL}") from error
    return openvino


def _convert(exported: Exported, targets: Sequence[str], quant: str) -> Converted:
    made = convert(exported)
    return Converted(dict(zip(RUNTIME.files, made, strict=True)), made)


def _open(here: tuple, exported: Exported, threads: int) -> Callable[[Any], list[Any]]:
    model = compiled(*here[:2], exported.shape, threads)
    if ONE_AT_A_TIME in here:
        return lambda images: each(lambda image: run(model, image), images)
    return lambda images: run(model, images)


def _calibrate(exported: Exported, images: np.ndarray, algorithm: str) -> Converted:
    model = _library().Core().read_model(quantised(onnx.convert(exported), images, algorithm))
    # What is known of shapes and zero points is not computed again by the file: less than half of its text. What OpenVINO's own
    # converter does, but for its telemetry.
    from openvino._offline_transformations import apply_moc_transformations

    apply_moc_transformations(model, cf=False, smart_reshape=True)
    made = _saved(model)
    return Converted(dict(zip(RUNTIME.files, made, strict=True)), (*made, ONE_AT_A_TIME))


RUNTIME = Runtime(
    "openvino", "OpenVINO", "openvino", ("model.xml", "model.bin"), _convert, _open, quants=("int8",),
    calibrate=_calibrate, largest=LARGEST, algorithms=tuple(ALGORITHMS),
)  # fmt: skip
