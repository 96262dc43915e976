"""What differs by task, and nothing else: loss, metric, the deployed head, the drawing.

`task: foo` in a config is `tasks/foo.py` with a class `Task(labels, **options)`. Loops, pruning
and export call only the methods of `_base.Task`.
"""

import sys
from typing import Any

from ..config import Config
from ..lookup import find_module
from ._base import Task


def make(config: Config, labels: list[str]) -> Task:
    """The task of a config, for a data set with these class names."""
    return of(config.task, labels, label_smoothing=config.train.label_smoothing)


def of(name: str, labels: list[str], **options: Any) -> Task:
    return find_module(sys.modules[__name__], name, "task").Task(labels, **options)
