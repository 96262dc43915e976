"""The contract between a task and the loops."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

from ..config import DataConfig
from ..errors import UserError
from ..metrics._base import Metric

WHOLE = ("Normalize", "Resize", "ResizeByShort")  # evaluation transforms that keep the whole picture


@dataclass(frozen=True)
class Agreement:
    """How two runtimes' outputs on the same images compare: the largest absolute difference and the
    largest value, and of what they decide how much they decide alike; None where nothing is decided."""

    difference: float
    largest: float
    same: int = 0
    decided: int | None = None


class Task(ABC):
    """One vision task. `outputs` below is a sequence of arrays, one per network output."""

    metric: ClassVar[type[Metric]]  # that models are judged by
    full_metric: ClassVar[type[Metric] | None] = None  # with more, slower values, for reports
    options: ClassVar[tuple[str, ...]] = ()  # keys of the config's `train` that its __init__ takes

    def __init__(self, labels: list[str]):
        self.labels = labels

    @abstractmethod
    def model_args(self, given: dict) -> dict:
        """Arguments of the model's build(): those given, completed from the labels."""

    @abstractmethod
    def loss(self, network: nn.Layer, batch: dict) -> dict[str, paddle.Tensor]:
        """Scalar losses of a training batch; "loss" is the one that is minimised."""

    def apart(self, said: Sequence[paddle.Tensor], wanted: Sequence[paddle.Tensor]) -> paddle.Tensor:
        """How far a network's outputs are from its teacher's, as a loss of about the size of the task's own."""
        raise UserError(f"train.distill: {type(self).__module__} cannot learn from a teacher; set it to 0")

    @abstractmethod
    def deployed(self, network: nn.Layer) -> nn.Layer:
        """The network as it is exported: with the head that a client should not have to write.
        The metric accepts its outputs, too."""

    def check(self, data: DataConfig) -> None:  # noqa: B027 -- most can work with any
        """Raises UserError for data settings that the task cannot work with."""

    def finish(self, network: nn.Layer) -> Callable[[Sequence[np.ndarray]], Sequence[np.ndarray]]:
        """What turns the network's own outputs into those that the metric takes; mostly nothing."""
        return lambda outputs: outputs

    def decisions(self, outputs: Sequence[np.ndarray]) -> np.ndarray | None:
        """What the outputs decide, as whole numbers [N, ...]; None where nothing is decided."""
        return None

    def agreement(self, mine: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> Agreement:
        """Outputs of the deployed network from two runtimes, compared. NaN differs infinitely."""
        differences = [np.abs(a - b) for a, b in zip(mine, theirs, strict=True)]
        worst = max(float("inf") if np.isnan(d).any() else float(d.max()) for d in differences)
        largest = max(float(np.abs(a).max()) for a in mine)
        ours, others = self.decisions(mine), self.decisions(theirs)
        if ours is None or others is None:
            return Agreement(worst, largest)
        return Agreement(worst, largest, int((ours == others).sum()), ours.size)

    @abstractmethod
    def result(self, outputs: Sequence[np.ndarray], size: tuple[int, int]) -> dict:
        """Outputs of the deployed network for ONE picture of `size` (height, width) -> a dict for
        JSON; its arrays are maps [height, width], which become picture files."""

    @abstractmethod
    def draw(self, image: np.ndarray, result: dict) -> np.ndarray:
        """uint8 RGB [H, W, 3] and a result -> a picture with the result on it."""


def keeps_whole(data: DataConfig, task: str) -> None:
    """Raises UserError for evaluation transforms after which a result is not of the whole picture."""
    wrong = [name for name in names_of(data.eval_transforms) if name not in WHOLE]
    if wrong:
        raise UserError(
            f"data.eval_transforms: '{wrong[0]}' is not for {task}, whose results are laid over the whole "
            f"picture; valid: {', '.join(WHOLE)}"
        )


def names_of(specs: Sequence) -> list[str]:
    """Names of transforms, as a config writes them."""
    return [spec if isinstance(spec, str) else next(iter(spec), "") for spec in specs]


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


HELPERS = 0.4  # of a helping head's loss in the sum, as PaddleSeg's configs have it


class First(nn.Layer):
    """The first output of a network, the only one that counts after training, behind `last`."""

    def __init__(self, network: nn.Layer, last: nn.Layer):
        super().__init__()
        self.network, self.last = network, last

    def forward(self, image: paddle.Tensor) -> paddle.Tensor:
        return self.last(main_and_helpers(self.network(image))[0])
