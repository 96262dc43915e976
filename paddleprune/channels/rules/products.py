"""Products of activations, as in attention: what is summed over goes together."""

import numpy as np

from ...graph.ir import Operator, Variable
from ..walk import Refused, Rule, Walk


def product(walk: Walk, op: Operator, x: Variable, y: Variable, turn_x: bool, turn_y: bool) -> None:
    """A product of two activations by `matmul`."""
    left, right = (_last_two(walk, v, turn) for v, turn in ((x, turn_x), (y, not turn_y)))
    if left is None and right is None:
        return
    wide = [
        [axis - a.ndim for axis, n in enumerate(a.shape) if n > 1] if a is not None else []
        for a in (left, right)
    ]
    if wide == [[-1], [-1]]:
        assert left is not None
        assert right is not None
        walk.merge(left.ravel(), right.ravel())
        walk.read(x, walk.atoms[x], weighted=False)
    elif wide[1] in ([], [-2]) and wide[0] in ([], [-2]) and wide[0] != wide[1]:
        rank = len(walk.shape(op.outputs[0]))
        one = right if wide[1] else left
        assert one is not None
        walk.put(op.outputs[0], one.ravel(), -1 if wide[1] else -2 % rank)
    elif wide != [[], []]:
        raise Refused("a product of two activations pairs its channels with something else")


def _last_two(walk: Walk, variable: Variable, turn: bool) -> np.ndarray | None:
    """Atoms with the axis that is summed over last."""
    if variable not in walk.atoms:
        return None
    atoms = walk.atoms[variable]
    return np.swapaxes(atoms, -1, -2) if turn and atoms.ndim > 1 else atoms


def einsum(walk: Walk, op: Operator) -> None:
    """Channels are on one label: it is summed over, as in `bcn,bcm->bnm`, or passes, as in `bnm,bcm->bcn`."""
    sources, made = op.attrs["equation"].replace(" ", "").split("->")  # Paddle writes it out
    labels, given = sources.split(","), op.inputs[0]
    if any(variable in walk.views for variable in given):
        raise Refused("an einsum with a parameter has no rule")
    wide = [
        (variable, letters[axis], walk.atoms[variable])
        for variable, letters in zip(given, labels, strict=True)
        if variable in walk.atoms
        for axis, length in enumerate(walk.atoms[variable].shape)
        if length > 1 and axis < len(letters)
    ]
    if not wide:
        return
    first, label, atoms = wide[0]
    if any(len(set(letters)) < len(letters) for letters in labels):
        raise Refused("an einsum with a diagonal has no rule")
    if any(letter != label for _, letter, _ in wide) or len(wide) < sum(
        label in letters for letters in labels
    ):
        raise Refused("an einsum pairs its channels with something else")
    for _, _, others in wide[1:]:
        walk.merge(atoms.ravel(), others.ravel())
    if label in made:
        walk.put(op.outputs[0], atoms.ravel(), made.index(label))
    elif len(wide) == len(given) == 2:
        walk.read(first, atoms, weighted=False)
    else:
        raise Refused("an einsum sums over its channels")


RULES: dict[str, Rule] = {"einsum": einsum}
