"""A part of Paddle's own program (PIR), cut out and ready for Paddle Inference."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle.base.libpaddle import pir

from .ir import Graph, Mask, Mix, Variable
from .pir import Source

LARGEST_CONSTANT = 2**20  # bytes that Paddle takes into a program


def pir_part(
    graph: Graph,
    feeds: Sequence[Variable],
    fetches: Sequence[Variable],
    path: Path,
    masks: Sequence[Mask | Mix] = (),
) -> None:
    """Write what computes `fetches` from `feeds` [named "v<variable>"] and masks to `path`.json and `path`.pdiparams,
    for Paddle Inference."""
    source: Source = graph.source
    arrays = {name: tensor.numpy() for name, tensor in source.weights.items()}
    paddle.enable_static()
    try:
        program = source.program.clone()
        ops = program.global_block().ops
        with paddle.static.program_guard(program), paddle.static.scope_guard(paddle.static.Scope()):
            values = {v: ops[place].results()[n] for v, (place, n) in source.made.items()}
            given = [_fed(graph, values, ops, variable) for variable in feeds]
            for mask in masks:
                given += _edited(graph, values, ops, mask)
            for variable, (place, _) in source.made.items():
                if ops[place].name() in WAYS_ROUND and variable not in feeds:
                    values[variable] = WAYS_ROUND[ops[place].name()](ops[place])
            scope = paddle.static.global_scope()
            for name, array in arrays.items():
                scope.var(name).get_tensor().set(array, paddle.CPUPlace())
            wanted, executor = [values[v] for v in fetches], paddle.static.Executor(paddle.CPUPlace())
            paddle.static.save_inference_model(str(path), given, wanted, executor, program=program)
    finally:
        paddle.disable_static()


def _fed(graph: Graph, values: dict[Variable, Any], ops: list[Any], variable: Variable) -> Any:
    """A place to feed `variable`; who read it reads that. An input of the network is one already."""
    if variable in graph.inputs:
        return values[variable]
    value = values[variable]
    pir.set_insertion_point(ops[0])
    given = paddle.static.data(f"v{variable}", list(graph.shapes[variable]), value.dtype)
    value.replace_all_uses_with(given)
    values[variable] = given
    return given


def _as_products(op: Any) -> Any:
    """Put two products with constant matrices in the place of an interpolation: oneDNN does not run one of a program
    like this, and where it does, it means something else by the nearest cell."""
    attrs, source, result = op.attrs(), op.operands_source()[0], op.results()[0]
    if attrs["data_format"] != "NCHW" or len(source.shape) != 4 or -1 in (*source.shape, *result.shape):
        return result
    kernel = getattr(paddle._C_ops, op.name().removeprefix("pd_op."))
    method, corners, mode = attrs["interp_method"], attrs["align_corners"], attrs["align_mode"]
    scales, matrices = attrs["scale"] or [0.0, 0.0], []
    for before, after, scale in zip(source.shape[2:], result.shape[2:], scales, strict=True):
        # what becomes of each cell of a column of images, one of which is 1
        size = [after, 1, [scale, 1.0]] if scale else [after, 1, []]
        with paddle.base.dygraph.guard():
            cells = paddle.to_tensor(np.eye(before, dtype=np.float32).reshape(before, 1, before, 1))
            found = kernel(cells, None, None, None, "NCHW", -1, *size, method, corners, mode)
            matrices.append(found.numpy().reshape(before, after))
    if max(matrix.nbytes for matrix in matrices) > LARGEST_CONSTANT:
        return result
    pir.set_insertion_point(op)
    rows, columns = (paddle.assign(matrix) for matrix in matrices)
    flat = paddle.reshape(source, [-1, *source.shape[2:]])
    product = paddle.matmul(paddle.matmul(rows, flat, transpose_x=True), columns)
    same = paddle.reshape(product, result.shape)
    result.replace_all_uses_with(same)
    return same


def _as_maximum(op: Any) -> Any:
    """A leaky ReLU behind a convolution kills the process when oneDNN fuses the two; max(x, slope * x) does not."""
    source, result, slope = op.operands_source()[0], op.results()[0], op.attrs()["negative_slope"]
    if not 0 <= slope <= 1:
        return result
    pir.set_insertion_point(op)
    same = paddle.maximum(source, source * slope)
    result.replace_all_uses_with(same)
    return same


def _of_flat(op: Any) -> Any:
    """oneDNN's product does not heed the order in which its convolution left the cells of four axes; a change of
    shape puts them in order."""
    for j, source in enumerate(op.operands_source()):
        if len(source.shape) == 4 and -1 not in source.shape:
            pir.set_insertion_point(op)
            op.operand(j).set_source(
                paddle.reshape(paddle.reshape(source, [-1, *source.shape[2:]]), source.shape)
            )
    return op.results()[0]


# Operators that Paddle Inference runs wrongly, or not at all, with oneDNN: each is given another form, that says the same.
WAYS_ROUND: dict[str, Callable[[Any], Any]] = {
    "pd_op.nearest_interp": _as_products,
    "pd_op.bilinear_interp": _as_products,
    "pd_op.bicubic_interp": _as_products,
    "pd_op.leaky_relu": _as_maximum,
    "pd_op.matmul": _of_flat,
}


def _edited(graph: Graph, values: dict[Variable, Any], ops: list[Any], mask: Mask | Mix) -> list[Any]:
    """Let the operator read something else; what is to be fed for it."""
    value, op = values[mask.variable], _reader(ops[graph.operators[mask.operator].place])
    pir.set_insertion_point(op)
    if isinstance(mask, Mask):
        given = [paddle.static.data(mask.name, list(mask.shape), value.dtype)]
        product = paddle.multiply(value, given[0])
    else:
        given, product = _mixed(value, graph.shapes[mask.variable], mask)
    for j, source in enumerate(op.operands_source()):
        if source.initialized() and source.is_same(value):
            op.operand(j).set_source(product)
    return given


def _reader(op: Any) -> Any:
    """What takes the values: of an operator that takes them as a list, as an einsum does, what makes the list."""
    made = [source.get_defining_op() for source in op.operands_source() if source.initialized()]
    return next((other for other in made if other is not None and other.name() == "builtin.combine"), op)


def _mixed(value: Any, shape: tuple[int, ...], mix: Mix) -> tuple[list[Any], Any]:
    channels = shape[-1] if mix.last else shape[1]
    matrix = paddle.static.data(mix.name, [channels, channels], value.dtype)
    shift = paddle.static.data(mix.shift, list(mix.shape(channels)), value.dtype)
    if mix.last:
        return [matrix, shift], paddle.matmul(value, matrix, transpose_y=True) + shift
    flat = paddle.reshape(value, [shape[0], channels, -1])
    return [matrix, shift], paddle.reshape(paddle.matmul(matrix, flat) + shift, list(shape))
