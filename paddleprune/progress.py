"""Progress bars: live on a terminal, a line now and then in a log file, only in the first process."""

import multiprocessing
import os
import sys
from typing import Any

from tqdm import tqdm


def bar(
    iterable: Any, title: str, total: int, unit: str = "batch", keep: bool = False, start: int = 0
) -> Any:
    """A bar over `iterable`, or one to `update()` by hand if it is None. It shows the rate and the
    time left; with `keep` it stays on the screen when it is done."""
    live = sys.stderr.isatty()
    return tqdm(
        iterable,
        title,
        total,
        leave=keep,
        unit=unit,
        initial=start,
        position=None if live else 0,  # in a file no line is above another
        mininterval=0.1 if live else 30,
        dynamic_ncols=live,
        disable=multiprocessing.parent_process() is not None
        or os.environ.get("PADDLE_TRAINER_ID", "0") != "0",
    )
