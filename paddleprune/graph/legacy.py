"""The legacy inference Program that Paddle traces on demand.

Exports for Paddle Lite and OpenVINO's reader start from it, and replay where a network has one, because Paddle Inference
opens it fast. Paddle 3 traces to another form (pir.py) by default; `legacy()` switches it for a block.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import paddle
from paddle import nn
from paddle.base import framework
from paddle.base.proto import framework_pb2
from paddle.jit.dy2static import convert_call_func
from paddle.pir_utils import OldIrGuard
from paddle.static import io as static_io

from ..errors import UserError
from ..modes import evaluating
from .ir import Graph, Operator, Variable
from .legacy_ops import legacy_kernels
from .pir import put_back, rewriting


@contextmanager
def legacy() -> Iterator[None]:
    """Inside the block `paddle.static` makes and reads legacy Programs."""
    with OldIrGuard(), legacy_kernels():
        yield


DECIDING = ("__bool__", "__int__", "__float__", "__index__")  # what makes a number of a tensor


@dataclass(frozen=True)
class Traced:
    """`program`: operators of the network in evaluation mode, batch size free.
    `outputs` are those that the network is deployed for, `helpers` those that serve training alone.
    `tensors`: program variable -> (structured name, tensor) of each parameter and statistic."""

    program: Any
    input: str
    outputs: tuple[str, ...]
    tensors: dict[str, tuple[str, paddle.Tensor]]
    helpers: tuple[str, ...] = ()


class _Whole(nn.Layer):
    """The network behind a forward of known signature; the tracer goes by argument names."""

    def __init__(self, network: nn.Layer):
        super().__init__()
        self.network, self.training = network, False

    def forward(self, image: paddle.Tensor) -> Any:
        outputs = self.network(image)
        return tuple(outputs) if isinstance(outputs, (list, tuple)) else outputs


def trace(network: nn.Layer, image_shape: tuple[int, ...]) -> Traced:
    """Run `network` symbolically on an image [N, *image_shape]. The network is left as it was.

    A network may say with an attribute `deployed_outputs` how many of its outputs, the first ones,
    are of use after training.

    Raises UserError if its forward cannot be traced.
    """
    ways = (_Whole(network), _Whole(network))  # Paddle takes a layer that was made in its dynamic mode alone
    try:
        with evaluating(network), legacy():
            concrete = _concrete(*ways, paddle.static.InputSpec([-1, *image_shape], "float32", "image"))
            program = concrete.main_program.clone(for_test=True)
            for op in program.global_block().ops:  # nine tenths of the bytes, copied with every clone
                op._remove_attr("op_callstack")
    except OSError as error:  # Paddle writes what it traces into a folder of its own
        reason = (
            f"{error.strerror or error}: '{error.filename}'" if error.filename else error.strerror or error
        )
        raise UserError(f"Paddle cannot write its temporary files ({reason}); make room there") from error
    except Exception as error:  # the tracer raises whatever the forward does, and more
        raise UserError(
            f"the network cannot be traced on images of {list(image_shape)}: "
            f"{type(error).__name__}: {str(error).strip().splitlines()[-1] if str(error).strip() else ''}; "
            "its forward must run on such an image with static shapes"
        ) from error
    tensors: dict[str, tuple[str, paddle.Tensor]] = {}
    for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
        tensors.setdefault(tensor.name, (name, tensor))
    inputs = [v.name for v in concrete.inputs if hasattr(v, "name")]
    outputs = tuple(v.name for v in paddle.utils.flatten(concrete.outputs))
    count = getattr(network, "deployed_outputs", len(outputs))
    return Traced(program, inputs[0], outputs[:count], tensors, outputs[count:])


def _concrete(whole: _Whole, again: _Whole, spec: Any) -> Any:
    """The program of a forward. Most forwards can be run as they are; Paddle's rewriting of their source,
    three quarters of the time, is for those that decide by a tensor."""
    try:
        with _as_written(), _put_back(whole):
            return paddle.jit.to_static(whole.forward, input_spec=[spec], full_graph=True).concrete_program
    except Exception:
        with _put_back(again), rewriting():
            return paddle.jit.to_static(again.forward, input_spec=[spec], full_graph=True).concrete_program


@contextmanager
def _put_back(network: nn.Layer) -> Iterator[None]:
    """The same as in pir.py, and the programs that Paddle writes to."""
    programs = (framework._main_program_, framework._startup_program_)
    try:
        with put_back(network):
            yield
    finally:
        framework.switch_main_program(programs[0])
        framework.switch_startup_program(programs[1])


@contextmanager
def _as_written() -> Iterator[None]:
    """Inside the block the tracer takes what a forward calls as it is written. A forward that decides by a
    tensor's value, which is not known then, raises: it needs the rewriting."""
    usual = convert_call_func.is_unsupported
    own = {name: vars(framework.Variable).get(name) for name in DECIDING}
    convert_call_func.is_unsupported = lambda function: True
    for name in DECIDING:
        setattr(framework.Variable, name, _undecided)
    try:
        yield
    finally:
        convert_call_func.is_unsupported = usual
        for name, method in own.items():
            if method is None:
                delattr(framework.Variable, name)
            else:
                setattr(framework.Variable, name, method)


def _undecided(variable: Any) -> Any:
    if variable.persistable:  # a parameter: layers ask whether they have one
        return True
    raise TypeError("a tensor's value is not known while the network is traced")


def legacy_graph_of(network: nn.Layer, image_shape: tuple[int, ...]) -> Graph:
    """The same as pir.graph_of, of the legacy program, for batches of any size: first axes are -1. Paddle
    Inference opens it faster. Raises UserError where there is none."""
    traced = trace(network, image_shape)
    block, numbers = traced.program.global_block(), Numbers()
    if any(op.type == "einsum" for op in block.ops):
        raise UserError("an einsum does not take batches of any size there")
    operators = []
    for place, op in enumerate(block.ops):
        first = OPERANDS.get(op.type, ())
        names = [*first, *(name for name in op.input_names if name not in first)]
        operands = tuple(tuple(numbers[v] for v in op.input(name)) for name in names)
        operators.append(
            Operator(op.type, operands, tuple(numbers[v] for v in op.output_arg_names), {}, {}, place)
        )
    shapes = {
        numbers[name]: tuple(variable.shape) for name, variable in block.vars.items() if _has_shape(variable)
    }
    parameters = {numbers[v]: name for v, (name, _) in traced.tensors.items() if v in numbers.known}
    outputs, helpers = (tuple(numbers[v] for v in names) for names in (traced.outputs, traced.helpers))
    source = Legacy(traced, {number: name for name, number in numbers.known.items()})
    return Graph(tuple(operators), shapes, (numbers[traced.input],), outputs, helpers, parameters, source)


# Operands that have a place of their own in an operator of pir.py.
OPERANDS = {
    **dict.fromkeys(("conv2d", "depthwise_conv2d", "conv2d_transpose", "conv3d"), ("Input", "Filter")),
    **dict.fromkeys(("matmul_v2", "matmul", "bmm"), ("X", "Y")),
    "deformable_conv": ("Input", "Offset", "Filter", "Mask"),
}


@dataclass(frozen=True)
class Legacy:
    """What a graph was read from, and the program's names of its variables."""

    traced: Traced
    names: dict[Variable, str]

    @functools.cached_property
    def program(self) -> Any:
        """The program as a message."""
        messages: Any = framework_pb2
        return messages.ProgramDesc.FromString(self.traced.program.desc.serialize_to_string())


class Numbers:
    """Names -> numbers from 1 on, as they come."""

    def __init__(self) -> None:
        self.known: dict[str, Variable] = {}

    def __getitem__(self, name: str) -> Variable:
        return self.known.setdefault(name, len(self.known) + 1)


def _has_shape(variable: Any) -> bool:
    return variable.type == framework.core.VarDesc.VarType.LOD_TENSOR


def serialize(traced: Traced) -> tuple[bytes, bytes]:
    """The whole program, up to what the network is deployed for, as (.pdmodel, .pdiparams) bytes."""
    with legacy(), paddle.static.scope_guard(paddle.static.Scope()):
        block = traced.program.global_block()
        outs = [block.var(name) for name in traced.outputs]
        part = paddle.static.normalize_program(traced.program, [block.var(traced.input)], outs)
        scope = paddle.static.global_scope()
        for variable in part.list_vars():
            if variable.persistable and variable.name in traced.tensors:
                array = traced.tensors[variable.name][1].numpy()
                scope.var(variable.name).get_tensor().set(array, paddle.CPUPlace())
        # the public serialize_program and serialize_persistables would each normalize once more
        model = static_io._serialize_program(part, True)
        weights = static_io._serialize_persistables(part, paddle.static.Executor(paddle.CPUPlace()))
    return model, weights or b""
