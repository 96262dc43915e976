"""What a network's outputs mean: the loss that trains them, and what makes of them what a client gets."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

from ..errors import UserError

HELPERS = 0.4  # of a helping head's loss in the sum, as PaddleSeg's configs have it


class Head(ABC):
    """The contract between a network and its task. `outputs` below is what the network's forward returns."""

    options: ClassVar[tuple[str, ...]] = ()  # keys of the config's `train` that its __init__ takes
    channels: ClassVar[int] = 3  # of its input
    stride: ClassVar[int] = 1  # height and width must be multiples of it
    square: ClassVar[bool] = False  # and equal
    needs: ClassVar[tuple[str, ...]] = ()  # transforms of training pictures that it cannot do without

    def __init__(self, labels: list[str]):
        self.labels = labels

    @classmethod
    def check_count(cls, anchors: int) -> None:
        """Raises UserError for a number of anchors that the network does not take."""
        raise UserError("--count: the network has no anchors")

    def arguments(self, given: dict) -> dict:
        """Arguments of the model's build(): those given, completed from the labels."""
        return given

    def inputs(self, batch: dict) -> tuple[paddle.Tensor, ...]:
        """What the network is fed of a training batch; a teacher is fed the very same."""
        return (paddle.to_tensor(batch["image"]),)

    @abstractmethod
    def loss(self, network: nn.Layer, outputs: Any, batch: dict) -> dict[str, paddle.Tensor]:
        """Scalar losses of a training batch, of which `network` said `outputs`; "loss" is the one that is minimised."""

    def apart(
        self, said: Sequence[paddle.Tensor], wanted: Sequence[paddle.Tensor], batch: dict
    ) -> paddle.Tensor:
        """How far a network's outputs are from its teacher's, as a loss of about the size of its own."""
        raise UserError(f"train.distill: {type(self).__module__} cannot learn from a teacher; set it to 0")

    @abstractmethod
    def deployed(self, network: nn.Layer) -> nn.Layer:
        """The network as it is exported: with what a client should not have to write. Metrics accept its
        outputs, too."""

    def finish(self, network: nn.Layer) -> Callable[[Sequence[np.ndarray]], Sequence[np.ndarray]]:
        """What turns the network's own outputs into those that the metric takes; mostly nothing."""
        return lambda outputs: outputs


def class_count(given: dict, labels: list[str]) -> dict:
    """Arguments with `num_classes`, the count of labels. Raises UserError if another one is given."""
    classes = given.get("num_classes", len(labels))
    if classes != len(labels):
        raise UserError(
            f"model.args.num_classes: {classes}, but labels.txt has {len(labels)} names; "
            "leave it out to take the count of names"
        )
    return {**given, "num_classes": classes}


def main_and_helpers(outputs: Any) -> tuple[Any, list[Any]]:
    """What a network of any package returns: the logits, and those of heads that help it to train."""
    first, *helpers = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    return first, helpers


def divergence(said: paddle.Tensor, wanted: paddle.Tensor, axis: int) -> paddle.Tensor:
    """T^2 KL(wanted || said) in nats of logits softened by T = 2, mean over all but the classes (Hinton et al. 2015,
    arXiv 1503.02531, section 2)."""
    log = F.log_softmax(said / 2, axis)
    aim = F.softmax(wanted / 2, axis)
    return 4 * (aim * (F.log_softmax(wanted / 2, axis) - log)).sum(axis).mean()


class First(nn.Layer):
    """The first output of a network, the only one that counts after training, behind `last`."""

    def __init__(self, network: nn.Layer, last: nn.Layer):
        super().__init__()
        self.network, self.last = network, last

    def forward(self, image: paddle.Tensor) -> paddle.Tensor:
        return self.last(main_and_helpers(self.network(image))[0])
