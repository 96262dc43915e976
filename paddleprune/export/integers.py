"""Post-training quantisation: 8-bit integers for weights and for what layers are fed, by ONNX Runtime's own tools.

A file of ONNX with its ranges written down runs on ONNX Runtime and on OpenVINO. What PaddleSlim writes (`inference_integers.py`) runs on
Paddle Inference alone: it ends Paddle's ONNX converter, OpenVINO does not read it, Paddle Lite's x86 runtime makes NaN of it.
"""

import contextlib
import io
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import UserError
from ..files import scratch_folder

ALGORITHMS = {"KL": "Entropy", "min_max": "MinMax"}  # PaddleX's and Paddle's names: ONNX Runtime's
LARGEST = 64  # of a weight of 7 bits
WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def quantised(model: bytes, images: np.ndarray, algorithm: str) -> bytes:
    """The network of an `.onnx` file with integers: weights by output channel, what layers are fed in ranges seen on `images`
    [n, C, H, W]. `algorithm`: how a range is chosen, KL (least divergence of the histograms) or min_max.

    What is behind the last layers with weights (boxes, labels) stays in floats. Weights have 7 bits: processors without
    VNNI add up pairs of products in 16.
    """
    try:
        import onnx
        from onnxruntime.quantization import (
            CalibrationMethod,
            QuantFormat,
            QuantType,
            quantize_static,
            shape_inference,
        )
    except ImportError as error:
        raise UserError(f"--quant: {error}; pip install 'paddleprune[onnx]'") from error
    with scratch_folder() as folder, _silent():
        (folder / "float.onnx").write_bytes(model)
        # Batch norms into the weights before them.
        shape_inference.quant_pre_process(
            folder / "float.onnx", folder / "folded.onnx", skip_symbolic_shape=True
        )
        graph = onnx.load(folder / "folded.onnx").graph
        quantize_static(
            folder / "folded.onnx",
            folder / "integers.onnx",
            _reader(graph.input[0].name, images),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=getattr(CalibrationMethod, ALGORITHMS[algorithm]),
            nodes_to_exclude=behind_weights(graph.node),
            extra_options={"CalibStridedMinMax": 1},  # the maps of one picture are kept at a time, not of all
        )
        return (folder / "integers.onnx").read_bytes()


def behind_weights(nodes: Sequence[Any]) -> list[str]:
    """Names of the nodes (in the order in which they run) that lead to no layer with weights."""
    leading: set[str] = set()  # values that a layer with weights needs
    behind = []
    for node in reversed(nodes):
        if node.op_type in WEIGHTED or leading.intersection(node.output):
            leading.update(node.input)
        else:
            behind.append(node.name)
    return behind


def _reader(name: str, images: np.ndarray) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):
        """One picture at a time."""

        def __init__(self) -> None:
            self.rest = iter(range(len(images)))

        def __len__(self) -> int:
            return len(images)

        def set_range(self, start_index: int, end_index: int) -> None:
            self.rest = iter(range(start_index, end_index))

        def get_next(self) -> dict[str, np.ndarray] | None:
            number = next(self.rest, None)
            return None if number is None else {name: images[number : number + 1]}

    return Reader()


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """The tools print, and log advice that was taken."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        root.setLevel(before)
