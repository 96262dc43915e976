"""Operators that run over an axis: channels on it are locked, others pass."""

from collections.abc import Iterable

import numpy as np

from ...graph.ir import Operator
from ..walk import Refused, Rule, Walk, why
from .points import merged, pass_on

OVER_AXIS = (
    "softmax log_softmax cumsum cumprod logcumsumexp argsort topk gumbel_softmax kthvalue mode cummax".split()
)
REDUCE = """mean sum max min amax amin prod any all logsumexp argmax argmin p_norm frobenius_norm reduce_as
    median nanmedian mean_all""".split()
IMAGES = """pool2d pool3d max_pool2d_with_index max_pool3d_with_index nearest_interp bilinear_interp bicubic_interp
    linear_interp trilinear_interp pad3d lp_pool2d""".split()


def over_axis(walk: Walk, op: Operator) -> None:
    source = op.input(0)
    if source in walk.views:
        raise Refused(f"'{op.kind}' computes with its values before a layer has them")
    if source in walk.atoms:
        atoms = walk.atoms[source]
        if atoms.shape[int(op.attrs.get("axis", -1)) % atoms.ndim] > 1:
            raise Refused(f"'{op.kind}' runs over its channels")
        for out in op.outputs:
            if len(walk.shape(out)) == atoms.ndim:
                walk.put(out, atoms)


def reduce(walk: Walk, op: Operator) -> None:
    source, out = op.input(0), op.outputs[0]
    if source in walk.views:
        raise Refused(f"'{op.kind}' computes with its values before a layer has them")
    if source not in walk.atoms:
        return
    atoms = walk.atoms[source]
    dims = {d % atoms.ndim for d in _dims(op)} or set(range(atoms.ndim))
    if any(atoms.shape[d] > 1 for d in dims):
        raise Refused(f"'{op.kind}' runs over its channels")
    if len(walk.shape(out)) != atoms.ndim:
        atoms = atoms.reshape([n for axis, n in enumerate(atoms.shape) if axis not in dims])
    walk.put(out, atoms)


def _dims(op: Operator) -> list[int]:
    given = op.values.get(1, op.attrs.get("axis", op.attrs.get("dims", op.attrs.get("axes"))))
    if given is None:
        return []
    return [int(d) for d in np.atleast_1d(given)]


def on_images(walk: Walk, op: Operator) -> None:
    """Works on each channel's image alone."""
    source = op.input(0)
    if source not in walk.atoms:
        return
    rank = len(walk.shape(source))
    axis = 1 if op.attrs.get("data_format", "NCHW").startswith("NC") else rank - 1
    atoms = walk.array(source, axis)
    for out in op.outputs:
        if out in walk.graph.shapes and len(walk.shape(out)) == rank and walk.shape(out)[axis] == len(atoms):
            walk.put(out, atoms, axis)


def unpool(walk: Walk, op: Operator) -> None:
    """Values go where the indices of a pooling say: the two have the same channels."""
    source = op.input(0)
    atoms = merged(walk, [v for operand in op.inputs[:2] for v in operand], len(walk.shape(source)), op)
    if atoms is not None:
        walk.put(op.outputs[0], atoms)


def layer_norm(walk: Walk, op: Operator) -> None:
    source = op.input(0)
    if source in walk.atoms:
        first = op.attrs["begin_norm_axis"] if op.kind == "layer_norm" else 1
        if any(n > 1 for n in walk.atoms[source].shape[first:]):
            walk.lock(walk.atoms[source].ravel(), why(op, "computes statistics over several channels"))
        walk.put(op.outputs[0], walk.atoms[source])
    for operand in op.inputs[1:]:
        for variable in operand:
            if variable in walk.views:
                walk.refused.setdefault(walk.views[variable].name, f"'{op.kind}' needs all of its channels")


def grid_sample(walk: Walk, op: Operator) -> None:
    """Reads images at places; the two numbers of a place are no channels."""
    grid = op.input(1)
    if grid in walk.atoms:
        walk.lock(walk.atoms[grid].ravel(), why(op, "takes it for places"))
    pass_on(walk, op)


def maxout(walk: Walk, op: Operator) -> None:
    """The largest of neighbouring channels: they go together."""
    source, axis = op.input(0), int(op.attrs["axis"])
    if source in walk.atoms:
        neighbours = walk.array(source, axis).reshape(-1, int(op.attrs["groups"]))
        walk.tie(neighbours, 1)
        walk.put(op.outputs[0], neighbours[:, 0], axis)


def pick(walk: Walk, op: Operator) -> None:
    """index_select and gather on an axis without channels."""
    source = op.input(0)
    if source not in walk.atoms:
        if source in walk.views:
            raise Refused(f"a parameter goes through '{op.kind}' before a layer has it")
        return
    atoms = walk.atoms[source]
    axis = int(op.values.get(2, op.attrs.get("axis", 0))) % atoms.ndim
    if atoms.shape[axis] > 1:
        raise Refused("single channels are picked out")
    if len(walk.shape(op.outputs[0])) == atoms.ndim:
        walk.put(op.outputs[0], atoms)


def decided(walk: Walk, op: Operator) -> None:
    """A branch or a loop."""
    raise Refused("what is computed with it is decided by a tensor's value")


def _all(kinds: Iterable[str], rule: Rule) -> dict[str, Rule]:
    return dict.fromkeys(kinds, rule)


RULES: dict[str, Rule] = {
    **_all(OVER_AXIS, over_axis),
    **_all(REDUCE, reduce),
    **_all(IMAGES, on_images),
    **_all(("unpool", "unpool3d"), unpool),
    **_all(("layer_norm", "group_norm", "rms_norm"), layer_norm),
    **_all(("gather", "index_select"), pick),
    **_all(("if", "while"), decided),
    "grid_sample": grid_sample,
    "maxout": maxout,
}
