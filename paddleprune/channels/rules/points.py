"""Operators that work on each cell alone, or on corresponding cells of several variables."""

from collections.abc import Sequence

import numpy as np

from ...graph.ir import Operator, Variable
from ..walk import Refused, Rule, Walk

PASS = """relu relu6 leaky_relu elu celu selu gelu sigmoid hardsigmoid logsigmoid tanh tanh_shrink swish silu
    hardswish mish softplus softsign softshrink hardshrink hardtanh thresholded_relu stanh exp expm1 log log2 log10
    log1p sqrt rsqrt square reciprocal abs sign floor ceil round sin cos tan erf pow clip scale cast assign dropout
    logical_not isnan isinf isfinite share_data_ relu_ sigmoid_ scale_ clip_ tanh_ assign_out_ bitwise_not""".split()
POINTWISE = """add subtract multiply divide maximum minimum fmax fmin elementwise_pow floor_divide remainder where
    greater_than greater_equal less_than less_equal equal not_equal logical_and logical_or logical_xor
    add_ subtract_ multiply_ divide_ bitwise_and bitwise_or atan2 lerp""".split()
# Read only the shape: nothing of a channel passes through them.
SHAPE_ONLY = """shape shape64 full_like full full_int_array full_with_tensor full_batch_size_like arange linspace
    meshgrid assign_value assign_value_ numel gaussian uniform randint bernoulli eye tril_indices""".split()


def pass_on(walk: Walk, op: Operator) -> None:
    """The first result has the cells of the first operand."""
    source = op.input(0)
    if source in walk.atoms:
        walk.put(op.outputs[0], walk.atoms[source])
    elif source in walk.views and walk.shape(op.outputs[0]) == walk.shape(source):
        if op.kind not in ("assign", "cast", "share_data_"):
            raise Refused(f"its values go through '{op.kind}' before a layer has them")
        walk.views[op.outputs[0]] = walk.views[source]


def pointwise(walk: Walk, op: Operator) -> None:
    """Corresponding cells of all operands become one."""
    atoms = merged(walk, [v for operand in op.inputs for v in operand], len(walk.shape(op.outputs[0])), op)
    if atoms is not None:
        walk.put(op.outputs[0], atoms)


def merged(
    walk: Walk, variables: Sequence[Variable], rank: int, op: Operator, apart: int | None = None
) -> np.ndarray | None:
    """Merge what variables hold, after broadcasting them to `rank` axes; the atoms, or None if there are none.
    Along the axis `apart` their cells do not correspond, and are not looked at."""
    known = {v: _broadcast(walk.atoms[v], rank) for v in variables if v in walk.atoms}
    if not known:
        for variable in variables:
            if variable in walk.views:
                reason = f"'{op.kind}' computes with its values before a layer has them"
                walk.refuse(walk.views[variable].name, reason)
        return None
    wide = {
        v: {axis for axis, n in enumerate(atoms.shape) if n > 1 and axis != apart}
        for v, atoms in known.items()
    }
    widest = max(wide.values(), key=len)
    if any(not axes <= widest for axes in wide.values()):
        raise Refused(f"'{op.kind}' pairs channels with another axis")
    base = next(atoms for v, atoms in known.items() if wide[v] == widest)
    for variable, atoms in known.items():
        shape = (1,) * (rank - len(walk.shape(variable))) + walk.shape(variable)
        one_for_all = not wide[variable] and all(shape[axis] == 1 for axis in widest)
        if atoms is not base and apart is None and not (widest and one_for_all):
            walk.merge(base.ravel(), np.broadcast_to(atoms, base.shape).ravel())
    for variable in variables:
        if variable not in walk.atoms and variable not in walk.free:
            _accompany(walk, variable, base, widest, rank, op)
    return base


def _broadcast(atoms: np.ndarray, rank: int) -> np.ndarray:
    return atoms.reshape((1,) * (rank - atoms.ndim) + atoms.shape)


def _accompany(
    walk: Walk, variable: Variable, base: np.ndarray, wide: set[int], rank: int, op: Operator
) -> None:
    """A parameter that meets channels has as many of them; a vector of which nothing is known locks them."""
    shape = walk.shape(variable)
    met = [axis for axis in wide if axis - (rank - len(shape)) >= 0 and shape[axis - rank] != 1]
    if not met:
        return
    view = walk.views.get(variable)
    axis = view.axes[met[0] - rank] if view is not None else None
    if len(met) > 1 or len(wide) > 1 or view is None or axis is None:
        raise Refused(f"'{op.kind}' takes a vector whose channels are unknown")
    walk.slot(view.name, axis, "follow", base.ravel())


def shape_only(walk: Walk, op: Operator) -> None:
    """Nothing of a channel's values is in the result. If it is as long as the channels, whether it follows their number
    is found by trying (pruning/sound.py)."""
    walk.free.update(op.outputs)


RULES: dict[str, Rule] = {
    **dict.fromkeys(PASS, pass_on),
    **dict.fromkeys(POINTWISE, pointwise),
    **dict.fromkeys(SHAPE_ONLY, shape_only),
}
