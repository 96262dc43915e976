"""How a command ends that is told to stop: one line that says how to go on, no dump."""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any, NoReturn, TextIO


class Terminated(KeyboardInterrupt):
    """SIGTERM as an exception, so that it ends a command as Ctrl-C does."""


@contextlib.contextmanager
def catching_sigterm() -> Iterator[None]:
    """Inside the block SIGTERM raises `Terminated` in the main thread.

    Paddle sets a handler of its own (it prints a C++ stack) when it is imported, so it is imported here.
    The signal waits while that lasts: a launcher that ends its processes early meets our handler, too.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with _held(signal.SIGTERM):
        _import_paddle()
        before = signal.signal(signal.SIGTERM, _raise)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _import_paddle() -> None:
    """Without its two lines of advice where OMP_NUM_THREADS is above 1."""
    with contextlib.redirect_stderr(_Sieve(sys.stderr)):  # type: ignore[type-var]
        import paddle  # noqa: F401


class _Sieve:
    """A stream without lines about OMP_NUM_THREADS. Loggers that are made meanwhile keep it."""

    def __init__(self, stream: TextIO):
        self._stream, self._dropped = stream, False

    def write(self, text: str) -> int:
        was, self._dropped = self._dropped, "OMP_NUM_THREADS" in text
        if self._dropped or (was and text == "\n"):  # print() writes the end of its line apart
            return len(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def _held(number: int) -> Iterator[None]:
    """Inside the block a signal waits, where the system can do that."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})


def _raise(number: int, frame: Any) -> NoReturn:
    raise Terminated
