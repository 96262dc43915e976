"""What is shown while work is done. Progress bars: live on a terminal, a line now and then in a log file, only in the first
process; and nothing of what libraries print."""

import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

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


@contextmanager
def silent(stream: TextIO) -> Iterator[None]:
    """Inside the block nothing is written to the process's standard output or error, by compiled libraries neither."""
    stream.flush()
    number = 1 if stream is sys.stdout else 2
    usual, nowhere = os.dup(number), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    try:
        yield
    finally:
        os.dup2(usual, number)
        os.close(usual)
        os.close(nowhere)
