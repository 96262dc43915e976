"""The walk over a graph's operators that tells which channels are one (see groups.py).

Every activation carries an array with the atom of each of its cells. It is 1 long on each axis along
which the atom does not change, which is most of them:

    x  [2, 8, 32, 32] of a convolution with 8 filters      atoms [1, 8, 1, 1]
    x.flatten(1)      [2, 8192]                            atoms [1, 8192], each atom 1024 times

So what moves data moves atoms, with the same call of numpy (rules/moves.py). What a parameter holds has atoms
on its axes instead, of which a VIEW remembers which is which through a transpose or an added axis.

To teach it an operator: a line in `PASS` or `POINTWISE` (rules/points.py), or a function in one of the tables
of rules/. A rule of the user's own is given to `find_groups`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..graph.ir import Graph, Operator, Variable
from .atoms import UnionFind


class Refused(Exception):
    """An operator that the walk cannot follow; the message says why."""


@dataclass(frozen=True)
class View:
    """A parameter, perhaps transposed or with axes of length 1 put in: `axes` of it, None for a new one."""

    name: str
    axes: tuple[int | None, ...]


@dataclass(frozen=True, eq=False)
class ReadAt:
    """Operator `number` reads `variable`, whose cells have these atoms. `weighted`: against a parameter."""

    number: int
    variable: Variable
    atoms: np.ndarray
    weighted: bool


def on_axis(atoms: np.ndarray, axis: int, rank: int) -> np.ndarray:
    """Atoms of the positions on one axis as an array of `rank` axes."""
    return atoms.reshape([-1 if other == axis % rank else 1 for other in range(rank)])


def why(op: Operator, what: str) -> str:
    """A reason with the line of the user's forward."""
    return f"'{op.kind}' {what}" + (f" ({op.line})" if op.line else "")


Rule = Callable[["Walk", Operator], None]


class Walk(UnionFind):
    """Result of the walk: `slots` [(parameter, axis, role, atoms)], `reads`, `layers` (weights in order),
    `positions` (weight -> output positions a sample), `refused` (weight -> why) and the union-find."""

    def __init__(self, graph: Graph, rules: Mapping[str, Rule], batch: int):
        super().__init__()
        self.rules, self.batch = rules, batch
        self.slots: list[tuple[str, int, str, np.ndarray]] = []
        self.at: dict[tuple[str, int], int] = {}  # number of the slot of an axis of a parameter
        self.reads: list[ReadAt] = []
        self.layers: list[str] = []
        self.positions: dict[str, int] = {}
        self.refused: dict[str, str] = {}
        self.alone: list[np.ndarray] = []  # layers of one channel
        self.seen: set[str] = set()
        self.follow(graph)

    def follow(self, graph: Graph, again: bool = False) -> None:
        """Walk a graph; `again`: that of another mode of the same network, whose own filters stay."""
        self.graph, self.again = graph, again
        self.atoms: dict[Variable, np.ndarray] = {}
        self.free: set[Variable] = set()  # made of shapes and numbers alone, no channel's values in them
        self.views = {
            variable: View(name, tuple(range(len(graph.shapes[variable]))))
            for variable, name in graph.parameters.items()
        }
        known = set(self.seen)
        self.seen |= set(graph.parameters.values())
        for variable in graph.inputs:
            self._input(variable)
        for number, operator in enumerate(graph.operators):
            self.number = number
            self._visit(operator)
        for variable in (*graph.outputs, *graph.helpers):
            if variable in self.atoms:
                self.lock(self.atoms[variable].ravel(), "its channels are the network's output")
        self._lock_helpers(known if again else None)
        for atoms in self.alone:
            self.lock(atoms, "it is one channel alone")

    def _input(self, variable: Variable) -> None:
        """Channels of an image or a vector; of three axes nobody knows which one has them."""
        shape = self.shape(variable)
        if len(shape) in (2, 4, 5):
            atoms = self.new(shape[1])
            self.lock(atoms, "it is the network's input")
            self.put(variable, atoms, 1)

    def _lock_helpers(self, known: set[str] | None) -> None:
        """Lock the filters that only training depends on: nothing would be won."""
        if known is None:
            helping = self.graph.needed_by(self.graph.helpers) - self.graph.needed_by(self.graph.outputs)
            names = {self.graph.parameters[v] for v in helping & set(self.graph.parameters)}
        else:
            names = set(self.graph.parameters.values()) - known
        for name, _, role, atoms in self.slots:
            if name in names and role == "out":
                self.lock(atoms, "it serves training alone")

    def _visit(self, operator: Operator) -> None:
        """Apply the operator's rule; where there is none, lock what it reads. What it makes is then unknown."""
        rule = self.rules.get(operator.kind)
        try:
            if rule is not None:
                rule(self, operator)
                if self._is_free(operator):
                    self.free.update(operator.outputs)
            elif any(v in self.atoms or v in self.views for v in operator.reads()):
                raise Refused(f"the operator '{operator.kind}' has no rule")
        except Refused as refused:
            reason = f"{refused} ({operator.line})" if operator.line else str(refused)
            for variable in operator.reads():
                if variable in self.atoms:
                    self.lock(self.atoms[variable].ravel(), reason)
                if variable in self.views:
                    self.refuse(self.views[variable].name, reason)

    def _is_free(self, operator: Operator) -> bool:
        known = set(operator.values)
        return all(i in known or self.free.issuperset(v) for i, v in enumerate(operator.inputs))

    def refuse(self, name: str, reason: str) -> None:
        """Keep a parameter whole."""
        self.refused.setdefault(name, reason)
        for slot, _, _, atoms in self.slots:
            if slot == name:
                self.lock(atoms, reason)

    # what rules ask ----------------------------------------------------------------------

    def shape(self, variable: Variable) -> tuple[int, ...]:
        return self.graph.shapes[variable]

    def array(self, variable: Variable, axis: int) -> np.ndarray:
        """Atoms of each position on `axis`, the only one with atoms; new locked ones where an operator
        lost track of them."""
        length = self.shape(variable)[axis]
        if variable not in self.atoms:
            atoms = self.new(length)
            self.lock(atoms, "where its channels come from is unknown")
            return atoms
        atoms = self.atoms[variable]
        if any(n > 1 for other, n in enumerate(atoms.shape) if other != axis % atoms.ndim):
            raise Refused("it runs over another axis than the channels'")
        return np.broadcast_to(atoms.ravel(), length)

    def put(self, variable: Variable, atoms: np.ndarray, axis: int | None = None) -> None:
        """Say what a variable's atoms are: a whole array, or those of one axis."""
        if axis is not None:
            atoms = on_axis(atoms, axis, len(self.shape(variable)))
        self.atoms[variable] = atoms

    def slot(
        self, name: str, axis: int, role: str, atoms: np.ndarray | None = None, length: int = 0
    ) -> np.ndarray:
        """Tie an axis of a parameter to atoms (new ones if None, `length` of them). A parameter that is used
        twice keeps its first atoms, merged with the new."""
        if (name, axis) in self.at:
            old = self.slots[self.at[name, axis]][3]
            if atoms is not None:
                self.merge(old, atoms)
            return old
        atoms = self.new(length) if atoms is None else np.array(atoms)
        self.at[name, axis] = len(self.slots)
        self.slots.append((name, axis, role, atoms))
        if name in self.refused:
            self.lock(atoms, self.refused[name])
        return atoms

    def tie(self, atoms: np.ndarray, axis: int) -> None:
        """Make one of all atoms along an axis."""
        rows = np.moveaxis(atoms, axis, 0).reshape(atoms.shape[axis], -1)
        for row in rows[1:]:
            self.merge(rows[0], row)

    def layer(self, name: str, positions: int) -> None:
        """A layer with a weight, that makes an output of so many positions in all samples."""
        if name not in self.layers:
            self.layers.append(name)
        if not self.again:
            self.positions[name] = self.positions.get(name, 0) + positions // self.batch

    def read(self, variable: Variable, atoms: np.ndarray, weighted: bool = True) -> None:
        """The operator reads these channels: here they count, and a mask of them would change its result."""
        if not self.again:
            self.reads.append(ReadAt(self.number, variable, atoms, weighted))

    def reason(self, name: str) -> str | None:
        """Why nothing of a parameter is in a group; None if something is."""
        if name in self.refused:
            return self.refused[name]
        own = [atoms for n, _, role, atoms in self.slots if n == name and role != "in"]
        reasons = [self.lock_of(atom) for atoms in own for atom in atoms]
        if None in reasons:
            return None
        if reasons:
            return reasons[0]
        return "no axis of it belongs to channels" if name in self.seen else "the forward does not use it"
