"""Operators that cut, join and turn: what they do to data, they do to atoms (others that move: shapes.py).

Some of them hold numbers that stand for "all that is there", and which change with the width: `x[:, : c // 2]`,
`x.reshape([n, 2, c // 2, h, w])`. After pruning the same code cuts elsewhere, so channels that take the same place
in each part are tied: then equal parts stay equal. Where the numbers are really fixed, that is found by
trying (pruning/sound.py).
"""

import numpy as np

from ...graph.ir import Operator, Variable
from ..walk import Refused, Rule, Walk
from .points import merged


def concat(walk: Walk, op: Operator) -> None:
    variables, out = op.inputs[0], op.outputs[0]
    rank = len(walk.shape(out))
    axis = int(op.values[1] if 1 in op.values else op.attrs.get("axis", 0)) % rank
    _join(walk, op, variables, axis, rank, [walk.shape(v)[axis] for v in variables])


def stack(walk: Walk, op: Operator) -> None:
    variables, rank = op.inputs[0], len(walk.shape(op.outputs[0]))
    axis = int(op.attrs["axis"]) % rank
    for variable in variables:
        if variable in walk.atoms:
            atoms = np.expand_dims(walk.atoms[variable], axis)
            base = np.expand_dims(next(walk.atoms[v] for v in variables if v in walk.atoms), axis)
            if atoms.shape != base.shape:
                raise Refused("it is stacked with other channels")
            walk.merge(base.ravel(), atoms.ravel())
            walk.put(op.outputs[0], base)


def _join(
    walk: Walk, op: Operator, variables: tuple[Variable, ...], axis: int, rank: int, lengths: list[int]
) -> None:
    if not any(v in walk.atoms for v in variables):
        if any(v in walk.views for v in variables):
            merged(walk, variables, rank, op)
        return
    base = merged(walk, variables, rank, op, apart=axis)
    assert base is not None
    across = [1 if other == axis else n for other, n in enumerate(base.shape)]
    along = any(walk.atoms[v].shape[axis] > 1 for v in variables if v in walk.atoms)
    if not along and any(n > 1 for n in across):  # laid side by side on an axis without channels
        for variable in variables:
            if variable in walk.atoms:
                atoms = walk.atoms[variable]
                if atoms.size > 1:
                    walk.merge(base.ravel(), np.broadcast_to(atoms, base.shape).ravel())
        walk.put(op.outputs[0], base)
        return
    if any(n > 1 for n in across):
        raise Refused("it is concatenated along mixed axes")
    parts = []
    for variable, length in zip(variables, lengths, strict=True):
        if variable in walk.atoms:
            parts.append(np.broadcast_to(walk.atoms[variable].ravel(), length))
        else:
            parts.append(walk.new(length))
            walk.lock(parts[-1], "where its channels come from is unknown")
    walk.put(op.outputs[0], np.concatenate(parts), axis)


def split(walk: Walk, op: Operator) -> None:
    """Equal parts stay equal; unequal ones are taken as they are."""
    source = op.input(0)
    if source not in walk.atoms:
        return _lost(walk, op)
    atoms, last = walk.atoms[source], len(op.inputs) - 1
    axis = int(op.values.get(last, op.attrs.get("axis", 0))) % atoms.ndim
    lengths = [walk.shape(out)[axis] for out in op.outputs]
    if atoms.shape[axis] == 1:
        for out in op.outputs:
            walk.put(out, atoms)
        return None
    if len(set(lengths)) == 1:
        walk.tie(_in_parts(atoms, axis, len(lengths)), axis)
    for out, part in zip(op.outputs, np.split(atoms, np.cumsum(lengths)[:-1], axis), strict=True):
        walk.put(out, part)
    return None


def unbind(walk: Walk, op: Operator) -> None:
    source = op.input(0)
    if source not in walk.atoms:
        return _lost(walk, op)
    atoms = walk.atoms[source]
    axis = int(op.attrs["axis"]) % atoms.ndim
    if atoms.shape[axis] > 1:
        raise Refused("single channels are picked out")
    for out in op.outputs:
        walk.put(out, atoms.squeeze(axis))
    return None


def _in_parts(atoms: np.ndarray, axis: int, parts: int) -> np.ndarray:
    """An axis of c as one of `parts` and one of c / parts."""
    return atoms.reshape(*atoms.shape[:axis], parts, -1, *atoms.shape[axis + 1 :])


def cut(walk: Walk, op: Operator) -> None:
    """slice and strided_slice."""
    source, out = op.input(0), op.outputs[0]
    if source not in walk.atoms:
        return _lost(walk, op)
    atoms = walk.atoms[source]
    dropped = op.attrs.get("decrease_axis") or []
    for number, axis in enumerate(op.attrs["axes"]):
        axis %= atoms.ndim
        if atoms.shape[axis] == 1:
            continue
        if any(operand not in op.values for operand in (1, 2)):
            raise Refused("it is sliced at computed places")
        if axis in dropped:
            raise Refused("a single channel is picked out")
        step = op.values[3][number] if 3 in op.values else 1
        atoms = _cut(walk, atoms, axis, op.values[1][number], op.values[2][number], step)
    if dropped:
        atoms = atoms.reshape([n for axis, n in enumerate(atoms.shape) if axis not in dropped])
    walk.put(out, atoms)
    return None


def _cut(walk: Walk, atoms: np.ndarray, axis: int, start: int, stop: int, step: int) -> np.ndarray:
    count = atoms.shape[axis]
    first, last, step = slice(start, stop, step).indices(count)
    width = last - first
    if step > 1 and count % step == 0:
        walk.tie(_in_parts(atoms, axis, count // step), axis + 1)
    elif step == 1 and width > 0 and count % width == 0 and first % width == 0:
        walk.tie(_in_parts(atoms, axis, count // width), axis)  # equal parts stay equal
    return atoms.take(range(first, last, step), axis)


def flip(walk: Walk, op: Operator) -> None:
    if op.input(0) not in walk.atoms:
        return _lost(walk, op)
    walk.put(op.outputs[0], np.flip(walk.atoms[op.input(0)], op.attrs["axis"]))
    return None


def roll(walk: Walk, op: Operator) -> None:
    if op.input(0) not in walk.atoms:
        return _lost(walk, op)
    atoms, axes = walk.atoms[op.input(0)], op.attrs["axis"]
    if not axes or 1 not in op.values:
        raise Refused("it is rolled over all axes, or by a computed number")
    shifts = [shift if atoms.shape[axis] > 1 else 0 for shift, axis in zip(op.values[1], axes, strict=True)]
    walk.put(op.outputs[0], np.roll(atoms, shifts, axes))
    return None


def pixel_shuffle(walk: Walk, op: Operator) -> None:
    """Channels (c, r, r) -> c channels of a larger image."""
    atoms, factor = _channels(walk, op), op.attrs["upscale_factor"]
    rows = atoms.reshape(-1, factor * factor)
    walk.tie(rows, 1)
    walk.put(op.outputs[0], rows[:, 0], 1)


def pixel_unshuffle(walk: Walk, op: Operator) -> None:
    """c channels -> (c, r, r) channels of a smaller image."""
    walk.put(op.outputs[0], np.repeat(_channels(walk, op), op.attrs["downscale_factor"] ** 2), 1)


def space_to_depth(walk: Walk, op: Operator) -> None:
    atoms, block = _channels(walk, op), op.attrs["blocksize"]
    walk.put(op.outputs[0], np.tile(atoms, block * block), 1)


def channel_shuffle(walk: Walk, op: Operator) -> None:
    rows = _channels(walk, op).reshape(int(op.attrs.get("groups", op.attrs.get("group", 1))), -1)
    walk.tie(rows, 0)
    walk.put(op.outputs[0], rows.T.ravel(), 1)


def _channels(walk: Walk, op: Operator) -> np.ndarray:
    if op.attrs.get("data_format", "NCHW") != "NCHW":
        raise Refused(f"'{op.kind}' of the data format {op.attrs['data_format']} has no rule")
    source = op.input(0)
    return walk.array(source, 1)


def pad(walk: Walk, op: Operator) -> None:
    """pad: paddings of all axes, front and back."""
    source = op.input(0)
    if source not in walk.atoms:
        return _lost(walk, op)
    atoms = walk.atoms[source]
    widths = np.reshape(op.attrs["paddings"], (-1, 2))
    if any(width.any() and n > 1 for width, n in zip(widths, atoms.shape, strict=True)):
        raise Refused("channels are added to it by padding")
    walk.put(op.outputs[0], atoms)
    return None


def unfold(walk: Walk, op: Operator) -> None:
    """A window's places behind each other, channel by channel; `fold` puts them back."""
    source = op.input(0)
    if source not in walk.atoms:
        return
    atoms, places = walk.array(source, 1), int(np.prod(op.attrs["kernel_sizes"]))
    if op.kind == "unfold":
        walk.put(op.outputs[0], np.repeat(atoms, places), 1)
    else:
        windows = atoms.reshape(-1, places)
        walk.tie(windows, 1)
        walk.put(op.outputs[0], windows[:, 0], 1)


def _lost(walk: Walk, op: Operator) -> None:
    """Of a parameter that is cut or turned, no axis can be followed."""
    source = op.input(0)
    if source in walk.views:
        raise Refused(f"a parameter goes through '{op.kind}' before a layer has it")


RULES: dict[str, Rule] = {
    "concat": concat,
    "stack": stack,
    "split": split,
    "split_with_num": split,
    "unbind": unbind,
    "unstack": unbind,
    "slice": cut,
    "strided_slice": cut,
    "flip": flip,
    "roll": roll,
    "pixel_shuffle": pixel_shuffle,
    "pixel_unshuffle": pixel_unshuffle,
    "space_to_depth": space_to_depth,
    "channel_shuffle": channel_shuffle,
    "shuffle_channel": channel_shuffle,
    "pad": pad,
    "unfold": unfold,
    "fold": unfold,
}
