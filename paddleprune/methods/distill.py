"""A teacher: another network says, picture by picture, what it would say (Hinton et al. 2015, 'Distilling the
Knowledge in a Neural Network', arXiv 1503.02531). What the two say is compared by the head, what they see on the way by
features.py."""

from typing import Any

import paddle
from paddle import nn

from ..graph.example import outputs_of
from ..models import Head
from ._base import Loss, Method
from .features import Features, watched
from .spoken import Spoken


class Distill(Method):
    """(1 - weight) times the network's own loss, and `weight` times how far it is from its `teacher`: what they say,
    and `share` times their `features`.

    Both are given the very inputs that the loss makes of a batch. The teacher is in evaluation mode, and stays as it is."""

    def __init__(
        self,
        head: Head,
        teacher: nn.Layer,
        weight: float,
        features: Features | None = None,
        share: float = 1.0,
    ):
        self.head, self.teacher, self.weight = head, teacher, weight
        self.features, self.share = features, share
        teacher.eval()
        for parameter in teacher.parameters():
            parameter.stop_gradient = True

    def helper(self) -> nn.Layer | None:
        return self.features

    def wrap(self, loss: Loss) -> Loss:
        names = [] if self.features is None else self.features.names
        wanted_maps, _ = watched(self.teacher, names)
        # Its maps on the way are seen in the network alone.
        spoken = Spoken(self.teacher) if not names else None

        def taught(network: nn.Layer, batch: dict) -> dict[str, paddle.Tensor]:
            seen: list[tuple[Any, Any]] = []
            handle = network.register_forward_post_hook(
                lambda layer, inputs, outputs: seen.append((inputs, outputs))
            )
            said_maps, stop = watched(network, names)
            try:
                losses = loss(network, batch)
            finally:
                handle.remove()
                stop()
            inputs, said = seen[0]
            if spoken is not None:
                wanted = spoken(inputs)
            else:
                with paddle.no_grad():
                    wanted = outputs_of(self.teacher(*inputs))
            apart = self.head.apart(outputs_of(said), wanted, batch)
            found = {"teacher": apart}
            if self.features is not None:
                found["features"] = self.share * self.features(said_maps(), wanted_maps())
            whole = (1 - self.weight) * losses["loss"] + self.weight * paddle.add_n(list(found.values()))
            return {**losses, "loss": whole, **found}

        return taught
