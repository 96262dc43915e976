"""Looks at every item of both lists before a training begins: a fault is one line now and not a lost epoch
later, and what is odd, but possible, is said.
"""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from ..files import exists, write_json
from ..progress import bar
from ..texts import read_json
from .dataset import Dataset

log = logging.getLogger(__name__)
ROWS = 20  # classes in the table
THREADS = 4  # that read headers and masks
AT_ONCE = 1024  # items that are waited for
CACHE = "data_check.json"


@dataclass(frozen=True)
class Census:
    """What a list holds. `counts` [classes]: of pictures, boxes or pixels, `unit`; `ignored`: pixels of no
    class; `notes`: {what was put right: how often}."""

    pictures: int
    unit: str
    counts: list[int]
    ignored: int
    notes: dict[str, int]


def check_data(train: Dataset, val: Dataset, folder: Path) -> None:
    """Check both lists, unless that was done for this `folder`, and log what they hold and what is odd.

    Raises UserError for the first faulty item, and for training data that teach nothing: fewer than two
    classes where there should be several.
    """
    prints = [dataset.reader.fingerprint for dataset in (train, val)]
    cached = read_json(folder / CACHE, "data check") if exists(folder / CACHE) else {}
    if cached and cached.get("fingerprints") == prints:
        return
    found = [census(train.reader, "check training data"), census(val.reader, "check validation data")]
    for line in table(train.labels, *found):
        log.info("%s", line)
    for line in oddities(train, val, *found):
        log.warning("note: %s", line)
    _refuse_nothing_to_learn(train.labels, found[0])
    write_json(folder / CACHE, {"fingerprints": prints, "train": vars(found[0]), "val": vars(found[1])})


def census(reader: Any, title: str) -> Census:
    """Every item of a reader looked at."""
    classes = len(reader.labels)
    total = np.zeros(classes + 1, np.int64)
    pool = ThreadPoolExecutor(THREADS)
    try:
        progress = bar(None, title, len(reader), "image")
        for start in range(
            0, len(reader), AT_ONCE
        ):  # a promise each for all of a large set would fill memory
            for counts in pool.map(reader.check, range(start, min(start + AT_ONCE, len(reader)))):
                total[: len(counts)] += counts
                progress.update()
        progress.close()
    finally:
        pool.shutdown(cancel_futures=True)
    notes = dict(getattr(reader, "notes", {}))
    return Census(len(reader), reader.unit, total[:classes].tolist(), int(total[classes]), notes)


def table(labels: Sequence[str], train: Census, val: Census) -> list[str]:
    """The classes with their shares of both lists, for reading."""
    lines = [
        f"data: {train.pictures} pictures to train with, {val.pictures} to validate, {len(labels)} classes"
    ]
    if not labels:
        return [lines[0].rsplit(",", 1)[0]]
    width = max(5, *(len(name) for name in labels[:ROWS]))
    lines.append(f"  {'class':<{width}}  {'training ' + train.unit:>24}  {'validation ' + val.unit:>24}")
    for i, name in enumerate(labels[:ROWS]):
        lines.append(f"  {name:<{width}}  {_share(train, i):>24}  {_share(val, i):>24}")
    if len(labels) > ROWS:
        lines.append(f"  ... and {len(labels) - ROWS} more")
    return lines


def _share(census: Census, i: int) -> str:
    total = sum(census.counts)
    return f"{census.counts[i]} ({100 * census.counts[i] / total:.1f} %)" if total else "0"


def oddities(train_set: Dataset, val_set: Dataset, train: Census, val: Census) -> list[str]:
    """What is possible, and rarely meant."""
    found, labels = [], train_set.labels
    absent = [name for name, count in zip(labels, train.counts, strict=True) if not count]
    if absent and len(absent) < len(labels):
        more = f" and {len(absent) - 3} more" if len(absent) > 3 else ""
        found.append(
            f"no training picture has the class {', '.join(map(repr, absent[:3]))}{more}; the network cannot learn it"
        )
    if train.ignored and (absent or train.ignored > 0.5 * (sum(train.counts) + train.ignored)):
        share = 100 * train.ignored / (sum(train.counts) + train.ignored)
        found.append(
            f"{share:.1f} % of the masks' pixels are 255, which is no class but 'ignore'; if it means one, say so: "
            f"--set 'data.mask_values={{255: {len(labels) - 1}}}'"
        )
    if len(labels) == 1 and train.unit != "boxes":
        found.append("there is one class alone: whatever the network says is right")
    common = {path.resolve() for path in train_set.reader.files} & {p.resolve() for p in val_set.reader.files}
    if common:
        found.append(
            f"{len(common)} of {val.pictures} validation pictures are training pictures, too: the metric will be "
            "better than the network is"
        )
    for census, what in ((train, "training"), (val, "validation")):
        found += [f"{count} of {census.pictures} {what} {text}" for text, count in census.notes.items()]
    return found


def _refuse_nothing_to_learn(labels: Sequence[str], train: Census) -> None:
    present = [name for name, count in zip(labels, train.counts, strict=True) if count]
    if train.unit == "pixels" and len(present) < 2:
        only = f"only the class '{present[0]}'" if present else "no class at all"
        raise UserError(
            f"data.train_list: its masks hold {only}{' besides 255, which is ignored' if train.ignored else ''}: there is "
            "nothing to learn; masks must hold class indices 0, 1, ..., or data.mask_values must map what they hold, "
            f"e.g. --set 'data.mask_values={{255: {max(1, len(labels) - 1)}}}'"
        )
