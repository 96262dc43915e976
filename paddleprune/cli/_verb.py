"""What the verbs share."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from ..errors import UserError
from ..files import checked_path, exists

Options = argparse.Namespace


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line and exit code 2; argparse alone would print the usage before it."""
        print(f"{self.prog}: {message}; see {self.prog} --help", file=sys.stderr)
        sys.exit(2)


def nothing_kept(options: Options) -> str:
    """How to go on after a command that was interrupted and keeps nothing."""
    return "nothing was written; the same command begins again"


def add_verb(
    verbs: Any, run: Callable, name: str, text: str, example: str,
    go_on: Callable[[Options], str] = nothing_kept,
) -> argparse.ArgumentParser:  # fmt: skip
    """`run(options)` carries the verb out; `go_on(options)` says what is kept of it when it is interrupted,
    and how to go on."""
    verb = verbs.add_parser(
        name,
        help=text,
        description=text,
        epilog=f"example: python tools/{name}.py {example}",
    )
    verb.set_defaults(run=run, go_on=go_on)
    return verb


def config_options(verb: argparse.ArgumentParser, required: bool) -> None:
    verb.add_argument(
        "--config",
        required=required,
        help="a file in configs/, e.g. configs/classification/mobilenet_v2_sample.yml",
    )
    verb.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", nargs="+",
                      help="change keys of the config, e.g. --set train.epochs=5 data.root=DIR")  # fmt: skip


def overrides(options: Options) -> list[str]:
    return [item for group in options.set for item in group]


def ratios(text: str) -> list[float]:
    """'0.3,0.1' -> [0.1, 0.3]. Raises UserError for what is no number in (0, 1)."""
    try:
        ratios = [float(part) for part in text.split(",")]
    except ValueError:
        ratios = []
    if not ratios or not all(0 < r < 1 for r in ratios):
        raise UserError(f"--ratios: '{text}' must be numbers in (0, 1) with commas, e.g. 0.1,0.3,0.5")
    return sorted(set(ratios))


def folder_options(verb: Any) -> None:
    """Of verbs that begin with a folder of pictures."""
    verb.add_argument(
        "--data", required=True,
        help="folder: a folder a class, COCO, Pascal VOC, YOLO, Labelme, CVAT, Supervisely, images beside masks or alphas, or "
        "list files",
    )  # fmt: skip
    verb.add_argument(
        "--task", default="",
        help="detection or segmentation, where outlines could be taken for either (default: what the data is usually for)",
    )  # fmt: skip


def data_options(verb: Any, minutes: float, what: str) -> None:
    """Of verbs that go on to train on it; `what` the minutes are for."""
    folder_options(verb)
    verb.add_argument(
        "--model", default="", help="instead of the task's usual one, e.g. mobilenet_v1 or yolov2"
    )
    verb.add_argument("--minutes", type=float, default=minutes, help=f"{what} (default: {minutes:g})")


def data_folder(options: Options) -> Path:
    """The folder of --data. Raises UserError for it, or for the minutes."""
    if not 0 < getattr(options, "minutes", 1.0) <= 10_000:
        raise UserError(f"--minutes: {options.minutes} is out of range; it must be above 0, to 10000")
    data = checked_path(options.data, "--data")
    if not exists(data, "folder"):
        raise UserError(f"--data: there is no folder '{options.data}'; give the folder of the pictures")
    return data


def apart(folder: Path, data: Path) -> Path:
    """The folder of --save_dir. Raises UserError if it is in the data's, or holds it: what is written would be read."""
    here, there = folder.resolve(), data.resolve()
    if here == there or here in there.parents:
        raise UserError(f"--save_dir: '{folder}' holds the data; choose a folder of its own")
    if there in here.parents:
        raise UserError(f"--save_dir: '{folder}' is inside the data; choose a folder beside it")
    return folder
