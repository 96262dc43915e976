"""Weights that were set to zero stay exactly zero."""

from collections.abc import Mapping

import numpy as np
import paddle

from ..engine.fit import Hook, Run
from ._base import Method


class KeepZeros(Method):
    """`masks`: {weight: True where it may be another number than zero}."""

    def __init__(self, masks: Mapping[str, np.ndarray]):
        self.masks = masks

    def hooks(self) -> list[Hook]:
        return [_Zeros(self.masks)]


class _Zeros(Hook):
    def __init__(self, masks: Mapping[str, np.ndarray]):
        self.masks = masks

    def before(self, run: Run) -> None:
        tensors = run.network.state_dict()
        pairs = [(tensors[name], mask) for name, mask in self.masks.items() if not mask.all()]
        self.factors = [(tensor, paddle.to_tensor(mask.astype("float32"))) for tensor, mask in pairs]

    def after_step(self, run: Run, losses: dict[str, float]) -> None:
        with paddle.no_grad():
            for tensor, factor in self.factors:
                tensor.set_value(tensor * factor)
