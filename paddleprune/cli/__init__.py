"""The commands. `python tools/train.py ...` and `paddleprune train ...` are the same."""

import contextlib
import logging
import os
import shlex
import sys
import time
import warnings
from collections.abc import Sequence

from .. import __version__
from ..errors import UserError
from ._ending import Terminated, catching_sigterm
from ._verb import Options, Parser
from .analyse import merge_sensitivities, sensitivity
from .compress import compress
from .init import convert, init
from .judge import benchmark, evaluate, infer, report
from .ship import export, lite_check
from .train import anchors, groups, sample_data, sweep, train

VERBS = (
    sample_data, convert, init, anchors, train, groups, sensitivity, merge_sensitivities, sweep, evaluate, infer, lite_check, export,
    benchmark, report, compress,
)  # fmt: skip


PRINTERS = (
    "convert",
    "init",
    "groups",
    "lite_check",
    "anchors",
    "eval",
    "benchmark",
)  # verbs whose work is what they print


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb. Returns the exit code: 0; 2 for a user's mistake, 130 for Ctrl-C, 143 for SIGTERM, each
    with one line on stderr."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments:  # merge-sensitivities is merge_sensitivities
        arguments[0] = arguments[0] if arguments[0][:1] == "-" else arguments[0].replace("-", "_")
    options = parser().parse_args(arguments)
    options.command = shlex.join(["paddleprune", *arguments])
    options.begun = time.time()
    _quiet()
    code, line = _run(options)
    if not _flushed():
        code, line = code or 2, line or "cannot write to the standard output; what it would have said is lost"
    if line:
        print(f"paddleprune {options.verb}: {line}", file=sys.stderr)
    return code


def _run(options: Options) -> tuple[int, str]:
    """Carry the verb out; the exit code, and what has to be said on stderr."""
    try:
        with catching_sigterm():
            options.run(options)
    except UserError as error:
        return 2, str(error)
    except KeyboardInterrupt as stop:
        return 143 if isinstance(stop, Terminated) else 130, f"interrupted; {options.go_on(options)}"
    except BrokenPipeError:  # the reader, head say, has what it wants
        return (
            (0, "")
            if options.verb in PRINTERS
            else (141, f"nobody reads the output; {options.go_on(options)}")
        )
    except MemoryError:
        return 2, "there is not enough memory; take a smaller batch, picture or network"
    except OSError as error:  # a disk that is full, a file that has gone
        return (
            2,
            f"{error.strerror or error}{f': {error.filename!r}' if error.filename else ''}; mend that and run again",
        )
    return 0, ""


def _flushed() -> bool:
    """Write out what was printed; a pipe that nobody reads is no fault."""
    try:
        sys.stdout.flush()
        return True
    except BrokenPipeError:
        good = True
    except (OSError, ValueError):
        good = False
    with contextlib.suppress(
        OSError, ValueError, AttributeError
    ):  # or the interpreter tries again at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return good


def console() -> None:
    """The installed command `paddleprune`."""
    sys.exit(main())


def _quiet() -> None:
    """Our log lines as they are; other packages' warnings not at all."""
    warnings.filterwarnings("ignore")
    logging.raiseExceptions = False  # where nobody reads what is logged, the work goes on
    os.environ.setdefault("PYTHONWARNINGS", "ignore")  # of worker processes
    os.environ.setdefault("GLOG_minloglevel", "2")
    logging.basicConfig(level=logging.ERROR, format="%(message)s", stream=sys.stdout, force=True)
    first = os.environ.get("PADDLE_TRAINER_ID", "0") == "0"  # of several processes one speaks
    logging.getLogger("paddleprune").setLevel(logging.INFO if first else logging.ERROR)


def parser() -> Parser:
    """The parser of all verbs; each has its function in `run`."""
    top = Parser(
        prog="paddleprune",
        description="Make a vision network small: train, analyse, prune + retrain, export.",
    )
    top.add_argument("--version", action="version", version=f"paddleprune {__version__}")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=Parser)
    for add in VERBS:
        add(verbs)
    return top
