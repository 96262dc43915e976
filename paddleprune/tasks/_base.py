"""The contract between a task and the loops."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import paddle
from paddle import nn


class Task(ABC):
    """One vision task. `outputs` below is a sequence of arrays, one per network output."""

    metric: ClassVar[Any]  # class with update(outputs, batch), compute(), main, higher_is_better

    def __init__(self, labels: list[str]):
        self.labels = labels

    @abstractmethod
    def model_args(self, given: dict) -> dict:
        """Arguments of the model's build(): those given, completed from the labels."""

    @abstractmethod
    def loss(self, network: nn.Layer, batch: dict) -> dict[str, paddle.Tensor]:
        """Scalar losses of a training batch; "loss" is the one that is minimised."""

    @abstractmethod
    def deployed(self, network: nn.Layer) -> nn.Layer:
        """The network as it is exported: with the head that a client should not have to write.
        The metric accepts its outputs as it does the network's own."""

    @abstractmethod
    def result(self, outputs: Sequence[np.ndarray]) -> dict:
        """Outputs of the deployed network for ONE image -> a plain dict for JSON."""

    @abstractmethod
    def draw(self, image: np.ndarray, result: dict) -> np.ndarray:
        """uint8 RGB [H, W, 3] and a result -> a picture with the result on it."""
