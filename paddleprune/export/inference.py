"""The inference program: `.pdmodel` and `.pdiparams` in the legacy form that all runtimes read.

The traced program is written as it was traced. Paddle's own savers (2.6 and later) leave out
attributes and outputs that they can do without (relu6's `threshold`, `XShape`, dropout's `Mask`,
instance_norm's `SavedMean`), and Paddle Lite's optimizer then crashes on the file.
"""

from collections.abc import Callable, Sequence
from typing import Any

from paddle import nn
from paddle.base.proto import framework_pb2

from ..graph.legacy import serialize, trace
from ..predictor import make_predictor, run
from ..processor import cores
from ._runtime import Converted, Exported, Runtime
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
    return Converted({"model.pdmodel": exported.model, "model.pdiparams": exported.weights}, exported)


def _open(here: Exported, exported: Exported, threads: int) -> Callable[[Any], list[Any]]:
    predictor = make_predictor(here.model, here.weights, threads or cores())
    return lambda images: run(predictor, {exported.input: images})


RUNTIME = Runtime(
    "inference", "Paddle Inference", "paddlepaddle", ("model.pdmodel", "model.pdiparams"), _convert, _open
)
