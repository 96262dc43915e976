"""The commands. `python tools/train.py ...` and `paddleprune train ...` are the same."""

import logging
import os
import shlex
import sys
import time
import warnings
from collections.abc import Sequence

from ..errors import UserError
from ._ending import Terminated, catching_sigterm
from ._verb import Parser
from .analyse import merge_sensitivities, sensitivity
from .judge import benchmark, evaluate, infer, report
from .ship import export, lite_check
from .train import anchors, groups, sample_data, sweep, train

VERBS = (
    sample_data, anchors, train, groups, sensitivity, merge_sensitivities, sweep, evaluate, infer, lite_check, export,
    benchmark, report,
)  # fmt: skip


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
    try:
        with catching_sigterm():
            options.run(options)
    except UserError as error:
        print(f"paddleprune {options.verb}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(f"paddleprune {options.verb}: interrupted; {options.go_on(options)}", file=sys.stderr)
        return 143 if isinstance(stop, Terminated) else 130
    return 0


def console() -> None:
    """The installed command `paddleprune`."""
    sys.exit(main())


def _quiet() -> None:
    """Our log lines as they are; other packages' warnings not at all."""
    warnings.filterwarnings("ignore")
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
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=Parser)
    for add in VERBS:
        add(verbs)
    return top
