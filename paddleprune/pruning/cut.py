"""Where the network is cut for a group, and what is multiplied by 0 behind the cut.

For a group, the graph is cut before the first operator that reads its channels. LIVE are
the activations made before the cut and used behind it; they are all that the rest of the network
needs to know. Behind the cut the channels are multiplied by a mask wherever an operator reads them:

    image -> ... -> live  |->  live * mask -> reader -> ... -> outputs
"""

from dataclasses import dataclass

from ..channels.groups import Group, Read
from ..graph.ir import Graph, Variable


@dataclass(frozen=True, eq=False)
class Cut:
    """`first`: number of the operator behind the cut. `live`: variables that cross it.
    `early`: outputs of the network made before it, `late`: the others. `masks`: name of a mask -> what it is for."""

    first: int
    live: tuple[Variable, ...]
    early: tuple[Variable, ...]
    late: tuple[Variable, ...]
    masks: dict[str, Read]


def cut(graph: Graph, group: Group) -> Cut | None:
    """The cut for a group; None if the outputs depend on no operator that reads it."""
    needed = graph.needed_by(graph.outputs)
    readers = [r for r in group.reads if not needed.isdisjoint(graph.operators[r.operator].outputs)]
    if not readers:
        return None
    first = min(read.operator for read in readers)
    made = set(graph.inputs).union(*(operator.outputs for operator in graph.operators[:first]))
    late = tuple(variable for variable in graph.outputs if variable not in made)
    live = sorted(made & graph.needed_by(late, stop=first))
    early = tuple(variable for variable in graph.outputs if variable in made)
    return Cut(first, tuple(live), early, late, {f"keep_{i}": read for i, read in enumerate(readers)})
