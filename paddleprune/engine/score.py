"""The metric of a network on a data set."""

from typing import Any

import paddle

from ..data.dataset import Batches, Dataset
from ..metrics._base import Metric
from ..progress import bar
from ..tasks._base import Task
from . import ranks
from .evaluate import evaluate, forward_of


def score(
    network: paddle.nn.Layer, task: Task, dataset: Dataset, batch_size: int, title: str = "evaluate",
    metric: type[Metric] | None = None,
) -> dict[str, float]:  # fmt: skip
    """All values of the task's metric, or another one; of several processes each has a part of the images."""
    return meter_of(network, task, dataset, batch_size, title, metric).compute()


def meter_of(
    network: paddle.nn.Layer, task: Task, dataset: Dataset, batch_size: int, title: str = "evaluate",
    metric: type[Metric] | None = None,
) -> Any:  # fmt: skip
    """The metric's meter after all images."""
    batches = Batches(dataset, batch_size, train=False, part=(ranks.rank(), ranks.size()))
    stream = bar(batches.epoch(), title, len(batches))
    meters = evaluate(forward_of(network), stream, metric or task.metric, finish=task.head.finish(network))
    return ranks.joined(meters[0])
