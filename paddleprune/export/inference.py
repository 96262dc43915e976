"""The inference program: `.pdmodel` and `.pdiparams` in the legacy form that all runtimes read, quantised for Paddle Inference alone.

The traced program is written as it was traced. Paddle's own savers (2.6 and later) leave out
attributes and outputs that they can do without (relu6's `threshold`, `XShape`, dropout's `Mask`,
instance_norm's `SavedMean`), and Paddle Lite's optimizer then crashes on the file.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from paddle import nn
from paddle.base.proto import framework_pb2

from ..graph.legacy import serialize, trace
from ..predictor import make_predictor, run
from ..processor import cores
from ._runtime import Converted, Exported, Runtime
from .inference_integers import ALGORITHMS, quantised
from .unpooling import portable_unpooling


def export_inference(network: nn.Layer, image_shape: tuple[int, ...]) -> Exported:
    """`network` in evaluation mode for images [N, *image_shape], N free."""
    with portable_unpooling():
        traced = trace(network, image_shape)
    model, weights = serialize(traced)
    return Exported(_anonymous(model), weights, traced.input, traced.outputs, tuple(image_shape))


def _anonymous(model: bytes) -> bytes:
    """The program without the call stacks, and so paths, of this machine."""
    program = framework_pb2.ProgramDesc.FromString(model)
    for block in program.blocks:
        for op in block.ops:
            for attribute in [a for a in op.attrs if a.name == "op_callstack"]:
                op.attrs.remove(attribute)
    return program.SerializeToString()


def _convert(exported: Exported, targets: Sequence[str], quant: str) -> Converted:
    return _converted(exported.model, exported.weights)


def _open(here: tuple[bytes, bytes], exported: Exported, threads: int) -> Callable[[Any], list[Any]]:
    predictor = make_predictor(*here, threads or cores())
    return lambda images: run(predictor, {exported.input: images})


def _calibrate(exported: Exported, images: np.ndarray, algorithm: str) -> Converted:
    model, weights = quantised(exported, images, algorithm)
    return _converted(_anonymous(model), weights)


def _converted(model: bytes, weights: bytes) -> Converted:
    return Converted(dict(zip(RUNTIME.files, (model, weights), strict=True)), (model, weights))


RUNTIME = Runtime(
    "inference", "Paddle Inference", "paddlepaddle", ("model.pdmodel", "model.pdiparams"), _convert, _open,
    quants=("int8",), calibrate=_calibrate, algorithms=tuple(ALGORITHMS),
)  # fmt: skip
