"""A network's weights: their shapes, and what tells them from others."""

import hashlib

import numpy as np
from paddle import nn

from .channels.cost import is_statistic


def fingerprint(network: nn.Layer) -> str:
    """Hex digest of every weight and statistic, by name. Equal weights, equal digest."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensor.numpy()).tobytes())
    return digest.hexdigest()[:16]


def weights_of(network: nn.Layer) -> tuple[dict[str, tuple[int, ...]], frozenset[str], frozenset[str]]:
    """Shapes of all parameters and buffers by their first names; which of them are parameters (and no statistics),
    and which a file of the network holds."""
    shapes: dict[str, tuple[int, ...]] = {}
    seen: set[int] = set()
    for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
        if id(tensor) not in seen:
            seen.add(id(tensor))
            shapes[name] = tuple(tensor.shape)
    own = {name for name, _ in network.named_parameters()}
    parameters = frozenset(name for name in shapes if name in own and not is_statistic(name))
    return shapes, parameters, frozenset(shapes) & frozenset(network.state_dict())
