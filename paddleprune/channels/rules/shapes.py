"""Operators that change a shape or the order of axes: what they do to data, they do to atoms."""

import numpy as np

from ...graph.ir import Operator
from ..walk import Refused, Rule, View, Walk

LARGEST = 5 * 10**7  # cells of an array of atoms


def reshape(walk: Walk, op: Operator) -> None:
    source, out = op.input(0), op.outputs[0]
    if source in walk.views:
        walk.views[out] = _viewed(walk.views[source], walk.shape(source), walk.shape(out))
    elif source in walk.atoms:
        walk.put(out, reshaped(walk, walk.atoms[source], walk.shape(source), walk.shape(out)))


def _viewed(view: View, before: tuple[int, ...], after: tuple[int, ...]) -> View:
    """A parameter to which axes of length 1 were added, or taken from."""
    long = [axis for axis, n in zip(view.axes, before, strict=True) if n > 1]
    if [n for n in before if n > 1] != [n for n in after if n > 1]:
        raise Refused("a parameter is brought into another shape before a layer has it")
    rest = iter(long)
    return View(view.name, tuple(next(rest) if n > 1 else None for n in after))


def reshaped(walk: Walk, atoms: np.ndarray, before: tuple[int, ...], after: tuple[int, ...]) -> np.ndarray:
    """Atoms of a variable of shape `before`, after a reshape."""
    if min(*before, *after, 0) < 0:
        raise Refused("it is brought into a shape that is known only when it runs")
    parts, lengths = [], []
    for ins, outs in _blocks(before, after):
        own = [atoms.shape[axis] for axis in ins]
        wide = any(n > 1 for n in own)
        parts.append([before[axis] if wide else 1 for axis in ins])
        lengths.append([after[axis] if wide else 1 for axis in outs])
    whole = [n for part in parts for n in part]
    if np.prod(whole, dtype=float) > LARGEST:
        raise Refused("it is brought into a shape of too many cells to follow")
    moved = np.broadcast_to(atoms, whole).reshape([n for part in lengths for n in part])
    axis = 0
    for (ins, outs), length in zip(_blocks(before, after), lengths, strict=True):
        if sum(before[i] > 1 for i in ins) == 1:
            _tie_parts(walk, moved, range(axis, axis + len(outs)))
        axis += len(length)
    return _narrowed(walk, moved)


def _blocks(before: tuple[int, ...], after: tuple[int, ...]) -> list[tuple[list[int], list[int]]]:
    """Axes of both shapes in the smallest runs of equal product: (4, 6, 5) -> (4, 2, 3, 5) is 4 -> 4, 6 -> 2 * 3, 5 -> 5."""
    blocks: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(before) or j < len(after):
        ins: list[int] = []
        outs: list[int] = []
        a = b = 1
        while a != b or not (ins and outs):
            if (a <= b and i < len(before)) or j >= len(after):
                if i >= len(before):
                    break
                a *= before[i]
                ins.append(i)
                i += 1
            else:
                b *= after[j]
                outs.append(j)
                j += 1
        blocks.append((ins, outs))
    return blocks


def _tie_parts(walk: Walk, atoms: np.ndarray, axes: range) -> None:
    """One axis became several: of these the longest is the one that may become narrower."""
    long = [axis for axis in axes if atoms.shape[axis] > 1]
    free = max(long, key=lambda axis: atoms.shape[axis], default=None)
    for axis in long:
        if axis != free:
            walk.tie(atoms, axis)


def _narrowed(walk: Walk, atoms: np.ndarray) -> np.ndarray:
    """The same array, 1 long on the axes along which it does not change."""
    atoms = walk.roots(atoms)
    for axis, n in enumerate(atoms.shape):
        first = atoms.take([0], axis)
        if n > 1 and (atoms == first).all():
            atoms = first
    return atoms


def transpose(walk: Walk, op: Operator) -> None:
    source, out = op.input(0), op.outputs[0]
    if source in walk.views:
        view = walk.views[source]
        walk.views[out] = View(view.name, tuple(view.axes[axis] for axis in op.attrs["perm"]))
    elif source in walk.atoms:
        walk.put(out, walk.atoms[source].transpose(op.attrs["perm"]))


def expand(walk: Walk, op: Operator) -> None:
    """expand, expand_as and tile: an axis without channels is repeated, or one is put in front."""
    source, out = op.input(0), op.outputs[0]
    rank = len(walk.shape(out))
    if source in walk.views:
        view = walk.views[source]
        walk.views[out] = View(view.name, (None,) * (rank - len(view.axes)) + view.axes)
    elif source in walk.atoms:
        atoms = walk.atoms[source]
        atoms = atoms.reshape((1,) * (rank - atoms.ndim) + atoms.shape)
        for axis, n in enumerate(atoms.shape):
            if n > 1 and walk.shape(out)[axis] != n:
                atoms = np.concatenate([atoms] * (walk.shape(out)[axis] // n), axis)
        walk.put(out, atoms)


SHAPES = "reshape flatten squeeze unsqueeze reshape_ flatten_ squeeze_ unsqueeze_".split()
RULES: dict[str, Rule] = {
    **dict.fromkeys(SHAPES, reshape),
    **dict.fromkeys(("expand", "expand_as", "tile"), expand),
    "transpose": transpose,
}
