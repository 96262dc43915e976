"""A config for data that was found: the task's recipe, at a size and for a time that fit the data and the machine."""

import itertools
import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from . import pipeline
from .config import Config, parse_config
from .data.dataset import Batches, Dataset
from .data.images import size_of
from .data.layouts import Found
from .data.readers import find_reader
from .engine.depthwise import fast_depthwise
from .engine.fit import Run, make_optimizer, step
from .engine.start import new_model, open_splits
from .files import shipped
from .processor import kept_memory
from .pruning.groups import Groups, find_groups
from .scaled import scaled
from .tasks import make
from .texts import read_yaml

log = logging.getLogger(__name__)

SIZES = {  # of inputs, pixels; the largest that the pictures fill, and that two cores train in reasonable time
    "classification": (32, 48, 64, 96, 128, 160, 192, 224),
    "detection": (96, 128, 160, 192, 224, 256, 320),
    "segmentation": (64, 96, 128, 160, 192, 256),
    "matting": (64, 96, 128, 160, 192, 256),
}
# Without weights to begin with, which need the widths that they were trained at, networks are narrower.
MODELS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "classification": ("mobilenet_v2", {}, {"scale": 0.5}),
    "detection": ("yolov3", {}, {"scale": 0.5, "width": 0.25}),
    "segmentation": ("unet", {}, {"scale": 0.25}),
    "matting": ("modnet", {}, {"scale": 0.5, "width": 16}),
}
# A classifier that begins with random weights: the task's recipe is for fine-tuning.
ANEW = {"optimizer": "adamw", "learning_rate": 0.003, "weight_decay": 0.01, "label_smoothing": 0.0}
LOOKED_AT = 50  # pictures whose size is asked
FEWEST, MOST = 15, 60  # epochs: fewer teach little; a recipe goes on for no more, whatever the time


def dense_config(found: Found, model: str, weights: str, minutes: float) -> Config:
    """How the dense network is trained. `model`: a name, or "" for the task's usual one; `weights` to begin with, or "";
    `minutes` that it may take, about. Where these allow fewer than FEWEST epochs, the input becomes smaller, down to half."""
    largest = _size(found)
    config, train_set = _at(found, largest, model, weights)
    slow = FEWEST * _seconds_an_epoch(config, train_set) / (60 * minutes)
    if slow > 1:
        smaller = [size for size in SIZES[found.task] if largest / 2 <= size < largest]
        enough = [size for size in smaller if (largest / size) ** 2 >= slow]
        chosen = enough[-1] if enough else min(smaller, default=largest)
        if chosen < largest:
            log.info("%d px instead of %d: %g minutes are too few for %d epochs there", chosen, largest, minutes, FEWEST)  # fmt: skip
            config, train_set = _at(found, chosen, model, weights)
    if found.task == "detection" and not model:
        config = _with_anchors(config)
    return with_epochs(config, train_set, minutes)


def _at(found: Found, size: int, model: str, weights: str) -> tuple[Config, Dataset]:
    """The recipe for an input of this size, and its training pictures."""
    name, wide, narrow = MODELS[found.task]
    args = (wide if weights else narrow) if model in ("", name) else {}
    raw = scaled(read_yaml(_base(found.task), "config"), size)
    if found.task == "classification" and not weights:
        raw["train"] |= ANEW
    raw["model"] = {"name": model or name, "args": args, "weights": weights}
    raw["data"] |= {
        "root": str(found.root), "reader": found.reader, "train_list": found.train_list,
        "val_list": found.val_list, "labels": found.labels, "workers": 1, **found.settings,
    }  # fmt: skip
    config = parse_config(raw)
    train_set, _ = open_splits(config)
    batch = max(2, min(config.data.batch_size, len(train_set) // 20))  # twenty steps an epoch, or more
    return replace(config, data=replace(config.data, batch_size=batch)), train_set


def with_epochs(config: Config, train_set: Dataset, minutes: float) -> Config:
    """As many epochs as fit the time, by the seconds that steps take here."""
    seconds = _seconds_an_epoch(config, train_set)
    epochs = int(np.clip(60 * minutes / seconds, 2, MOST))
    warmup = min(config.train.warmup_epochs, epochs / 5)
    return replace(config, train=replace(config.train, epochs=epochs, warmup_epochs=warmup))


def groups_of(config: Config) -> Groups:
    """Of the network that the config describes, as it will be, with the data that are there."""
    task = make(config, open_splits(config)[0].labels)
    saved = new_model(replace(config, model=replace(config.model, weights="")), task)
    return find_groups(saved.network, saved.image_shape)


def _seconds_an_epoch(config: Config, train_set: Dataset) -> float:
    batches = Batches(train_set, config.data.batch_size, True, config.train.seed)
    return max(1e-3, _seconds_a_step(config, train_set, batches) * len(batches))


def _base(task: str) -> Path:
    return next(path for path in shipped(f"configs/_base_/{task}.yml") if path.is_file())


def _size(found: Found) -> int:
    """The side of the network's input: as large as half of the pictures are, at the least."""
    options = {"values": found.settings["mask_values"]} if "mask_values" in found.settings else {}
    files = find_reader(found.reader)(found.root, found.train_list, found.labels, **options).files
    chosen = [files[i] for i in np.linspace(0, len(files) - 1, min(len(files), LOOKED_AT)).astype(int)]
    sides = [min(size_of(file, "--data")) for file in chosen]
    typical = float(np.median(sides))
    fitting = [size for size in SIZES[found.task] if size <= typical]
    return fitting[-1] if fitting else SIZES[found.task][0]


def _with_anchors(config: Config) -> Config:
    found, _, _ = pipeline.find_anchors(config, 9)
    args = {**config.model.args, "anchors": found}
    return replace(config, model=replace(config.model, args=args))


def _seconds_a_step(config: Config, train_set: Dataset, batches: Batches) -> float:
    """Of five training steps behind a first one, reading included."""
    task = make(config, train_set.labels)
    saved = new_model(replace(config, model=replace(config.model, weights="")), task)
    optimizer, schedule = make_optimizer(saved.network, config.train, len(batches))
    run = Run(saved.network, task, batches, config.train, optimizer, schedule)
    stamps = []
    with kept_memory(), fast_depthwise(run.network):
        for batch in itertools.islice(batches.epoch(), 6):
            step(run, batch)
            stamps.append(time.perf_counter())
    return (stamps[-1] - stamps[0]) / max(1, len(stamps) - 1)
