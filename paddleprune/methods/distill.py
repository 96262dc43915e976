"""A teacher: the network before it was pruned says, picture by picture, what it would say (Hinton et al. 2015,
'Distilling the Knowledge in a Neural Network', arXiv 1503.02531). What the two say is compared by the task."""

from typing import Any

import paddle
from paddle import nn

from ..graph.example import outputs_of
from ..tasks._base import Task
from ._base import Loss, Method


class Distill(Method):
    """(1 - weight) times the task's own loss, and `weight` times how far the network is from its `teacher`.

    Both are given the very inputs that the loss makes of a batch. The teacher is in evaluation mode, and stays as it is."""

    def __init__(self, task: Task, teacher: nn.Layer, weight: float):
        self.task, self.teacher, self.weight = task, teacher, weight
        teacher.eval()
        for parameter in teacher.parameters():
            parameter.stop_gradient = True

    def wrap(self, loss: Loss) -> Loss:
        def taught(network: nn.Layer, batch: dict) -> dict[str, paddle.Tensor]:
            seen: list[tuple[Any, Any]] = []
            handle = network.register_forward_post_hook(
                lambda layer, inputs, outputs: seen.append((inputs, outputs))
            )
            try:
                losses = loss(network, batch)
            finally:
                handle.remove()
            inputs, said = seen[0]
            with paddle.no_grad():
                wanted = self.teacher(*inputs)
            apart = self.task.head.apart(outputs_of(said), outputs_of(wanted), batch)
            whole = (1 - self.weight) * losses["loss"] + self.weight * apart
            return {**losses, "loss": whole, "teacher": apart}

        return taught
