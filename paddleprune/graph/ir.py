"""A network as a list of operators: plain data, without Paddle.

y = relu(conv(x, w))          operators  0 conv2d  in (x,), (w,)  out y     1 relu  in (y,)  out z
                              shapes     {x: (2, 3, 8, 8), w: (4, 3, 3, 3), ...}
                              parameters {w: "conv.weight"}
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Variable = int


@dataclass(frozen=True)
class Operator:
    """`inputs`: for each operand its variables: one, none where it is left out, several where it takes a list.
    `values`: what is known of an operand before any run ({operand: number or list}): axes, shapes, places.
    `outputs`: what it makes. `place`: where it stands in
    the program that it was read from. `line`: the user's code that asked for it."""

    kind: str
    inputs: tuple[tuple[Variable, ...], ...]
    outputs: tuple[Variable, ...]
    attrs: dict[str, Any]
    values: dict[int, Any] = field(default_factory=dict)
    place: int = 0
    line: str = ""

    def reads(self) -> Iterable[Variable]:
        return (variable for operand in self.inputs for variable in operand)

    def input(self, operand: int) -> Variable:
        """The variable of an operand that takes one; 0, which is none, where it is left out."""
        found = self.inputs[operand] if operand < len(self.inputs) else ()
        return found[0] if len(found) == 1 else 0


@dataclass(frozen=True, eq=False)
class Graph:
    """`shapes` of all variables, the first axis of images being a batch of `batch`.
    `inputs` and `outputs` as the forward takes and gives them, flat. `helpers`: outputs that serve training
    alone. `parameters`: variable -> structured name of a parameter or buffer. `source`: what the room
    that made the graph needs to run a part of it; nobody else looks into it."""

    operators: tuple[Operator, ...]
    shapes: dict[Variable, tuple[int, ...]]
    inputs: tuple[Variable, ...]
    outputs: tuple[Variable, ...]
    helpers: tuple[Variable, ...]
    parameters: dict[Variable, str]
    source: Any = None

    def needed_by(self, outputs: Iterable[Variable], stop: int = 0) -> set[Variable]:
        """All variables that `outputs` depend on through operators from number `stop` on."""
        needed = set(outputs)
        for operator in reversed(self.operators[stop:]):
            if not needed.isdisjoint(operator.outputs):
                needed.update(operator.reads())
        return needed

    def behind(self, wanted: Iterable[Variable], given: Iterable[Variable]) -> list[Variable]:
        """Those of the `given` variables that `wanted` is computed from, when they are given."""
        stop, needed = set(given), set(wanted)
        found = needed & stop
        for operator in reversed(self.operators):
            if not (needed - stop).isdisjoint(operator.outputs):
                needed.update(operator.reads())
                found.update(stop.intersection(operator.reads()))
        return sorted(found)


@dataclass(frozen=True)
class Mask:
    """`operator` (its number) reads `variable` times a mask of `shape` that is fed as `name`."""

    name: str
    operator: int
    variable: Variable
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Mix:
    """`operator` (its number) reads, of `variable`, mixes of its channels on axis 1, or on the last one where `last`:
    matrix @ x + shift, which are fed as `name` [channels, channels] and `shift` (below), [channels, 1], or [channels] where `last`."""

    name: str
    operator: int
    variable: Variable
    last: bool

    @property
    def shift(self) -> str:
        return f"{self.name}_shift"

    def shape(self, channels: int) -> tuple[int, ...]:
        """Of the shift."""
        return (channels,) if self.last else (channels, 1)
