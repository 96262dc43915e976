"""Writes the page of all commands from their own --help, when the site is built."""

import argparse
import os
from typing import Any

from mkdocs.structure.files import File, Files

HEAD = """# Commands

What each says of itself with `--help`. `python tools/train.py ...` in a checkout and `paddleprune train ...` where it is
installed are the same.
"""


def on_files(files: Files, *, config: Any) -> Files:
    os.environ["COLUMNS"] = "100"  # argparse wraps by it
    files.append(File.generated(config, "commands.md", content=page()))
    return files


def page() -> str:
    from paddleprune.cli import parser

    verbs = next(action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
    parts = [HEAD]
    for name, verb in verbs.choices.items():
        parts.append(f"## {name}\n\n{verb.description}\n\n```text\n{verb.format_help()}```\n")
    return "\n".join(parts)
