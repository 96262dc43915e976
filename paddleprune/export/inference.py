"""The inference program: `.pdmodel` and `.pdiparams` in the legacy form that all runtimes read.

The traced program is written as it was traced. Paddle's own savers (2.6 and later) leave out
attributes and outputs that they can do without (relu6's `threshold`, `XShape`, dropout's `Mask`,
instance_norm's `SavedMean`), and Paddle Lite's optimizer then crashes on the file.
"""

from dataclasses import dataclass
from pathlib import Path

from paddle import nn
from paddle.base.proto import framework_pb2

from ..graph.legacy import serialize, trace
from .unpooling import portable_unpooling


@dataclass(frozen=True)
class Exported:
    """A network as bytes: the operators and the weights, and the names of its ends."""

    model: bytes
    weights: bytes
    input: str
    outputs: tuple[str, ...]

    def write(self, folder: Path) -> None:
        """`model.pdmodel` and `model.pdiparams`, for tools that read files."""
        (folder / "model.pdmodel").write_bytes(self.model)
        (folder / "model.pdiparams").write_bytes(self.weights)


def export_inference(network: nn.Layer, image_shape: tuple[int, ...]) -> Exported:
    """`network` in evaluation mode for images [N, *image_shape], N free."""
    with portable_unpooling():
        traced = trace(network, image_shape)
    model, weights = serialize(traced)
    return Exported(_anonymous(model), weights, traced.input, traced.outputs)


def _anonymous(model: bytes) -> bytes:
    """The program without the call stacks, and so paths, of this machine."""
    program = framework_pb2.ProgramDesc.FromString(model)
    for block in program.blocks:
        for op in block.ops:
            for attribute in [a for a in op.attrs if a.name == "op_callstack"]:
                op.attrs.remove(attribute)
    return program.SerializeToString()
