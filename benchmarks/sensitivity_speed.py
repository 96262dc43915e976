"""How long a sensitivity table takes: PaddleSlim's `sensitive()`, our plain path, replay, budget search.

    python benchmarks/sensitivity_speed.py --model_dir output/imagenet/best_model --json FILE

All engines evaluate the same images at the same ratios (0.1 ... 0.9) of the same weights, each in a
process of its own, taking turns; the median of the turns counts (the plain path, whose values are the
reference, takes one). PaddleSlim runs with MKL's own choice for the processor. PaddleSlim and the plain path pay a
whole evaluation per point, whatever the group, so a few groups (--slow_groups) are enough to know
their time per point; replay does all groups, as early ones cost it more than late ones. Reading the
images, importing packages and tracing the network is not timed; building predictors is.

With --scaling replay alone is timed, for growing numbers of images, groups and worker processes.
"""

import argparse
import dataclasses
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from paddleprune.processor import MKL

ENGINES = ("paddleslim", "plain", "replay", "replay_budget")
SLOW = ("paddleslim", "plain")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model_dir", required=True)
    parser.add_argument("--dataset")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--slow_groups", type=int, default=2, help="of paddleslim and plain")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--engines", nargs="+", default=ENGINES, choices=ENGINES)
    parser.add_argument("--eval_metric_loss", type=float, default=0.05, help="of replay_budget")
    parser.add_argument("--scaling", action="store_true")
    parser.add_argument("--json", required=True)
    parser.add_argument("--turn", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.turn:
        return work(options, Turn(**json.loads(options.turn)))
    if options.scaling:
        return scaling(options)
    names = groups_of(options.model_dir)
    some = names[:-1][:: max(1, len(names) // options.slow_groups)][: options.slow_groups]
    turns: dict[str, list[dict]] = {name: [] for name in options.engines}
    for number in range(options.turns):
        for name in options.engines:
            if name == "plain" and number:
                continue  # the reference for the values; one turn is enough
            groups = some if name in SLOW else names
            turns[name].append(ask(Turn(name, options.images, groups)))
            print(name, {k: v for k, v in turns[name][-1].items() if k != "table"}, flush=True)
    write(options, [row(options, name, results, turns) for name, results in turns.items()])
    return None


def scaling(options: argparse.Namespace) -> None:
    """Replay on a quarter, a half and all of the images and of the groups, and in two processes."""
    names, n = groups_of(options.model_dir), options.images
    kinds = [Turn("replay", n // 4, names), Turn("replay", n // 2, names), Turn("replay", n, names)]
    kinds += [
        Turn("replay", n, names[::4]),
        Turn("replay", n, names[::2]),
        Turn("replay", n, names, workers=2),
    ]
    results: list[list[dict]] = [[] for _ in kinds]
    for _ in range(options.turns):
        for turn, found in zip(kinds, results, strict=True):
            found.append(ask(turn))
            print(turn.images, len(turn.groups), turn.workers, found[-1]["seconds"], flush=True)
    rows = [row(options, "replay", found, {}) for found in results]
    write(options, [{**r, "workers": kind.workers} for r, kind in zip(rows, kinds, strict=True)])


@dataclasses.dataclass
class Turn:
    """One run of an engine in a process of its own."""

    engine: str
    images: int
    groups: list[str]
    workers: int = 1


def groups_of(model_dir: str) -> list[str]:
    from paddleprune.engine.checkpoint import load_model
    from paddleprune.pruning.groups import find_groups

    saved = load_model(model_dir)
    return list(find_groups(saved.network, saved.image_shape))


def ask(turn: Turn) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, __file__, *sys.argv[1:], "--turn", json.dumps(dataclasses.asdict(turn))]
        environment = {**os.environ, "ANSWER": str(answer)}
        if turn.engine == "paddleslim":
            environment[MKL] = "0"  # as it is without us
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr[-2000:])
        return json.loads(answer.read_text())


def work(options: argparse.Namespace, turn: Turn) -> None:
    """In the new process: prepare, then time the table alone."""
    from paddleprune.analysis.job import Job, Prepared

    kind = "plain" if turn.engine in SLOW else "replay"
    budget = options.eval_metric_loss if turn.engine == "replay_budget" else None
    job = Job(
        options.model_dir, options.dataset, batch_size=16, engine=kind, budget=budget, subset=turn.images
    )
    ready = Prepared(job)
    for _ in ready.batches:  # read the images
        pass
    result = (slim if turn.engine == "paddleslim" else ours)(ready, turn)
    result["images"] = turn.images
    result["peak_gb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)
    Path(os.environ["ANSWER"]).write_text(json.dumps(result))


def slim(ready, turn: Turn) -> dict:
    from paddle.base.dygraph import base as dygraph

    dygraph._to_static_mode_guard_ = dygraph.to_static_mode_guard  # its name before Paddle 3
    from paddleslim.dygraph import L1NormFilterPruner

    from paddleprune.engine.evaluate import forward_of
    from paddleprune.graph.legacy import legacy

    network = ready.network
    ours_of = {p.name: n for n, p in network.named_parameters()}
    theirs = {n: p for p, n in ours_of.items()}
    shape = ready.example.shape
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        with legacy():  # the form of programs that it traces to
            pruner = L1NormFilterPruner(network, [1, *shape])
        table = pruner.sensitive(
            lambda: float(ready.score(forward_of(network))[0]), f"{folder}/s.pickle",
            target_vars=[theirs[n] for n in turn.groups],
        )  # fmt: skip
        seconds = time.perf_counter() - start
    curves = {ours_of[n]: {str(r): loss for r, loss in c.items()} for n, c in table.items()}
    return {"seconds": seconds, "points": sum(map(len, curves.values())), "table": curves}


def ours(ready, turn: Turn) -> dict:
    from paddleprune.analysis.workers import shared_out
    from paddleprune.pruning.measure import complete, one_by_one, start

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "s.json"
        begin = time.perf_counter()
        table = start(file, ready.provenance, ready.groups, ready.baseline)
        if turn.workers > 1:
            job = dataclasses.replace(ready.job, threads=max(1, (os.cpu_count() or 1) // turn.workers))
            found = shared_out(job, turn.groups, {}, table.baseline, turn.workers)
        else:
            search = dataclasses.replace(ready.search(table.baseline), interval=None)
            found = one_by_one(search, {}, turn.groups)
        evaluated = sum(len(points) for _, points in complete(table, file, found))
        seconds = time.perf_counter() - begin
    stages = {k: round(v, 2) for k, v in getattr(ready.engine(), "seconds", {}).items()}
    curves = {n: {str(r): loss for r, loss in c.items()} for n, c in table.curves.items()}
    return {
        "seconds": seconds,
        "points": 9 * len(turn.groups),  # a search answers for the points that it left out
        "evaluated": evaluated,
        "stages": stages,
        "baseline": table.baseline,
        "table": curves,
    }


def row(options: argparse.Namespace, name: str, results: list[dict], turns: dict[str, list[dict]]) -> dict:
    from paddleprune.engine.checkpoint import load_model

    saved, first = load_model(options.model_dir), results[0]
    seconds = statistics.median(r["seconds"] for r in results)
    images = first.get("images", options.images)
    return {
        "model": saved.facts["model"]["name"],
        "input": [1, *saved.image_shape],
        "engine": name,
        "images": images,
        "points": first["points"],
        "evaluated": first.get("evaluated", first["points"]),
        "seconds": round(seconds, 2),
        "seconds_of_turns": [round(r["seconds"], 2) for r in results],
        "ms_per_image_point": round(1000 * seconds / first["points"] / images, 4),
        "seconds_by_stage": first.get("stages"),
        "peak_gb": max(r["peak_gb"] for r in results),
        "max_abs_diff": difference(name, first, turns),
    }


def difference(name: str, result: dict, turns: dict[str, list[dict]]) -> float | None:
    """Largest |difference| of a sensitivity from the plain path's, PaddleSlim's divided alike."""
    if not turns.get("plain"):
        return None
    reference, baseline = turns["plain"][0]["table"], turns["plain"][0]["baseline"]
    factor = (baseline + 1e-3) / baseline if name == "paddleslim" else 1.0
    gaps = [
        abs(factor * loss - reference[n][ratio])
        for n, c in result["table"].items()
        if n in reference
        for ratio, loss in c.items()
    ]
    return round(max(gaps), 6)


def write(options: argparse.Namespace, rows: list[dict]) -> None:
    from paddleprune.benchmark import machine
    from paddleprune.files import write_json

    command = "python benchmarks/sensitivity_speed.py " + " ".join(sys.argv[1:])
    write_json(options.json, {"command": command, **machine(), "rows": rows})


if __name__ == "__main__":
    main()
