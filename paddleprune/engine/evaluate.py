"""The only evaluation loop. Trained networks, exported files and masked variants all pass here."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import paddle
from paddle import nn

# Images [N, C, H, W] -> for each variant of the network, its outputs (one array each).
Forward = Callable[[np.ndarray], Sequence[Sequence[np.ndarray]]]


def evaluate(
    forward: Forward, batches: Iterable[dict], metric: Any, variants: int = 1,
    finish: Callable[[Sequence[np.ndarray]], Sequence[np.ndarray]] = lambda outputs: outputs,
) -> list[Any]:  # fmt: skip
    """Run every batch through `forward` once; the meters, one `metric()` per variant. `finish` makes of
    a variant's outputs those that the metric takes."""
    meters = [metric() for _ in range(variants)]
    for batch in batches:
        for meter, outputs in zip(meters, forward(batch["image"]), strict=True):
            meter.update(finish(outputs), batch)
    return meters


def forward_of(network: nn.Layer) -> Forward:
    """The plain forward of a network in evaluation mode, as one variant."""

    def forward(images: np.ndarray) -> list[list[np.ndarray]]:
        network.eval()
        with paddle.no_grad():
            outputs = network(paddle.to_tensor(images))
        if isinstance(outputs, paddle.Tensor):
            outputs = [outputs]
        return [[output.numpy() for output in outputs]]

    return forward
