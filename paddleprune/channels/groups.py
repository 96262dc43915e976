"""Which channels must be removed together.

Take a tiny net: `y = c(a(x) + b(x))` with convolutions a, b of 2 filters. Filter 0 of `a` cannot
go alone: the sum needs filter 0 of `b` gone too, and with both gone `c` must lose column 0 of its
weight. That is one UNIT; units 0 and 1 form one GROUP, named after its first producer:

    Group "a.weight", size 2
      out     a.weight axis 0, b.weight axis 0      what makes the channel
      follow  biases, batch-norm statistics, ...    what accompanies it
      in      c.weight axis 1                       what reads it

How they are found: each filter that makes a channel gets an ATOM. Walking the network's operators in
order, every variable carries the atoms of its channels. An addition merges the atoms of its
operands one by one (union-find); a concat lines them up; a flatten repeats each; a split into
equal parts merges the parts, so that they stay equal. An operator with no rule LOCKS the atoms
that reach it: they stay, with that reason. Nothing is dropped silently: every parameter of two or
more axes is in a group or among the reasons.

PaddleSlim describes a group by one index map per parameter, which cannot say that two channels
of the same tensor belong together (grouped convolutions, equal splits); atoms can. Its groups
are the reference in the tests where it has them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ..graph.ir import Graph, Variable
from .cost import BYTES, Cost
from .rules import RULES
from .walk import Rule, Walk


@dataclass(frozen=True, eq=False)
class Slot:
    """Where a group's units sit in one axis of one parameter.

    `index[u]` are the positions of unit u on `axis`: [size, copies], more than one copy where a
    flatten repeats a channel or a grouped convolution ties several.
    `role`: out | in | scale (of a normalisation) | follow.
    """

    parameter: str
    axis: int
    role: str
    index: np.ndarray


@dataclass(frozen=True, eq=False)
class Read:
    """An operator that reads a group's channels: its number in the graph and the variable it reads.
    `units`: the unit in each cell of it, -1 for others; 1 long on axes along which they do not change.
    `weighted`: against a parameter, which is a slot of the role "in"."""

    operator: int
    variable: Variable
    units: np.ndarray
    weighted: bool

    def mask(self, removed: np.ndarray) -> np.ndarray:
        """1, but 0 in the cells of `removed` units."""
        return np.where(np.isin(self.units, removed), np.float32(0), np.float32(1))


@dataclass(frozen=True, eq=False)
class Group:
    """`size` units that can be removed one by one; see the top of this file. `numbers`: {place: number} in the
    network's layers that shrink with it (pruning/remembered.py)."""

    name: str
    size: int
    slots: tuple[Slot, ...]
    reads: tuple[Read, ...]
    numbers: Mapping[str, int] = field(default_factory=dict)

    @property
    def channels(self) -> int:
        """Channels of a producer per unit: 2 where the halves of a layer go together."""
        return max(slot.index.shape[1] for slot in self.role("out"))

    def units_of(self, channels: int) -> int:
        """How many units make so many channels, at least 1."""
        return max(1, channels // self.channels)

    def role(self, role: str) -> list[Slot]:
        return [slot for slot in self.slots if slot.role == role]


@dataclass(frozen=True, eq=False)
class Groups(Mapping):
    """{name: Group} in the order of the network, and what is in no group.

    reasons    parameter of two or more axes -> why nothing of it can be pruned
    layers     weights of all convolutions, linear layers and embeddings, in order
    shapes     shape of every parameter and buffer of the dense network
    positions  weight -> output positions a sample (H' * W'), for the macs
    parameters, stored   names in `shapes` that count as parameters, and that a file of the network holds
    graph      what they were found in
    """

    groups: dict[str, Group]
    reasons: dict[str, str]
    layers: tuple[str, ...]
    shapes: dict[str, tuple[int, ...]]
    positions: dict[str, int]
    parameters: frozenset[str]
    stored: frozenset[str]
    graph: Graph

    def __getitem__(self, name: str) -> Group:
        return self.groups[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.groups)

    def __len__(self) -> int:
        return len(self.groups)

    def of_weight(self, weight: str) -> list[Group]:
        """Groups that remove filters of `weight`."""
        return [
            group
            for group in self.groups.values()
            if any(s.parameter == weight and s.role in ("out", "follow") for s in group.slots)
        ]

    def narrow_shapes(self, kept: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
        """Shapes after each group named in `kept` has only so many units left."""
        shapes = {name: list(shape) for name, shape in self.shapes.items()}
        for name, count in kept.items():
            group = self.groups[name]
            for slot in group.slots:
                shapes[slot.parameter][slot.axis] -= (group.size - count) * slot.index.shape[1]
        return {name: tuple(shape) for name, shape in shapes.items()}

    def cost(self, kept: Mapping[str, int] | None = None) -> Cost:
        """Predicted cost with `kept` units per group; equal to what `cost.count` measures."""
        shapes = self.narrow_shapes(kept or {})
        numel = {name: int(np.prod(shape)) for name, shape in shapes.items()}
        return Cost(
            params=sum(n for name, n in numel.items() if name in self.parameters),
            macs=sum(numel[w] * positions for w, positions in self.positions.items()),
            size_bytes=BYTES * sum(n for name, n in numel.items() if name in self.stored),
        )

    def describe(self) -> str:
        """A line for each layer, and for each other parameter of two or more axes: its groups with their sizes and the
        numbers that shrink with them, or the reason why it stays whole."""
        names = list(dict.fromkeys([*self.layers, *self.reasons]))
        width = max(map(len, names), default=0)
        lines = []
        for name in names:
            found = [
                f"group {g.name} ({', '.join([f'{g.size} channels', *g.numbers])})"
                for g in self.of_weight(name)
            ]
            why = "; ".join(found) or f"stays whole: {self.reasons.get(name, 'unknown')}"
            lines.append(f"{name:<{width}}  {list(self.shapes[name])!s:<18}  {why}")
        return "\n".join(lines)

    def remembering(self, numbers: Mapping[str, Mapping[str, int]]) -> "Groups":
        """With the `numbers` of these groups."""
        own = {
            name: replace(group, numbers=numbers.get(name, group.numbers))
            for name, group in self.groups.items()
        }
        return replace(self, groups=own)

    def without(self, locked: Mapping[str, str]) -> "Groups":
        """Without these groups, for that reason."""
        rest = {name: group for name, group in self.groups.items() if name not in locked}
        reasons = dict(self.reasons)
        held = {s.parameter for g in rest.values() for s in g.slots if s.role != "in"}
        for name, reason in locked.items():
            for slot in self.groups[name].slots:
                weight = len(self.shapes[slot.parameter]) > 1
                if weight and slot.role != "in" and slot.parameter not in held:
                    reasons.setdefault(slot.parameter, reason)
        order = {name: i for i, name in reversed(list(enumerate([*self.layers, *self.shapes])))}
        return replace(
            self, groups=rest, reasons=dict(sorted(reasons.items(), key=lambda item: order[item[0]]))
        )


@dataclass(frozen=True)
class Weights:
    """`shapes` of all parameters and buffers of a network; `parameters` and `stored` as in Groups."""

    shapes: dict[str, tuple[int, ...]]
    parameters: frozenset[str]
    stored: frozenset[str]


def groups_in(
    graph: Graph,
    weights: Weights,
    batch: int,
    training: Callable[[], Graph | str],
    rules: Mapping[str, Rule] | None = None,
) -> Groups:
    """The groups of a network of which `graph` is the evaluation mode, of `batch` samples.

    `training` gives the graph of the other mode, or says why there is none; asked where a parameter is not in
    the first. `rules`: {operator kind: rule} beside those of rules/, or instead of them.
    """
    walk = Walk(graph, RULES | dict(rules or {}), batch)
    owed = [name for name, shape in weights.shapes.items() if len(shape) > 1 and name in weights.parameters]
    other = ""
    if any(name not in walk.seen for name in owed):
        found = training()
        if isinstance(found, Graph):
            walk.follow(found, again=True)
        else:
            other = f"; {found}"
    groups = _collect(walk)
    held = {s.parameter for g in groups.values() for s in g.slots if s.role != "in"}
    reasons = {
        name: (walk.reason(name) or "") + (other if name not in walk.seen else "")
        for name in dict.fromkeys([*walk.layers, *owed])
        if name not in held
    }
    return Groups(groups, reasons, tuple(walk.layers), **vars(weights), positions=walk.positions, graph=graph)


def _collect(walk: Walk) -> dict[str, Group]:
    """Units with the same places (slots, and copies in each) make one group."""
    places: dict[int, dict[int, list[int]]] = {}  # unit -> slot number -> positions
    for number, (_, _, _, atoms) in enumerate(walk.slots):
        for position, atom in enumerate(atoms):
            places.setdefault(walk.find(atom), {}).setdefault(number, []).append(position)
    same: dict[tuple, list[int]] = {}
    for unit, slots in places.items():
        made = any(walk.slots[n][2] == "out" for n in slots)
        if made and walk.lock_of(unit) is None:
            signature = tuple((n, len(p)) for n, p in sorted(slots.items()))
            same.setdefault(signature, []).append(unit)
    readers = _by_unit(walk)
    groups: dict[str, Group] = {}
    for signature, units in same.items():
        first = next(walk.slots[n][0] for n, _ in signature if walk.slots[n][2] == "out")
        name, number = first, 2
        while name in groups:  # other units of the same filters with other readers
            name, number = f"{first}#{number}", number + 1
        members = tuple(
            Slot(*walk.slots[n][:3], np.array([places[u][n] for u in units])) for n, _ in signature
        )
        groups[name] = Group(name, len(units), members, _reads(walk, units, readers))
    order = {weight: i for i, weight in enumerate(walk.layers)}
    return dict(sorted(groups.items(), key=lambda item: order[item[0].split("#")[0]]))


def _by_unit(walk: Walk) -> dict[int, list[tuple[int, np.ndarray]]]:
    """unit -> numbers of the reads that meet it, with the units in all cells of what they read."""
    found: dict[int, list[tuple[int, np.ndarray]]] = {}
    for number, read in enumerate(walk.reads):
        roots = walk.roots(read.atoms)
        for unit in np.unique(roots):
            found.setdefault(int(unit), []).append((number, roots))
    return found


def _reads(
    walk: Walk, units: list[int], readers: Mapping[int, list[tuple[int, np.ndarray]]]
) -> tuple[Read, ...]:
    own = dict(pair for unit in units for pair in readers.get(unit, []))
    order = np.argsort(units)
    ranked = np.array(units)[order]
    reads = []
    for number, roots in sorted(own.items()):
        place = np.minimum(np.searchsorted(ranked, roots), len(units) - 1)
        number_of = np.where(ranked[place] == roots, order[place], -1)
        read = walk.reads[number]
        reads.append(Read(read.number, read.variable, number_of, read.weighted))
    return tuple(reads)
