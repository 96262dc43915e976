"""A few pictures to look at the network with: no labels are used."""

import logging
from dataclasses import replace

import numpy as np

from ..config import DataConfig
from ..data.dataset import Batches, Dataset, Subset, open_dataset, stratified_order
from ..errors import UserError
from ..progress import bar

log = logging.getLogger(__name__)


def pictures(data: DataConfig, count: int, fallback: Dataset | None = None) -> np.ndarray:
    """[n, C, H, W] of at most `count` training pictures, classes in proportion, as the evaluation transforms make them.

    `fallback`: what to take where the training list is not to be had, as on another machine."""
    try:
        found = open_dataset(replace(data, train_transforms=data.eval_transforms), "train")
    except UserError as error:
        if fallback is None:
            raise
        log.warning("no training pictures to look at (%s); those of the evaluation are taken", error)
        found = fallback
    return some(found, count, data.batch_size)


def some(found: Dataset, count: int, batch_size: int) -> np.ndarray:
    """[n, C, H, W] of at most `count` pictures, classes in proportion."""
    chosen = sorted(stratified_order(found)[:count])
    batches = Batches(Subset(found, chosen), batch_size, train=False, workers=2)
    every = [batch["image"] for batch in bar(batches.epoch(), "read pictures", len(batches))]
    return np.concatenate(every)
