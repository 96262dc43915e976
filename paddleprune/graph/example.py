"""What a network is called with."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import paddle
from paddle import nn

from ..errors import UserError


class Example:
    """The shape of one image (C, H, W); or a tensor, or a list, tuple or dict of tensors, as they are handed to
    the forward: an image of a shape is one tensor, a dict is keyword arguments.

    An image's batch may have any size; tensors are taken with the batch that they have.
    Raises UserError for anything else.
    """

    def __init__(self, given: Any):
        self.shape: tuple[int, ...] | None = None
        self.names: list[str] | None = None
        self.tensors: list[paddle.Tensor] = []
        if isinstance(given, Example):
            self.shape, self.names, self.tensors = given.shape, given.names, given.tensors
        elif isinstance(given, paddle.Tensor):
            self.tensors = [given]
        elif isinstance(given, Mapping) and given and all(map(_is_tensor, given.values())):
            self.names, self.tensors = list(given), list(given.values())
        elif isinstance(given, Sequence) and given and all(map(_is_tensor, given)):
            self.tensors = list(given)
        elif isinstance(given, Sequence) and given and all(_is_length(n) for n in given):
            self.shape, self.tensors = tuple(int(n) for n in given), []
        else:
            raise UserError(
                f"example: {_said(given)}; give the shape of one input without its batch, as (3, 224, 224), a tensor, or "
                "a list, tuple or dict of tensors as the forward takes them"
            )

    @property
    def batch(self) -> int:
        return (
            2 if self.shape is not None else max(1, self.tensors[0].shape[0] if self.tensors[0].ndim else 1)
        )

    def specs(self, batch: int | None = None) -> list[tuple[tuple[int, ...], str]]:
        """(shape, dtype) of every input."""
        if self.shape is not None:
            return [((batch or self.batch, *self.shape), "float32")]
        return [(tuple(t.shape), str(t.dtype).removeprefix("paddle.")) for t in self.tensors]

    def values(self, seed: int = 0, batch: int | None = None) -> list[paddle.Tensor]:
        """Inputs to try: random images, or the tensors."""
        if self.shape is None:
            return self.tensors
        noise = np.random.default_rng(seed).random((batch or self.batch, *self.shape), np.float32)
        return [paddle.to_tensor(noise)]

    def call(self, network: nn.Layer, tensors: Sequence[Any]) -> Any:
        """The network's outputs for inputs like `values()`."""
        if self.names is not None:
            return network(**dict(zip(self.names, tensors, strict=True)))
        return network(*tensors)


def outputs_of(given: Any) -> list[Any]:
    """Tensors in whatever a forward returns (tuples, dicts, objects left out), flat, in a fixed order."""
    return [value for value in paddle.utils.flatten(given) if value is not None]


def _is_tensor(value: Any) -> bool:
    return isinstance(value, paddle.Tensor)


def _is_length(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and int(value) > 0


def _said(given: Any) -> str:
    text = repr(given)
    return f"{type(given).__name__} {text if len(text) < 60 else text[:57] + '...'}"
