"""Public networks that were not written for us: what is found in each, and whether the laws hold.

python benchmarks/zoo.py --json benchmarks/results/zoo.json

Each network has a process of its own; a file that was begun is gone on with. `--only NAME` for one of them.
`python benchmarks/zoo.py --json FILE --table` prints the table of the docs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("GLOG_minloglevel", "2")
sys.path.insert(0, str(Path(__file__).resolve().parent))
from zoo_networks import NETWORKS

RATIO, SECONDS = 0.3, 900


def measure(name: str) -> dict[str, Any]:
    """The row of a network, on weights of which none is zero and no two filters are alike."""
    import paddle

    from paddleprune import models
    from paddleprune.graph.example import Example
    from paddleprune.pruning.sound import random_weights

    args, size = NETWORKS[name]
    shape = (1, size, size) if name.endswith("LeNet") else (3, size, size)
    paddle.seed(0)
    row: dict[str, Any] = {"network": name, "shape": list(shape)}
    try:
        network = models.build(name, {"num_classes": 3, **args})
        network.eval()
        example = Example(shape)
        outputs_for(network, example)
    except Exception as error:
        return {**row, "dense": last_line(error)}
    with random_weights(network):
        return row | tried(network, example)


def tried(network, example) -> dict[str, Any]:
    """What is found in a network, and whether the laws hold when `RATIO` of it goes."""
    import numpy as np

    from paddleprune import cost
    from paddleprune.pruning import criteria
    from paddleprune.pruning.groups import find_groups
    from paddleprune.pruning.narrow import narrow
    from paddleprune.pruning.plan import make_plan
    from paddleprune.pruning.surgery import masked

    start = time.perf_counter()
    groups = find_groups(network, example)
    row = {"seconds": round(time.perf_counter() - start, 1), **accounts(network, groups)}
    scores = criteria.scores("l1_norm", groups, network)
    plan = make_plan(groups, dict.fromkeys(groups, RATIO), scores)
    dense = groups.cost()
    row |= {
        "dense_predicted": dense == cost.count(network, example),
        "exports": legacy_program(network, example),
    }
    if groups:
        row |= replay_and_plain(network, example, groups, scores)
    with masked(network, groups, plan):
        expected = outputs_for(network, example)
    narrow(network, plan, check=False)
    found = outputs_for(network, example)
    row["difference"] = max(
        float(np.abs(a - b).max() / max(1e-9, float(np.abs(a).max())))
        for a, b in zip(expected, found, strict=True)
    )
    row["predicted"] = groups.cost(plan.counts()) == cost.count(network, example)
    row["params_left"] = round(groups.cost(plan.counts()).params / dense.params, 4)
    return {**row, "backward": trains(network, example)}


def outputs_for(network, example) -> list:
    """Outputs in evaluation mode, with the same random numbers each time."""
    import paddle

    from paddleprune.graph.example import outputs_of

    paddle.seed(0)
    with paddle.no_grad():
        return [output.numpy() for output in outputs_of(example.call(network, example.values()))]


def accounts(network, groups) -> dict[str, Any]:
    """How many layers are in a group, why the others are not, and how many weights nothing is said of."""
    held = {s.parameter for g in groups.values() for s in g.slots if s.role != "in"}
    owed = [n for n, p in network.named_parameters() if p.ndim > 1]
    ours = [n for n in groups.layers if groups.reasons.get(n) != "its channels are the network's output"]
    return {
        "groups": len(groups), "layers": len(ours), "grouped": sum(n in held for n in ours),
        "silent": sum(n not in held and not groups.reasons.get(n) for n in owed),
        "reasons": sorted({groups.reasons[n] for n in ours if n in groups.reasons}),
    }  # fmt: skip


def trains(network, example) -> bool | str:
    """Does the network take a step back in training mode?"""
    from paddleprune.graph.example import outputs_of

    network.train()
    try:
        sum(o.square().mean() for o in outputs_of(example.call(network, example.values()))).backward()
    except Exception as error:
        return last_line(error)
    return True


def legacy_program(network, example) -> bool | str:
    """Has the network the legacy program that every export format starts from?"""
    from paddleprune.graph.legacy import legacy_graph_of

    try:
        legacy_graph_of(network, example.shape)
    except Exception as error:
        return last_line(error)
    return True


def replay_and_plain(network, example, groups, scores) -> dict[str, Any]:
    """Does replay on the network's own program say what a whole evaluation says, for the group in the middle?"""
    import numpy as np

    from paddleprune.engine.evaluate import forward_of
    from paddleprune.graph.pir import graph_of
    from paddleprune.pruning.measure import PlainEngine
    from paddleprune.pruning.plan import make_plan
    from paddleprune.pruning.replay import ReplayEngine

    images = example.values()[0].numpy()
    energy = lambda outputs: float(np.square(outputs[0]).mean())  # noqa: E731
    name = list(groups)[len(groups) // 2]
    plans = [make_plan(groups, {name: 0.5}, scores)]
    if not plans[0].kept:
        return {}
    (wanted,) = PlainEngine(network, groups, lambda: energy(forward_of(network)(images)[0])).points(
        name, plans
    )
    answers: dict[bool, Any] = {}
    for onednn in (True, False):
        try:
            graph = graph_of(network, example.specs(), example.call)
            score = lambda f, n: [energy(o) for o in f(images)]  # noqa: E731
            engine = ReplayEngine(groups, score, 1, onednn, len(images), graph)
            (found,) = engine.points(name, plans)
            answers[onednn] = abs(found - wanted) / max(1e-12, abs(wanted))
        except Exception as error:
            answers[onednn] = last_line(error)
        if isinstance(answers[onednn], float) and answers[onednn] < 1e-3:
            return {"replay": "oneDNN" if onednn else "no oneDNN", "replay_difference": answers[onednn]}
    return {"replay": f"plain ({answers})"}


def slim(name: str) -> dict[str, Any]:
    """What PaddleSlim does with the same network: the fraction of parameters left, or why there is none."""
    import numpy as np
    import paddle
    from paddle.base.dygraph import base as dygraph

    dygraph._to_static_mode_guard_ = dygraph.to_static_mode_guard
    from paddleslim.dygraph import L1NormFilterPruner

    from paddleprune import models

    args, size = NETWORKS[name]
    shape = [1, 1 if name.endswith("LeNet") else 3, size, size]
    network = models.build(name, {"num_classes": 3, **args})
    network.eval()
    count = lambda: sum(int(np.prod(p.shape)) for p in network.parameters())  # noqa: E731
    dense = count()
    try:
        pruner = L1NormFilterPruner(network, shape)
        pruner.prune_vars({p.name: RATIO for p in network.parameters() if p.ndim == 4}, 0)
        with paddle.no_grad():
            network(paddle.rand(shape))
    except Exception as error:
        return {"slim": last_line(error)}
    return {"slim": round(count() / dense, 4)}


def last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {(lines or [''])[-1]}"[:200]


def in_a_process(name: str, what: str) -> dict[str, Any]:
    """A row, or part of one; a crash or too long a time is one, too."""
    with tempfile.NamedTemporaryFile(suffix=".json") as answer:
        command = [sys.executable, __file__, "--one", name, "--what", what, "--json", answer.name]
        environment = {**os.environ, **({"FLAGS_enable_pir_api": "0"} if what == "slim" else {})}
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            return {what if what == "slim" else "failed": f"more than {SECONDS} s"}
        if done.returncode:
            said = [line for line in done.stderr.strip().splitlines() if line.strip()] or [""]
            return {what if what == "slim" else "failed": f"exit {done.returncode}: {said[-1][:200]}"}
        return json.loads(Path(answer.name).read_text())


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = [
        "| network | groups | layers grouped | left at 0.3 | narrow = masked | cost exact | trains | replay | exports | s | PaddleSlim leaves |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        if "groups" not in row:
            why = row.get("failed", row.get("dense", "")).replace("|", "/")
            kind = "not run dense" if "dense" in row else "refused" if "UserError: " in why else "failed"
            lines.append(
                f"| {row['network']} | {kind}: {why.split('UserError: ')[-1][:90]} | | | | | | | | |"
            )
            continue
        slims = row.get("slim")
        lines.append(
            f"| {row['network']} | {row['groups']} | {row['grouped']} of {row['layers']} | {row['params_left']:.2f} | "
            f"{row['difference']:.0e} | {'yes' if row['predicted'] and row['dense_predicted'] else 'no'} | "
            f"{'yes' if row['backward'] is True else 'no'} | {str(row.get('replay', '')).split(' (')[0]} | "
            f"{ {True: 'yes', None: ''}.get(row.get('exports'), 'no') } | {row['seconds']} | "
            f"{f'{slims:.2f}' if isinstance(slims, float) else '' if slims is None else 'fails'} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", required=True)
    parser.add_argument("--only", nargs="*", default=list(NETWORKS))
    parser.add_argument("--without_slim", action="store_true")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--what", help=argparse.SUPPRESS)
    options = parser.parse_args()
    file = Path(options.json)
    if options.one:
        file.write_text(json.dumps((slim if options.what == "slim" else measure)(options.one)))
        return
    from paddleprune.benchmark import machine
    from paddleprune.files import write_json

    known = json.loads(file.read_text())["rows"] if file.exists() and file.stat().st_size else []
    if options.table:
        print(table(known))
        return
    rows = {row["network"]: row for row in known}
    for name in options.only:
        if name in rows and (options.without_slim or "slim" in rows[name]):
            continue
        row = rows.get(name) or {"network": name, **in_a_process(name, "ours")}
        if not options.without_slim and "dense" not in row:
            row |= in_a_process(name, "slim")
        rows[name] = row
        ordered = [rows[n] for n in NETWORKS if n in rows]
        write_json(
            file,
            {"command": "python benchmarks/zoo.py " + " ".join(sys.argv[1:3]), **machine(), "rows": ordered},
        )
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
