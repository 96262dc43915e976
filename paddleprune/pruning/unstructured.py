"""Single weights set to zero, the shapes kept: where a weight is small, wherever it is in the network.

    weights [0.9, -0.1, 0.4] and [0.05, -0.6]; half of them, 2 of 5: -0.1 and 0.05 become 0

A dense runtime gains nothing from zeros; files that are compressed and sparse kernels do.
"""

from collections.abc import Mapping

import numpy as np
from paddle import nn


def magnitude_masks(weights: Mapping[str, np.ndarray], ratio: float) -> dict[str, np.ndarray]:
    """{name: False where a weight goes}: the `ratio` smallest by |w| over all of `weights` (Han et al. 2015,
    arXiv 1506.02626, with one threshold for the whole network). Of equal ones the first go."""
    sizes = [np.abs(array).ravel() for array in weights.values()]
    every = np.concatenate(sizes)
    keep = np.ones(len(every), bool)
    keep[np.argsort(every, kind="stable")[: round(ratio * len(every))]] = False
    parts = np.split(keep, np.cumsum([len(part) for part in sizes])[:-1])
    return {
        name: part.reshape(array.shape) for (name, array), part in zip(weights.items(), parts, strict=True)
    }


def present_masks(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The masks of a network that is pruned already: its zeros."""
    return {name: array != 0 for name, array in weights.items()}


def apply_masks(network: nn.Layer, masks: Mapping[str, np.ndarray]) -> None:
    """Set what the masks remove to exactly 0, in place."""
    tensors = network.state_dict()
    for name, mask in masks.items():
        tensors[name].set_value(np.where(mask, tensors[name].numpy(), np.float32(0)))
