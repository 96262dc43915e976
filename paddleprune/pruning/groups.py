"""Which channels must be removed together.

Take a tiny net: `y = c(a(x) + b(x))` with convolutions a, b of 2 filters. Filter 0 of `a` cannot
go alone: the sum needs filter 0 of `b` gone too, and with both gone `c` must lose column 0 of its
weight. That is one UNIT; units 0 and 1 form one GROUP, named after its first producer:

    Group "a.weight", size 2
      out     a.weight axis 0, b.weight axis 0      what makes the channel
      follow  biases, batch-norm statistics, ...    what accompanies it
      in      c.weight axis 1                       what reads it

How they are found: each filter that makes a channel gets an ATOM. Walking the traced operators in
order, every variable carries the atoms of its channels. An addition merges the atoms of its
operands one by one (union-find); a concat lines them up; a flatten repeats each; a split into
equal parts merges the parts, so that they stay equal. An operator with no rule LOCKS the atoms
that reach it: they stay, with that reason. Nothing is dropped silently.

PaddleSlim describes a group by one index map per parameter, which cannot say that two channels
of the same tensor belong together (grouped convolutions, equal splits); atoms can. Its groups
are the reference in the tests where it has them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from paddle import nn

from ..cost import Cost, is_statistic
from .trace import Traced, trace
from .walk import Walk


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
    """An operator that reads a group's channels: its number in the traced program, the variable
    it reads, the channel axis there and the units' positions [size, copies] on it."""

    operator: int
    variable: str
    axis: int
    index: np.ndarray


@dataclass(frozen=True, eq=False)
class Group:
    """`size` units that can be removed one by one; see the top of this file."""

    name: str
    size: int
    slots: tuple[Slot, ...]
    reads: tuple[Read, ...]

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

    reasons    convolution or linear weight -> why its filters cannot be pruned
    layers     weights of all convolutions and linear layers, in order
    shapes     shape of every parameter and statistic of the dense network
    positions  weight -> output positions per image (H' * W'), for the macs
    """

    groups: dict[str, Group]
    reasons: dict[str, str]
    layers: tuple[str, ...]
    shapes: dict[str, tuple[int, ...]]
    positions: dict[str, int]
    traced: Traced

    def __getitem__(self, name: str) -> Group:
        return self.groups[name]

    def __iter__(self) -> Any:
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
            params=sum(n for name, n in numel.items() if not is_statistic(name)),
            macs=sum(numel[w] * positions for w, positions in self.positions.items()),
            size_bytes=4 * sum(numel.values()),
        )


def find_groups(network: nn.Layer, image_shape: tuple[int, ...]) -> Groups:
    """Trace `network` on one image [C, H, W] and find its groups. Weights are not changed."""
    traced = trace(network, tuple(image_shape))
    walk = Walk(traced)
    walk.lock_helpers(traced.helpers)
    tensors = {name: tuple(t.shape) for name, t in traced.tensors.values()}
    return Groups(
        groups=_collect(walk),
        reasons={w: r for w in walk.layers if (r := walk.reason(w)) is not None},
        layers=tuple(walk.layers),
        shapes=tensors,
        positions=walk.positions,
        traced=traced,
    )


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
    groups: dict[str, Group] = {}
    for signature, units in same.items():
        first = next(walk.slots[n][0] for n, _ in signature if walk.slots[n][2] == "out")
        name, number = first, 2
        while name in groups:  # other units of the same filters with other readers
            name, number = f"{first}#{number}", number + 1
        members = tuple(
            Slot(*walk.slots[n][:3], np.array([places[u][n] for u in units])) for n, _ in signature
        )
        groups[name] = Group(name, len(units), members, _reads(walk, units))
    order = {weight: i for i, weight in enumerate(walk.layers)}
    return dict(sorted(groups.items(), key=lambda item: order[item[0].split("#")[0]]))


def _reads(walk: Walk, units: list[int]) -> tuple[Read, ...]:
    rank = {unit: i for i, unit in enumerate(units)}
    reads = []
    for operator, variable, axis, atoms in walk.reads:
        index: list[list[int]] = [[] for _ in units]
        for position, atom in enumerate(atoms):
            unit = walk.find(atom)
            if unit in rank:
                index[rank[unit]].append(position)
        if any(index):
            reads.append(Read(operator, variable, axis, np.array(index)))
    return tuple(reads)
