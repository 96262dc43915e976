"""How long a sensitivity table takes: PaddleSlim's `sensitive()`, our plain path, replay, budget search.

    python benchmarks/sensitivity_speed.py --model_dir output/imagenet/best_model --json FILE

All engines evaluate the same images, groups and ratios (0.1 ... 0.9) of the same weights, each in a
process of its own, taking turns; the median of the turns counts. PaddleSlim pays a whole evaluation
per point, whatever the group, so every n-th group is enough to know its time per point. Reading the
images and importing packages is not timed; building predictors is.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
ENGINES = ("paddleslim", "plain", "replay", "replay_budget")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model_dir", required=True)
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--every", type=int, default=4, help="take every n-th group")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--engines", nargs="+", default=ENGINES, choices=ENGINES)
    parser.add_argument("--eval_metric_loss", type=float, default=0.05, help="of replay_budget")
    parser.add_argument("--json", required=True)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--groups", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return work(options)
    groups = names_of_groups(options.model_dir, options.every)
    turns: dict[str, list[dict]] = {name: [] for name in options.engines}
    for _ in range(options.turns):
        for name in options.engines:
            turns[name].append(ask(name, groups))
            print(name, {k: v for k, v in turns[name][-1].items() if k != "table"}, flush=True)
    write(options, turns)
    return None


def ask(engine: str, groups: list[str]) -> dict:
    """One turn of an engine in a new process."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        legacy = {"FLAGS_enable_pir_api": "0"} if engine == "paddleslim" else {}
        command = [sys.executable, __file__, *sys.argv[1:], "--worker", f"{engine}:{answer}"]
        command += ["--groups", *groups]
        done = subprocess.run(command, env={**os.environ, **legacy}, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr[-2000:])
        return json.loads(answer.read_text())


def work(options: argparse.Namespace) -> None:
    """In the new process: prepare, then time the table alone."""
    engine, answer = options.worker.split(":", 1)
    from itertools import islice

    from paddleprune.data.dataset import Batches
    from paddleprune.engine.evaluate import evaluate, forward_of
    from paddleprune.engine.start import open_model

    saved, task, _, data = open_model(options.model_dir, batch_size=16)
    batches = list(islice(Batches(data, 16, train=False).epoch(), options.images // 16))
    run = slim if engine == "paddleslim" else ours

    def score(forward=None, variants=1):
        forward = forward or forward_of(saved.network)
        return [v[task.metric.main] for v in evaluate(forward, batches, task.metric, variants)]

    result = run(engine, saved, score, options)
    Path(answer).write_text(json.dumps(result))


def names_of_groups(model_dir: str, every: int) -> list[str]:
    """Every n-th group. PaddleSlim leaves out the last convolution (a leaf), so it is not taken."""
    from paddleprune.engine.checkpoint import load_model
    from paddleprune.pruning.groups import find_groups

    saved = load_model(model_dir)
    return list(find_groups(saved.network, saved.image_shape))[:-1][::every]


def slim(engine, saved, score, options) -> dict:
    from paddle.base.dygraph import base as dygraph

    dygraph._to_static_mode_guard_ = dygraph.to_static_mode_guard  # its name before Paddle 3
    from paddleslim.dygraph import L1NormFilterPruner

    ours_of = {p.name: n for n, p in saved.network.named_parameters()}
    theirs = {n: p for p, n in ours_of.items()}
    wanted = [theirs[n] for n in options.groups]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        pruner = L1NormFilterPruner(saved.network, [1, *saved.image_shape])
        table = pruner.sensitive(lambda: score()[0], f"{folder}/s.pickle", target_vars=wanted)
        seconds = time.perf_counter() - start
    curves = {ours_of[n]: {str(r): loss for r, loss in c.items()} for n, c in table.items()}
    return {"seconds": seconds, "points": sum(map(len, curves.values())), "table": curves}


def ours(engine, saved, score, options) -> dict:
    import dataclasses

    from paddleprune.pruning import criteria
    from paddleprune.pruning.groups import find_groups
    from paddleprune.pruning.replay import ReplayEngine
    from paddleprune.pruning.sensitivity import (
        PlainEngine,
        Provenance,
        Sensitivities,
        analyse,
        search,
    )

    facts = Provenance("m", "w", "d", options.images, "acc1", True, "l1_norm")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "s.json"
        start = time.perf_counter()
        groups = find_groups(saved.network, saved.image_shape)
        chosen = {n: groups[n] for n in options.groups}
        groups = dataclasses.replace(groups, groups=chosen)
        scores = criteria.scores("l1_norm", groups, saved.network)
        runner = (
            PlainEngine(saved.network, groups, lambda: score()[0])
            if engine == "plain"
            else ReplayEngine(groups, score, os.cpu_count() or 1)
        )
        if engine == "replay_budget":
            points = list(search(runner, groups, scores, facts, file, options.eval_metric_loss))
        else:
            points = list(analyse(runner, groups, scores, facts, file))
        seconds = time.perf_counter() - start
        table = Sensitivities.read(file)
    full = 9 * len(chosen)  # a search answers for the points that it left out
    curves = {n: {str(r): loss for r, loss in c.items()} for n, c in table.curves.items()}
    return {
        "seconds": seconds,
        "points": full,
        "evaluated": len(points),
        "baseline": table.baseline,
        "table": curves,
    }


def write(options: argparse.Namespace, turns: dict[str, list[dict]]) -> None:
    from paddleprune.benchmark import machine
    from paddleprune.engine.checkpoint import load_model
    from paddleprune.files import write_json

    saved = load_model(options.model_dir)
    reference = turns["plain"][0]["table"] if "plain" in turns else None
    rows = []
    for name, results in turns.items():
        seconds = statistics.median(r["seconds"] for r in results)
        points = results[0]["points"]
        rows.append(
            {
                "model": saved.facts["model"]["name"],
                "input": [1, *saved.image_shape],
                "engine": name,
                "images": options.images,
                "points": points,
                "evaluated": results[0].get("evaluated", points),
                "seconds": round(seconds, 2),
                "seconds_of_turns": [round(r["seconds"], 2) for r in results],
                "ms_per_image_point": round(1000 * seconds / points / options.images, 4),
                "max_abs_diff": difference(name, results[0], reference, turns),
            }
        )
    command = "python benchmarks/sensitivity_speed.py " + " ".join(sys.argv[1:])
    write_json(options.json, {"command": command, **machine(), "rows": rows})


def difference(name: str, result: dict, reference: dict | None, turns: dict) -> float | None:
    """Largest |difference| of a sensitivity from the plain path's, PaddleSlim's divided alike."""
    if reference is None:
        return None
    baseline = turns["plain"][0]["baseline"]
    factor = (baseline + 1e-3) / baseline if name == "paddleslim" else 1.0
    gaps = [
        abs(factor * loss - reference[n][ratio])
        for n, c in result["table"].items()
        for ratio, loss in c.items()
    ]
    return round(max(gaps), 6)


if __name__ == "__main__":
    main()
