"""Networks have a mode per layer; look at one in evaluation mode and leave it as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

from paddle import nn


@contextmanager
def evaluating(network: nn.Layer, train: bool = False) -> Iterator[None]:
    """Inside the block every layer of `network` is in evaluation (or training) mode."""
    layers = network.sublayers(include_self=True)
    modes = [layer.training for layer in layers]
    if train:
        network.train()
    else:
        network.eval()
    try:
        yield
    finally:
        for layer, mode in zip(layers, modes, strict=True):
            layer.training = mode
