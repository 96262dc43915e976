"""Batch-norm statistics of a pruned network, estimated anew before it is judged."""

from collections.abc import Iterable

import paddle
from paddle import nn

from ..modes import evaluating


def recalibrate(network: nn.Layer, batches: Iterable[dict], count: int) -> None:
    """Replace running means and variances by their average over `count` training batches.

    Removing input channels shifts what every later normalisation sees; its old statistics then
    understate the pruned network (Li et al. 2020, 'EagleEye', arXiv 2007.02491, section 3.3).
    Weights are not changed.
    """
    norms = [n for n in network.sublayers() if isinstance(n, nn.layer.norm._BatchNormBase)]
    momenta = [norm._momentum for norm in norms]
    try:
        with evaluating(network, train=True), paddle.no_grad():
            for i, batch in enumerate(batches):
                if i == count:
                    break
                for norm in norms:  # running = running * i/(i+1) + batch * 1/(i+1): the plain mean
                    norm._momentum = i / (i + 1)
                network(paddle.to_tensor(batch["image"]))
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm._momentum = momentum
