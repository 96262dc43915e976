"""Paddle's own program of a network (PIR) -> Graph."""

import ctypes
import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn
from paddle.base import framework, libpaddle
from paddle.jit.dy2static import convert_call_func
from paddle.static import InputSpec

from ..errors import UserError
from ..modes import evaluating
from .ir import Graph, Operator, Variable

HERE = Path(__file__).parents[1]
# Where no user's code is, but for the models.
OTHERS = tuple(
    f"{folder}{os.sep}" for folder in (Path(paddle.__file__).parent, HERE / "graph", HERE / "pruning")
)
MODELS = str(Path(paddle.__file__).parent / "vision/models")


@dataclass(frozen=True)
class Source:
    """`program` that the graph was read from, `made`: variable -> (operator's place, number of its result),
    `weights`: Paddle's name of a parameter -> tensor."""

    program: Any
    made: dict[Variable, tuple[int, int]]
    weights: dict[str, paddle.Tensor]


class _Whole(nn.Layer):
    """The network behind a forward of one known argument: a list of tensors."""

    def __init__(self, network: nn.Layer, call: Callable[[nn.Layer, list], Any]):
        super().__init__()
        self.network, self.call, self.training = network, call, network.training

    def forward(self, tensors: list) -> Any:
        return [t for t in paddle.utils.flatten(self.call(self.network, tensors)) if t is not None]


def graph_of(
    network: nn.Layer,
    shapes: Sequence[tuple[Sequence[int], str]],
    call: Callable[[nn.Layer, list], Any] = lambda network, tensors: network(*tensors),
    training: bool = False,
) -> Graph:
    """The operators of `network` for inputs of `shapes` [(shape, dtype)], in evaluation mode or in `training` mode.
    The network is left as it was. `call` hands the inputs to it.

    A network may say with an attribute `deployed_outputs` how many of its outputs, the first ones, are of use
    after training. Raises UserError if its forward cannot be traced.
    """
    specs = [
        InputSpec(list(shape), dtype, f"input_{i}")  # type: ignore[arg-type]
        for i, (shape, dtype) in enumerate(shapes)
    ]
    with evaluating(network, training), _hushed():
        whole = _Whole(network, call)
        try:
            concrete = _concrete(network, whole, specs)
        except Exception as error:  # the tracer raises whatever the forward does, and more
            raise UserError(_reason(error, [list(shape) for shape, _ in shapes])) from error
    outputs = paddle.utils.flatten(concrete.outputs)
    return _Reader(network, concrete.main_program, outputs).graph(len(specs))


def _concrete(network: nn.Layer, whole: _Whole, specs: list[InputSpec]) -> Any:
    """The program of a forward. Most forwards can be run as they are; Paddle's rewriting of their source,
    most of the time, is for those that decide by a tensor: its value is not known, and asking for it raises."""
    try:
        with _as_written(), put_back(network):
            return paddle.jit.to_static(whole.forward, input_spec=[specs], full_graph=True).concrete_program
    except Exception:
        with put_back(network), rewriting():
            again = _Whole(network, whole.call)
            return paddle.jit.to_static(again.forward, input_spec=[specs], full_graph=True).concrete_program


@contextmanager
def _hushed() -> Iterator[None]:
    """Inside the block Paddle does not warn of arguments that its own functions give without a need."""
    try:
        level = ctypes.c_int.in_dll(ctypes.CDLL(libpaddle.__file__), "_ZN3fLI17FLAGS_minloglevelE")
    except (OSError, ValueError):  # of another build
        yield
        return
    usual, level.value = level.value, max(level.value, 2)
    try:
        yield
    finally:
        level.value = usual


class _Lengths(list):
    """A shape that is known, where Paddle would make a tensor of it. It computes as that tensor does."""

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        return _Lengths(found) if isinstance(key, slice) else found

    def _each(self, compute: Callable[[Any, Any], Any], other: Any) -> "_Lengths":
        return _Lengths(compute(np.array(self), np.array(other)).tolist())

    def __add__(self, other: Any) -> Any:
        return self._each(np.add, other)

    def __sub__(self, other: Any) -> Any:
        return self._each(np.subtract, other)

    def __mul__(self, other: Any) -> Any:
        return self._each(np.multiply, other)

    def __floordiv__(self, other: Any) -> Any:
        return self._each(np.floor_divide, other)

    __radd__, __rmul__ = __add__, __mul__


@contextmanager
def _as_written() -> Iterator[None]:
    """Inside the block the tracer takes what a forward calls as it is written, and `paddle.shape` of a tensor whose
    shape is known is a list of numbers."""
    usual, shape = convert_call_func.is_unsupported, paddle.shape

    def known(tensor: Any, *args: Any, **kwargs: Any) -> Any:
        return shape(tensor, *args, **kwargs) if -1 in tensor.shape else _Lengths(tensor.shape)

    convert_call_func.is_unsupported = lambda function: True
    paddle.shape = known  # type: ignore[assignment]
    try:
        yield
    finally:
        convert_call_func.is_unsupported, paddle.shape = usual, shape


@contextmanager
def rewriting() -> Iterator[None]:
    """Inside the block `zip` may be strict in a forward that Paddle rewrites: its own stand-in takes no options."""
    usual = convert_call_func.convert_zip

    def strict_too(*parts: Any, strict: bool = False) -> Any:
        usual(*parts)  # which refuses tensors of unknown length
        return zip(*parts, strict=strict)

    convert_call_func.convert_zip = strict_too
    try:
        yield
    finally:
        convert_call_func.convert_zip = usual


def _reason(error: Exception, shapes: list[list[int]]) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    first = getattr(error, "strerror", None) or (lines[-1] if lines else "")
    name = f": '{error.filename}'" if isinstance(error, OSError) and error.filename else ""
    if isinstance(error, OSError):  # Paddle writes what it traces into a folder of its own
        return f"Paddle cannot write its temporary files ({first}{name}); make room there"
    return (
        f"the network cannot be traced on inputs of {', '.join(map(str, shapes))}: {type(error).__name__}: "
        f"{first}; its forward must run on them with static shapes"
    )


@contextmanager
def put_back(network: nn.Layer) -> Iterator[None]:
    """A trace that fails leaves its stand-ins for parameters in the layers, and Paddle in its static mode;
    after the block all is as it was."""
    state = framework.global_var
    modes = (state._dygraph_tracer_, state._in_to_static_mode_)
    layers = network.sublayers(include_self=True)
    kept = [(layer, dict(layer._parameters), dict(layer._buffers)) for layer in layers]
    try:
        yield
    finally:
        for layer, parameters, buffers in kept:
            layer._parameters.update(parameters)
            layer._buffers.update(buffers)
        state._dygraph_tracer_, state._in_to_static_mode_ = modes


class _Reader:
    """Walks a program once. Steps that only carry lists or constants are folded into who reads them."""

    def __init__(self, network: nn.Layer, program: Any, outputs: Sequence[Any]):
        self.program, self.outputs, self.network = program, outputs, network
        self.named: dict[str, tuple[str, paddle.Tensor]] = {}
        for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
            self.named.setdefault(tensor.name, (name, tensor))
        self.numbers: dict[str, Variable] = {}
        self.maker: dict[Variable, int] = {}  # of a list: number of the operator
        self.lists: dict[Variable, tuple[Variable, ...]] = {}
        self.constants: dict[Variable, Any] = {}
        self.shapes: dict[Variable, tuple[int, ...]] = {}
        self.made: dict[Variable, tuple[int, int]] = {}
        self.parameters: dict[Variable, str] = {}
        self.inputs: dict[str, Variable] = {}
        self.operators: list[Operator] = []

    def graph(self, count: int) -> Graph:
        for place, op in enumerate(self.program.global_block().ops):
            self._read(place, op)
        outputs = tuple(self._number(value) for value in self.outputs)
        deployed = getattr(self.network, "deployed_outputs", len(outputs))
        source = Source(self.program, self.made, {n: t for n, (_, t) in self.named.items()})
        read = {variable for operator in self.operators for variable in operator.reads()}
        parameters = {v: name for v, name in self.parameters.items() if v in read}  # a program declares all
        inputs = tuple(self.inputs[f"input_{i}"] for i in range(count) if f"input_{i}" in self.inputs)
        return Graph(
            tuple(self.operators), self.shapes, inputs, outputs[:deployed], outputs[deployed:],
            parameters, source,
        )  # fmt: skip

    def _number(self, value: Any) -> Variable:
        return self.numbers.setdefault(value.id, len(self.numbers) + 1)

    def _read(self, place: int, op: Any) -> None:
        kind, made = op.name(), tuple(self._number(value) for value in op.results())
        given = [self._number(value) if value.initialized() else None for value in op.operands_source()]
        for number, (variable, value) in enumerate(zip(made, op.results(), strict=True)):
            self.made[variable] = (place, number)
            if value.is_dense_tensor_type():
                self.shapes[variable] = tuple(value.shape)
        if kind == "builtin.combine":
            self.lists[made[0]] = tuple(v for v in given if v is not None)
        elif kind == "builtin.parameter":
            name = op.attrs()["parameter_name"]
            self.parameters[made[0]] = self.named[name][0] if name in self.named else name
        elif kind == "builtin.split":
            self._unfold(given[0], made)
        elif kind == "pd_op.full_int_array":
            self.constants[made[0]] = list(op.attrs()["value"])
        elif kind == "pd_op.full" and len(op.attrs()["shape"]) < 2:
            self.constants[made[0]] = op.attrs()["value"]
        elif kind == "pd_op.data":
            self.inputs[op.attrs()["name"]] = made[0]
        else:
            self._operator(place, op, kind, given, made)

    def _operator(
        self, place: int, op: Any, kind: str, given: list[Variable | None], made: tuple[Variable, ...]
    ) -> None:
        operands = tuple(() if v is None else self.lists.get(v, (v,)) for v in given)
        if op.num_regions():
            operands = (*operands, tuple(sorted(self._captured(op))))
        attrs = dict(op.attrs())
        line = _users_line(attrs.pop("op_callstack", []))
        values = {i: self.constants[v] for i, v in enumerate(given) if v in self.constants}
        for variable in made:
            self.maker[variable] = len(self.operators)
        self.operators.append(
            Operator(kind.removeprefix("pd_op."), operands, made, attrs, values, place, line)
        )

    def _unfold(self, folded: Variable | None, parts: tuple[Variable, ...]) -> None:
        """An operator that made a list makes its parts."""
        if folded not in self.maker:
            return
        number = self.maker[folded]
        operator = self.operators[number]
        outputs = tuple(p for v in operator.outputs for p in (parts if v == folded else (v,)))
        self.operators[number] = dataclasses.replace(operator, outputs=outputs)
        self.maker |= dict.fromkeys(parts, number)

    def _captured(self, op: Any) -> set[Variable]:
        """What the blocks inside an operator (a branch, a loop) read from outside."""
        read: set[Variable] = set()
        for inner in (inner for block in op.blocks() for inner in block.ops):
            read.update(self._number(value) for value in inner.operands_source() if value.initialized())
            if inner.num_regions():
                read |= self._captured(inner)
        return read & set(self.made)


def _users_line(frames: Sequence[str]) -> str:
    """The innermost line of a call stack that is not Paddle's or ours: "model.py:34: x = x.flatten(1)"."""
    for where, code in zip(frames[-2::-2], frames[::-2], strict=False):
        if "File" in where and (MODELS in where or not any(path in where for path in OTHERS)):
            path, line = where.split('"')[1], where.split("line ")[1].split(",")[0]
            return f"{Path(path).name}:{line}: {code.strip()}"
    return ""
