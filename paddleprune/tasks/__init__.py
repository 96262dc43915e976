"""What differs by task, and nothing else: metric, checks, results, the drawing.

`task: foo` in a config is `tasks/foo.py` with a class `Task(labels, head)`; the head (models/_head.py) is the
network's. Loops, pruning and export call only the methods of the two base classes.
"""

import sys
from typing import Any

from .. import models
from ..config import Config, TrainConfig
from ..errors import UserError
from ..lookup import find_module
from ._base import Task

OPTIONS = (
    "label_smoothing",
    "losses",
    "sizes",
    "region",
)  # keys of the config's `train` that are for some heads


def make(config: Config, labels: list[str]) -> Task:
    """The task of a config, for a data set with these class names."""
    name = config.model.name
    find_module(sys.modules[__name__], config.task, "task")
    heads = models.card(name).heads
    if config.task not in heads:
        raise UserError(
            f"model.name: {name} is for {' and '.join(heads)}, the task is '{config.task}'; change one"
        )
    wanted, given, usual = heads[config.task].options, vars(config.train), TrainConfig()
    for option in OPTIONS:
        if option not in wanted and given[option] != getattr(usual, option):
            raise UserError(f"train.{option}: {name} takes none for '{config.task}'; leave it out")
    task = of(config.task, name, labels, **{option: given[option] for option in wanted})
    task.check(config.data)
    return task


def of(task: str, model: str, labels: list[str], **options: Any) -> Task:
    """The task `task` of the model named `model`, whose head takes the options."""
    head = models.card(model).heads[task](labels, **options)
    return find_module(sys.modules[__name__], task, "task").Task(labels, head)


def of_facts(facts: dict) -> Task:
    """The task of a saved model, by the facts of its model.yml."""
    return of(facts["task"], facts["model"]["name"], facts["labels"])
