"""Widths that a user's layers remember besides their weights.

`x.reshape([n, self.dim, h, w])` insists on the width that the layer was built with. Where a network does not run with
fewer channels, numbers in the layers around a group that are its width are tried: they shrink with it, and are kept
if the narrow network then says what the masked one says (sound.py). A plan names them, as it names parameters:

    block.mlp.dim = 96            backbone.widths[2] = 40
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from paddle import nn

from ..channels.groups import Group
from ..errors import UserError

PLACE = re.compile(r"(?:(?P<layer>.*)\.)?(?P<name>[^.\[\]]+)(?:\[(?P<at>\d+)\])?")
OTHER = "the plan was made for another model"
OF_ALL = frozenset(vars(nn.Layer()))  # what every layer has


def numbers_of(network: nn.Layer, group: Group) -> list[str]:
    """Places of numbers that are as many as the group's units, or as its channels in a parameter. Those of the nearest
    layers come first."""
    layers = dict(network.named_sublayers(include_self=True))
    widths = {group.size} | {slot.index.size for slot in group.slots}
    near = {
        path: None for slot in group.slots for path in _around(slot.parameter) if path in layers
    }  # in order, each once
    return [
        f"{path}.{name}" if path else name
        for path in sorted(near, key=lambda path: -path.count(".") - bool(path))
        if _users(layers[path])
        for name in _that_are(widths, layers[path])
    ]


def _around(parameter: str) -> Iterator[str]:
    """The layer of a parameter, the one that it is in, and so on up to the network."""
    while parameter:
        parameter = parameter.rpartition(".")[0]
        yield parameter


def _that_are(widths: set[int], layer: nn.Layer) -> Iterator[str]:
    for name, value in vars(layer).items():
        if name in OF_ALL:
            continue
        if type(value) is int and value in widths:
            yield name
        elif type(value) in (list, tuple):
            yield from (f"{name}[{i}]" for i, v in enumerate(value) if type(v) is int and v in widths)


def number(network: nn.Layer, place: str) -> int:
    """The number at a place. Raises UserError where there is none."""
    layer, name, at = _found(network, place)
    value: Any = vars(layer).get(name)
    if at is not None:
        value = value[at] if type(value) in (list, tuple) and at < len(value) else None
    if type(value) is not int:
        raise UserError(f"plan: '{place}' is no number of this network's layers; {OTHER}")
    return value


def remember(network: nn.Layer, numbers: Mapping[str, int]) -> None:
    """Put the numbers at their places. Lists are replaced, not changed: other layers may hold them, too."""
    for place, value in numbers.items():
        number(network, place)
        layer, name, at = _found(network, place)
        if at is None:
            vars(layer)[name] = value
        else:
            whole = vars(layer)[name]
            vars(layer)[name] = type(whole)([*whole[:at], value, *whole[at + 1 :]])


def held(network: nn.Layer, places: Iterable[str]) -> list[tuple[nn.Layer, str, object]]:
    """(layer, attribute, what it is) for each place."""
    found = [_found(network, place)[:2] for place in places]
    return [(layer, name, vars(layer)[name]) for layer, name in found]


def _found(network: nn.Layer, place: str) -> tuple[nn.Layer, str, int | None]:
    parts = PLACE.fullmatch(place)
    layers = dict(network.named_sublayers(include_self=True))
    layer = None if parts is None else layers.get(parts["layer"] or "")
    if parts is None or layer is None or not _users(layer) or parts["name"] in OF_ALL:
        raise UserError(f"plan: '{place}' is no number of this network's layers; {OTHER}")
    return layer, parts["name"], None if parts["at"] is None else int(parts["at"])


def _users(layer: nn.Layer) -> bool:
    """Is it no layer of Paddle's? Those are brought in step with their weights by surgery.py."""
    return not type(layer).__module__.startswith("paddle.nn.")
