"""Groups shared out among processes of this machine. The driver alone writes the file.

A worker prepares the job for itself, then answers one group at a time, point by point:

    driver -> worker    (group, {ratio: loss} known)
    worker -> driver    ("points", {ratio: Point}) ..., ("done", None)    or  ("error", text)

A worker that dies costs the points of its group that it had not sent: the group goes back into the
queue and another worker is started. A group that kills three workers ends the analysis.
"""

import collections
import contextlib
import logging
import multiprocessing
import signal
import threading
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Connection, wait
from typing import Any

from ..errors import UserError
from ..pruning.measure import Found
from .job import Job, Prepared

DEATHS = 3  # of workers on one group
log = logging.getLogger(__name__)


def shared_out(
    job: Job, groups: list[str], curves: Mapping[str, Mapping[float, float]], baseline: float, count: int
) -> Found:
    """The missing points of `groups`, as `count` processes find them.

    `curves`: points known at the start; it is looked at again when a group has to be repeated.
    Raises UserError for a mistake that a worker finds, or a group that kills its workers.
    """
    queue = collections.deque(groups)
    deaths: collections.Counter = collections.Counter()
    workers: list[_Worker] = []
    try:
        while queue or workers:
            while queue and len(workers) < count:
                workers.append(_Worker(job, baseline))
                workers[-1].give(queue.popleft(), curves)
            for ready in wait([worker.pipe for worker in workers]):
                worker = next(w for w in workers if w.pipe is ready)
                kind, value = worker.hear()
                if kind == "points":
                    yield worker.group, value
                elif kind == "error":
                    raise UserError(value)
                elif kind == "died":
                    workers.remove(worker)
                    _again(worker.group, queue, deaths)
                else:
                    yield worker.group, {}
                    if queue:
                        worker.give(queue.popleft(), curves)
                    else:
                        workers.remove(worker)
                        worker.end()
    finally:
        for worker in workers:
            worker.process.kill()


def _again(group: str, queue: collections.deque, deaths: collections.Counter) -> None:
    deaths[group] += 1
    if deaths[group] >= DEATHS:
        raise UserError(
            f"--workers: {group} killed {DEATHS} worker processes, possibly for want of memory; what was "
            "finished is saved, go on with fewer workers or a smaller --batch_size"
        )
    log.warning("a worker died; %s is computed again", group)
    queue.appendleft(group)


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

    def give(self, group: str, curves: Mapping[str, Mapping[float, float]]) -> None:
        self.group = group
        with contextlib.suppress(OSError):  # it has died; `hear` finds out
            self.pipe.send((group, dict(curves.get(group, {}))))

    def hear(self) -> tuple[str, Any]:
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            return "died", None

    def end(self) -> None:
        self.pipe.close()
        self.process.join()


def _work(job: Job, baseline: float, pipe: Connection) -> None:
    """The life of a worker process: until the driver closes the pipe."""
    try:
        search = Prepared(job).search(baseline)
        while True:
            group, known = pipe.recv()
            for points in search.group(group, known):
                pipe.send(("points", points))
            pipe.send(("done", None))
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
