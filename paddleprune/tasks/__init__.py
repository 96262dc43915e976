"""What differs by task, and nothing else: loss, metric, the deployed head, the drawing.

`task: foo` in a config is `tasks/foo.py` with a class `Task(labels, **options)`. Loops, pruning
and export call only the methods of `_base.Task`.
"""

import sys
from typing import Any

from .. import models
from ..config import Config, TrainConfig
from ..errors import UserError
from ..lookup import find_module
from ._base import Task

OPTIONS = ("label_smoothing", "losses", "sizes")  # keys of the config's `train` that are for some tasks


def make(config: Config, labels: list[str]) -> Task:
    """The task of a config, for a data set with these class names."""
    wanted = find_module(sys.modules[__name__], config.task, "task").Task.options
    if not models.is_for(config.model.name, config.task):
        meant = " and ".join(models.tasks_of(config.model.name))
        raise UserError(
            f"model.name: {config.model.name} is for {meant}, the task is '{config.task}'; change one"
        )
    given, usual = vars(config.train), TrainConfig()
    for name in OPTIONS:
        if name not in wanted and given[name] != getattr(usual, name):
            raise UserError(f"train.{name}: the task '{config.task}' takes none; leave it out")
    task = of(config.task, labels, **{name: given[name] for name in wanted})
    task.check(config.data)
    return task


def of(name: str, labels: list[str], **options: Any) -> Task:
    return find_module(sys.modules[__name__], name, "task").Task(labels, **options)
