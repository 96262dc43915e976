"""What pruning costs before any retraining, with and without compensation.

    python benchmarks/oneshot.py --model_dir output/trashnet/dense/best_model --list test_list.txt \\
        --json benchmarks/results/oneshot_trashnet.json

For each share of the parameters that goes, five ways: L1 norms at one ratio for all groups (PaddleSlim's way),
the same with batch norms estimated anew, with readers that make up for what goes, with channels chosen by
reconstruction too, and with ratios of the least predicted loss, which takes no evaluation. Training
pictures as the evaluation transforms make them; the metric on the list.
"""

import argparse
import copy
import datetime
import shlex
import sys
from pathlib import Path

import numpy as np

from paddleprune import benchmark
from paddleprune.engine.pictures import pictures
from paddleprune.engine.recalibrate import recalibrate
from paddleprune.engine.score import score
from paddleprune.engine.start import open_model
from paddleprune.files import write_json
from paddleprune.graph.example import Example
from paddleprune.pruning import criteria
from paddleprune.pruning.compensate import narrow_compensated
from paddleprune.pruning.groups import find_groups
from paddleprune.pruning.narrow import narrow
from paddleprune.pruning.observed import Observed
from paddleprune.pruning.plan import make_plan
from paddleprune.pruning.readers import pictures_that_fit
from paddleprune.strategies import LeastLoss, Setting


def uniform(groups, share):
    """The smallest ratio for all groups at which at most `share` of the parameters is left."""
    setting = Setting(groups, list(groups))
    ratio = next(
        r for r in np.arange(0.01, 1, 0.01) if setting.left(dict.fromkeys(groups, r), "params") <= share
    )
    return dict.fromkeys(groups, float(ratio))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model_dir", required=True)
    parser.add_argument("--list", help="list file to evaluate on (default: the model's validation list)")
    parser.add_argument("--removed", type=float, nargs="+", default=[0.2, 0.3, 0.5, 0.65, 0.84])
    parser.add_argument("--pictures", type=int, default=256)
    parser.add_argument("--json", required=True)
    options = parser.parse_args()
    saved, task, data, eval_set = open_model(options.model_dir, list_file=options.list)
    network, shape, main_metric = saved.network, saved.image_shape, task.metric.main
    groups = find_groups(network, shape)
    seen = pictures(data, min(options.pictures, pictures_that_fit(groups)))
    observed = Observed(network, Example(shape), groups, seen)
    norms, ours = criteria.scores("l1_norm", groups, network), observed.scores()
    measure = lambda net: float(score(net, task, eval_set, data.batch_size)[main_metric])  # noqa: E731
    rows = [
        {"removed": 0.0, "way": "original", main_metric: measure(network), "params": groups.cost().params}
    ]

    def row(removed, way, ratios, scores, mended, anew=False):
        small, plan = copy.deepcopy(network), make_plan(groups, ratios, scores)
        if mended:
            narrow_compensated(small, plan, shape, groups, seen)
        else:
            narrow(small, plan, shape, groups)
        if anew:
            chunks = ({"image": part} for part in np.array_split(seen, max(1, len(seen) // 32)))
            recalibrate(small, chunks, 1000)
        cost = groups.cost(plan.counts())
        found = {
            "removed": removed,
            "way": way,
            main_metric: measure(small),
            "params": cost.params,
            "macs": cost.macs,
        }
        rows.append(found)
        print(found, flush=True)

    for removed in options.removed:
        even = uniform(groups, 1 - removed)
        setting = Setting(groups, list(groups), observed.curves())
        row(removed, "l1", even, norms, False)
        row(removed, "l1, batch norms anew", even, norms, False, True)
        row(removed, "l1, compensated", even, norms, True)
        row(removed, "reconstruction, compensated", even, ours, True)
        row(removed, "least loss, compensated", LeastLoss(params=1 - removed).ratios(setting), ours, True)
        write_json(
            Path(options.json),
            {
                "command": shlex.join(["python", *sys.argv]),
                "date": datetime.date.today().isoformat(),
                **benchmark.machine(),
                "model": saved.facts["model"]["name"],
                "data": f"{Path(data.root).name}, {Path(str(data.val_list)).name}, {len(eval_set)} pictures",
                "pictures": len(seen),
                "rows": rows,
            },
        )


if __name__ == "__main__":
    main()
