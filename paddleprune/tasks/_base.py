"""The contract between a task and the loops."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import paddle
from paddle import nn

from ..config import DataConfig
from ..errors import UserError
from ..metrics._base import Metric
from ..models import Head

WHOLE = (
    "Normalize",
    "Resize",
    "ResizeByShort",
    "Trimap",
    "TrimapChannel",
)  # evaluation transforms that keep the whole picture


@dataclass(frozen=True)
class Agreement:
    """How two runtimes' outputs on the same images compare: the largest absolute difference and the
    largest value, and of what they decide how much they decide alike; None where nothing is decided."""

    difference: float
    largest: float
    same: int = 0
    decided: int | None = None


class Task(ABC):
    """One vision task; what a network's outputs mean is its head's affair (models/_head.py). `outputs` below is a
    sequence of arrays, one per output of the deployed network."""

    metric: ClassVar[type[Metric]]  # that models are judged by
    full_metric: ClassVar[type[Metric] | None] = None  # with more, slower values, and values by class
    whole: ClassVar[bool] = True  # are results laid over the whole picture?
    shown: float | None = None  # the least score of what a result names; None where nothing has one

    def __init__(self, labels: list[str], head: Head):
        self.labels, self.head = labels, head

    def loss(self, network: nn.Layer, batch: dict) -> dict[str, paddle.Tensor]:
        """Scalar losses of a training batch; "loss" is the one that is minimised."""
        return self.head.loss(network, network(*self.head.inputs(batch)), batch)

    def check(self, data: DataConfig) -> None:
        """Raises UserError for data settings that the task or its head cannot work with."""
        head = self.head
        channels, height, width = data.image_shape
        if channels != head.channels:
            raise UserError(
                f"data.image_shape: {data.image_shape}; the network takes {head.channels} channels"
            )
        if height % head.stride or width % head.stride or (head.square and height != width):
            valid = f"sides that are multiples of {head.stride}" + (", and equal" if head.square else "")
            raise UserError(f"data.image_shape: {height}x{width}; the network needs {valid}")
        if self.whole:
            keeps_whole(data, type(self).__module__.rpartition(".")[2])
        for name in head.needs:
            if name not in names_of(data.train_transforms):
                raise UserError(
                    f"data.train_transforms: there is no {name}, which the loss needs; add '- {name}' before "
                    "Normalize"
                )

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
