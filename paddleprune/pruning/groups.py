"""(network, example) -> Groups: which channels must be removed together (channels/groups.py)."""

from collections.abc import Mapping
from typing import Any

from paddle import nn

from ..channels.groups import Group, Groups, Slot, Weights, groups_in
from ..channels.walk import Rule
from ..errors import UserError
from ..graph.example import Example
from ..graph.ir import Graph
from ..graph.pir import graph_of
from ..weights import weights_of
from .sound import sound

__all__ = ["Group", "Groups", "Slot", "find_groups"]


def find_groups(
    network: nn.Layer, example: Any, rules: Mapping[str, Rule] | None = None, tried: bool = True
) -> Groups:
    """Trace `network` on `example` (an image shape [C, H, W], or as in `Example`), find its groups and try them
    (sound.py) if they are to be `tried`. Weights are not changed. `rules`: {operator kind: rule} for operators of
    the user's own.

    Raises UserError if its forward cannot be traced in evaluation mode.
    """
    example = Example(example)
    graph = graph_of(network, example.specs(), example.call)

    def training() -> Graph | str:
        try:
            return graph_of(network, example.specs(), example.call, training=True)
        except UserError as error:
            return str(error)

    groups = groups_in(graph, Weights(*weights_of(network)), example.batch, training, rules)
    if not tried:
        return groups
    return sound(network, example, groups)
