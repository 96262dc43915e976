"""Hands that are processes of this machine.

A worker prepares the job for itself, then answers one group at a time, point by point:

    driver -> worker    (group, {ratio: loss} known)
    worker -> driver    ("points", {ratio: Point}) ..., ("done", {})    or  ("error", text)
"""

import contextlib
import multiprocessing
import signal
import threading
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Connection, wait

from ..errors import UserError
from ..pruning.measure import Found
from ..pruning.sensitivity import Points
from . import sharing
from .job import Job, Prepared


def shared_out(job: Job, groups: list[str], curves: sharing.Curves, baseline: float, count: int) -> Found:
    """`sharing.shared_out` among `count` processes."""
    return sharing.shared_out(lambda: _Worker(job, baseline), _ready, groups, curves, count)


class _Worker:
    """A process and the driver's end of the pipe to it."""

    def __init__(self, job: Job, baseline: float):
        context = multiprocessing.get_context("spawn")  # a forked Paddle hangs
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(job, baseline, theirs), daemon=True)
        with _deaf_to_interrupts():  # the driver hears Ctrl-C, and ends its workers
            self.process.start()
        theirs.close()
        self.group = ""

    def give(self, group: str, known: Mapping[float, float]) -> None:
        self.group = group
        with contextlib.suppress(OSError):  # it has died; `hear` finds out
            self.pipe.send((group, known))

    def hear(self) -> tuple[Points, bool]:
        try:
            kind, value = self.pipe.recv()
        except (EOFError, OSError) as error:
            self.process.join()
            raise sharing.Died from error
        if kind == "error":
            raise UserError(value)
        return value, kind == "done"

    def end(self) -> None:
        self.pipe.close()
        self.process.join()

    def kill(self) -> None:
        self.process.kill()


def _ready(workers: list[_Worker]) -> list[_Worker]:
    pipes = wait([worker.pipe for worker in workers])
    return [worker for worker in workers if worker.pipe in pipes]


def _work(job: Job, baseline: float, pipe: Connection) -> None:
    """The life of a worker process: until the driver closes the pipe."""
    try:
        search = Prepared(job).search(baseline)
        while True:
            group, known = pipe.recv()
            for points in search.group(group, known):
                pipe.send(("points", points))
            pipe.send(("done", {}))
    except UserError as error:
        with contextlib.suppress(OSError):
            pipe.send(("error", str(error)))
    except (EOFError, OSError, KeyboardInterrupt):  # the driver has gone
        return


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Inside the block processes start that Ctrl-C at the terminal does not reach."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
