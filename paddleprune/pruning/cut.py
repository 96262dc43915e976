"""Where the network is cut for a group, and what is multiplied by 0 behind the cut.

For a group, the graph is cut before the first operator that reads its channels. LIVE are
the activations made before the cut and used behind it; they are all that the rest of the network
needs to know. Behind the cut the channels are multiplied by a mask wherever an operator reads them:

    image -> ... -> live  |->  live * mask -> reader -> ... -> outputs
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..channels.groups import Groups, Read
from ..graph.ir import Graph, Operator, Variable


@dataclass(frozen=True, eq=False)
class Cut:
    """`first`: number of the operator behind the cut. `live`: variables that cross it.
    `early`: outputs of the network made before it, `late`: the others. `masks`: name of a mask -> what it is for."""

    first: int
    live: tuple[Variable, ...]
    early: tuple[Variable, ...]
    late: tuple[Variable, ...]
    masks: dict[str, Read]


def cut(graph: Graph, reads: Iterable[Read]) -> Cut | None:
    """The cut for what reads a group in `graph`; None if the outputs depend on no operator that does."""
    needed = graph.needed_by(graph.outputs)
    readers = [r for r in reads if not needed.isdisjoint(graph.operators[r.operator].outputs)]
    if not readers:
        return None
    first = min(read.operator for read in readers)
    made = set(graph.inputs).union(*(operator.outputs for operator in graph.operators[:first]))
    late = tuple(variable for variable in graph.outputs if variable not in made)
    live = sorted(made & graph.needed_by(late, stop=first))
    early = tuple(variable for variable in graph.outputs if variable in made)
    return Cut(first, tuple(live), early, late, {f"keep_{i}": read for i, read in enumerate(readers)})


def reads_in(graph: Graph, groups: Groups) -> dict[str, tuple[Read, ...]]:
    """{group: its reads in another graph of the same network}: layers are known by their weights, products without a weight
    by their order. Raises ValueError where the two graphs do not correspond."""
    if graph is groups.graph:
        return {name: group.reads for name, group in groups.items()}
    there = {key: number for number, key in enumerate(_keys(graph)) if key is not None}
    here = _keys(groups.graph)
    if set(there) != {key for key in here if key is not None}:
        raise ValueError("the two graphs have other layers")
    return {
        name: tuple(_moved(graph, groups.graph, read, there[here[read.operator]]) for read in group.reads)  # type: ignore[index]
        for name, group in groups.items()
    }


def _moved(graph: Graph, old: Graph, read: Read, number: int) -> Read:
    variable = next(iter(graph.operators[number].reads()))
    shape, before = graph.shapes[variable], old.shapes[read.variable]
    if len(shape) != len(before) or any(n not in (-1, m) for n, m in zip(shape[1:], before[1:], strict=True)):
        raise ValueError("the two graphs have layers of other shapes")
    return replace(read, operator=number, variable=variable)


def _keys(graph: Graph) -> list[tuple[str, int] | None]:
    """For each operator that multiplies, the name of its weight, or none, and how often that was met before."""
    met: Counter[str] = Counter()
    keys: list[tuple[str, int] | None] = []
    for operator in graph.operators:
        name = weight_of(graph, operator)
        keys.append(None if name is None else (name, met[name]))
        if name is not None:
            met[name] += 1
    return keys


def weight_of(graph: Graph, operator: Operator) -> str | None:
    """Of an operator that multiplies, the name of its weight, empty if it has none; None for others."""
    if "conv" not in operator.kind and operator.kind not in ("matmul", "matmul_v2", "bmm", "einsum"):
        return None
    names = [graph.parameters[v] for v in operator.reads() if v in graph.parameters]
    return names[0] if names else ""
