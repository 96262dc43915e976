"""Batch norms whose scales are drawn towards zero, so that those which are not needed show (network slimming,
Liu et al. 2017, arXiv 1708.06519; as a stage of its own in distillation-based channel pruning, arXiv 2210.07760)."""

from collections.abc import Mapping, Sequence

import paddle
from paddle import nn

from ..engine.fit import Hook, Run
from ._base import Method


class Sparsity(Method):
    """Adds `weight * sign(scale)`, the gradient of an L1 norm, to the gradients of batch norms' scales; `weights`: {beginnings
    of layers' names: weight}. `start` above 0: all scales begin there, all shifts at 0, where they stay."""

    def __init__(self, weights: Mapping[Sequence[str], float], start: float = 0.0):
        self.weights, self.start = {tuple(names): weight for names, weight in weights.items()}, start

    def _norms(self, network: nn.Layer) -> list[tuple[nn.Layer, float]]:
        """The batch norms that are drawn, and how strongly."""
        found = []
        for name, layer in network.named_sublayers():
            weight = next((w for names, w in self.weights.items() if f"{name}.".startswith(names)), 0.0)
            if hasattr(layer, "_mean") and layer.weight is not None and weight:
                found.append((layer, weight))
        return found

    def prepare(self, network: nn.Layer, fresh: bool) -> None:
        for layer, _ in self._norms(network) if self.start and fresh else ():
            layer.weight.set_value(paddle.full_like(layer.weight, self.start))
            layer.bias.set_value(paddle.zeros_like(layer.bias))

    def hooks(self) -> list[Hook]:
        return [_Drawn(self)]


class _Drawn(Hook):
    def __init__(self, method: Sparsity):
        self.method = method

    def before(self, run: Run) -> None:
        self.norms = self.method._norms(run.network)

    def after_backward(self, run: Run) -> None:
        with paddle.no_grad():
            for layer, weight in self.norms:
                if layer.weight.grad is not None:
                    layer.weight.grad.set_value(layer.weight.grad + weight * layer.weight.sign())
                if self.method.start and layer.bias.grad is not None:
                    # A shift that needs no gradient would take its scale's away, too: Paddle computes both or none.
                    layer.bias.grad.set_value(paddle.zeros_like(layer.bias))
