"""Operators that own parameters: they say which axis of which is what."""

import numpy as np

from ...graph.ir import Operator, Variable
from ..walk import Refused, Rule, View, Walk, on_axis, why
from .points import pass_on
from .products import product


def conv(walk: Walk, op: Operator) -> None:
    """Convolutions of one to three dimensions, and transposed ones; in groups, and depthwise."""
    source, weight, out = op.input(0), op.input(1), op.outputs[0]
    view = walk.views.get(weight)
    if view is None:
        raise Refused("its weight is computed by another operator")
    transposed, groups, shape = "transpose" in op.kind, op.attrs["groups"], walk.shape(weight)
    axis = 1 if op.attrs["data_format"].startswith("NC") or op.attrs["data_format"] == "AnyLayout" else -1
    counted = source if transposed else out
    walk.layer(view.name, int(np.prod(walk.shape(counted))) // walk.shape(counted)[axis])
    x = walk.array(source, axis)
    a, b = view.axes[:2]
    per_group = len(x) // groups
    if groups > 1 and per_group == 1 and (not transposed or shape[1] == 1):
        atoms = _depthwise(walk, view.name, a, x, 1 if transposed else shape[0] // groups)
    elif groups > 1 and transposed:
        raise Refused("a grouped transposed convolution has no rule")
    else:
        into, made = (a, b) if transposed else (b, a)
        walk.tie(x.reshape(groups, -1), 0)
        _into(walk, view.name, into, x[:per_group])
        walk.read(source, on_axis(x, axis, len(walk.shape(source))))
        atoms = _made(walk, view.name, made, shape[1 if transposed else 0])
        walk.tie(atoms.reshape(groups, -1), 0)
    walk.put(out, atoms, axis)


def deformable(walk: Walk, op: Operator) -> None:
    """A convolution that reads where its offsets say; the numbers of a place, and of how much it counts, are no channels."""
    source, weight, out = op.input(0), op.input(2), op.outputs[0]
    view = walk.views.get(weight)
    if view is None:
        raise Refused("its weight is computed by another operator")
    if op.attrs["groups"] > 1 or op.attrs["deformable_groups"] > 1:
        raise Refused("a deformable convolution in groups has no rule")
    for places in (op.input(1), op.input(3)):
        if places in walk.atoms:
            walk.lock(walk.atoms[places].ravel(), why(op, "takes it for places"))
    walk.layer(view.name, int(np.prod(walk.shape(out))) // walk.shape(out)[1])
    x = walk.array(source, 1)
    _into(walk, view.name, view.axes[1], x)
    walk.read(source, on_axis(x, 1, len(walk.shape(source))))
    walk.put(out, _made(walk, view.name, view.axes[0], walk.shape(out)[1]), 1)


def _depthwise(walk: Walk, name: str, axis: int | None, x: np.ndarray, multiplier: int) -> np.ndarray:
    atoms = np.repeat(x, multiplier)
    if axis is None:
        walk.lock(atoms, "its channel has a weight of one number")
        return atoms
    walk.slot(name, axis, "follow", atoms)
    return atoms


def _into(walk: Walk, name: str, axis: int | None, atoms: np.ndarray) -> None:
    """A weight reads these; of one channel there is nothing to remove."""
    if axis is None:
        walk.lock(atoms, "it is read as one channel")
    else:
        walk.slot(name, axis, "in", atoms)


def _made(walk: Walk, name: str, axis: int | None, length: int) -> np.ndarray:
    atoms = walk.new(length) if axis is None else walk.slot(name, axis, "out", length=length)
    if length == 1:
        walk.alone.append(atoms)
    return atoms


def matmul(walk: Walk, op: Operator) -> None:
    x, y = op.input(0), op.input(1)
    turn_x, turn_y = op.attrs.get("transpose_x", False), op.attrs.get("transpose_y", False)
    if y in walk.views and x not in walk.views:
        _linear(walk, op, x, walk.views[y], walk.shape(y), turn_x, turn_y)
    elif x in walk.views or y in walk.views:
        raise Refused("its weight stands on the left of the product")
    else:
        product(walk, op, x, y, turn_x, turn_y)


def _linear(
    walk: Walk, op: Operator, x: Variable, view: View, shape: tuple[int, ...], turn_x: bool, turn_y: bool
) -> None:
    if len(shape) != 2:
        raise Refused("it is multiplied with a weight that has not two axes")
    rank, out = len(walk.shape(x)), op.outputs[0]
    made_shape = walk.shape(out)
    walk.layer(view.name, int(np.prod(made_shape)) // made_shape[-1])
    into, made = (view.axes[1], view.axes[0]) if turn_y else view.axes
    length = shape[0] if turn_y else shape[1]
    axis = rank - 2 if turn_x and rank > 1 else rank - 1
    known = walk.atoms.get(x)
    others = known is not None and any(n > 1 for other, n in enumerate(known.shape) if other != axis)
    if others or (known is not None and known.shape[axis] == 1 and known.size == 1 and shape[0] > 1):
        raise Refused("a linear layer runs over another axis than the channels'")
    atoms = walk.array(x, axis)
    _into(walk, view.name, into, atoms)
    walk.read(x, on_axis(atoms, axis, rank))
    walk.put(out, _made(walk, view.name, made, length), -1)


def batch_norm(walk: Walk, op: Operator) -> None:
    _norm(walk, op, {1: "follow", 2: "follow", 3: "scale", 4: "follow"})


def instance_norm(walk: Walk, op: Operator) -> None:
    _norm(walk, op, {1: "scale", 2: "follow"})


def _norm(walk: Walk, op: Operator, roles: dict[int, str]) -> None:
    source = op.input(0)
    given = {operand: op.input(operand) for operand in roles}
    found = {operand: walk.views.get(v) for operand, v in given.items() if v}
    if any(view is None for view in found.values()):
        raise Refused(f"'{op.kind}' with a computed scale has no rule")
    axis = 1 if op.attrs.get("data_format", "NCHW").startswith("NC") else -1
    atoms = walk.array(source, axis)
    for operand, view in found.items():
        assert view is not None
        if view.axes[0] is not None:
            walk.slot(view.name, view.axes[0], roles[operand], atoms)
    walk.put(op.outputs[0], atoms, axis)


def prelu(walk: Walk, op: Operator) -> None:
    source, alpha = op.input(0), op.input(1)
    if alpha and int(np.prod(walk.shape(alpha))) > 1:
        view = walk.views.get(alpha)
        axis = next((axis for axis, n in enumerate(walk.shape(alpha)) if n > 1), None)
        channels = 1 if op.attrs["data_format"].startswith("NC") else -1
        if view is None or axis is None or len(walk.shape(alpha)) != 1:
            raise Refused("a PReLU with a slope for each cell has no rule")
        walk.slot(view.name, axis, "follow", walk.array(source, channels))
    pass_on(walk, op)


def embedding(walk: Walk, op: Operator) -> None:
    view = walk.views.get(op.input(1))
    if view is None:
        raise Refused("its table is computed by another operator")
    walk.layer(view.name, 0)
    walk.put(op.outputs[0], _made(walk, view.name, view.axes[1], walk.shape(op.outputs[0])[-1]), -1)


CONVOLUTIONS = (
    "conv2d depthwise_conv2d conv3d conv2d_transpose conv3d_transpose depthwise_conv2d_transpose".split()
)
RULES: dict[str, Rule] = {
    **dict.fromkeys(CONVOLUTIONS, conv),
    "deformable_conv": deformable,
    **dict.fromkeys(("matmul", "bmm", "mv"), matmul),
    **dict.fromkeys(("batch_norm_", "batch_norm", "sync_batch_norm_"), batch_norm),
    "instance_norm": instance_norm,
    "prelu": prelu,
    "embedding": embedding,
}
