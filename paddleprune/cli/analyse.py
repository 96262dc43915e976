"""Verbs of the analysis."""

import json
import logging
import re
import sys
from pathlib import Path
from typing import Any

from ..errors import UserError
from ._verb import Options, add_verb, nothing_kept, ratios


def sensitivity(verbs: Any) -> None:
    verb = add_verb(verbs, _sensitivity, "sensitivity", "Measure how much each group's pruning hurts on validation data.",
                    "--model_dir output/dense/best_model --save_file output/sensitivities.json", _complete)  # fmt: skip
    verb.add_argument("--model_dir", required=True, help="best_model/ of a run that was not pruned")
    verb.add_argument("--save_file", required=True, help="JSON; an unfinished one is completed")
    verb.add_argument("--dataset", help="folder of the data (default: the one that the model was trained on)")
    verb.add_argument("--list", help="list file of the folder (default: its validation list)")
    verb.add_argument(
        "--criterion",
        help="reconstruction, taylor, l1_norm, l2_norm, fpgm or bn_scale (default: reconstruction; l1_norm with --compensate 0)",
    )
    verb.add_argument(
        "--compensate",
        type=int,
        default=256,
        metavar="N",
        help="training pictures by which the layers that read removed channels make up for them, as they will when "
        "the model is pruned (default: 256; 0: they do not, as in PaddleSlim and PaddleX)",
    )
    verb.add_argument(
        "--ratios", default="0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9", help="fractions of channels to try"
    )
    _carrying_out(verb)


def _carrying_out(verb: Any) -> None:
    """Options of how the points are found."""
    verb.add_argument("--batch_size", type=int, help="images per batch (default: that of the training)")
    verb.add_argument(
        "--engine", default="replay", help="replay (fast), or plain: a whole evaluation per point"
    )
    verb.add_argument(
        "--eval_metric_loss", type=float, help="only the points that decide the ratios under this budget"
    )
    verb.add_argument(
        "--subset",
        metavar="N|auto",
        help="only N images, stratified by class; auto doubles the subset until no group's decision under the budget is in doubt",
    )
    verb.add_argument("--seed", type=int, default=0, help="of the subset (default: 0)")
    verb.add_argument("--workers", type=int, help="processes that share the groups (default: 1)")
    verb.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="share the groups on a Ray cluster: HOST:PORT, auto for the one of this machine, or local "
        "to start one; --workers is then the number of actors (default: the cluster's cores)",
    )
    verb.add_argument(
        "--shard",
        metavar="K/N",
        help="only every N-th group, from the K-th on; merge with merge_sensitivities",
    )
    verb.add_argument(
        "--verify", type=int, default=0, metavar="N", help="evaluate N random points again the plain way"
    )
    verb.add_argument("--note", help="a sentence that is kept in the file, e.g. what the data stands for")
    verb.add_argument("--json", action="store_true", help="progress as lines of JSON on stdout")


def _complete(options: Options) -> str:
    if Path(options.save_file).is_file():
        return f"finished points are in {options.save_file}; the same command goes on"
    return nothing_kept(options)


def _sensitivity(options: Options) -> None:
    if options.json:  # stdout is for the events alone
        logging.getLogger().handlers[0].setStream(sys.stderr)  # type: ignore[attr-defined]
    from .. import pipeline
    from ..analysis.job import Job
    from ..analysis.run import RunOptions

    subset = _subset(options.subset)
    criterion = options.criterion or ("reconstruction" if options.compensate else "l1_norm")
    job = Job(
        options.model_dir, options.dataset, options.list, criterion, tuple(ratios(options.ratios)),
        options.batch_size, options.engine, options.eval_metric_loss, subset, options.seed,
        compensate=options.compensate,
    )  # fmt: skip
    workers = options.workers if options.workers is not None else 0 if options.ray else 1
    note = {"command": _without_how(options.command)}
    if options.note:
        note["note"] = options.note
    listener = _event if options.json else None
    how = RunOptions(workers, options.ray, _shard(options.shard), options.verify, note, listener)
    table = pipeline.analyse_model(job, options.save_file, how, enough=options.subset == "auto")
    facts = {"metric": table.provenance.metric, "baseline": table.baseline, "groups": len(table.curves)}
    if options.json:
        _event({"event": "done", "save_file": options.save_file, **facts})
        return
    print(
        f"baseline {facts['metric']} {table.baseline:.4f}; {len(table.curves)} groups in {options.save_file}"
    )


def _event(values: dict) -> None:
    print(json.dumps(values), flush=True)


def _without_how(command: str) -> str:
    """The command without what does not change the file: by how many processes it is found."""
    return re.sub(r" --(workers|ray|shard)[ =]\S+| --json", "", command)


def _subset(text: str | None) -> int | None:
    if text is None or text == "auto":
        return None
    if not text.isdigit():
        raise UserError(f"--subset: '{text}' must be a number of images, or auto")
    return int(text)


def _shard(text: str | None) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)/(\d+)", text or "1/1")
    if not found:
        raise UserError(f"--shard: '{text}' must be K/N, e.g. 1/3 for the first of three parts")
    return int(found[1]), int(found[2])


def merge_sensitivities(verbs: Any) -> None:
    def run(options: Options) -> None:
        from ..files import write_json
        from ..pruning.sensitivity import Sensitivities, merge

        table = merge({file: Sensitivities.read(file) for file in options.files})
        write_json(options.save_file, table.as_dict())
        points = sum(map(len, table.curves.values()))
        print(f"{points} points of {len(table.curves)} groups in {options.save_file}")

    verb = add_verb(verbs, run, "merge_sensitivities", "Join tables of the same model, data and metric, of shards say.",
                    "part1.json part2.json --save_file sensitivities.json")  # fmt: skip
    verb.add_argument("files", nargs="+", metavar="FILE", help="sensitivities files")
    verb.add_argument("--save_file", required=True, help="the joined table")
