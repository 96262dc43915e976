"""What pruning costs before any retraining, with and without compensation.

    python benchmarks/oneshot.py --model_dir output/trashnet/dense/best_model --list test_list.txt \\
        --json benchmarks/results/oneshot_trashnet.json

For each share of the parameters that goes, six ways: L1 norms at one ratio for all groups (PaddleSlim's way),
the same with batch norms estimated anew, with readers that make up for what goes, with channels chosen by the
loss's first-order change or by reconstruction too, and with ratios of the least predicted loss, which takes no
evaluation. Training pictures as the evaluation transforms make them, with their labels for the first order alone; the
metric on the list.

With --sensitivities_file, measured with compensation, plans are compared instead: by one budget and by the least loss of what was
measured, each with what it was predicted to keep, and by the least loss as above.
"""

import argparse
import copy
import shlex
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from paddleprune import benchmark
from paddleprune.engine.pictures import pictures
from paddleprune.engine.recalibrate import recalibrate
from paddleprune.engine.score import score
from paddleprune.engine.start import open_model
from paddleprune.engine.taylor import first_order, labelled
from paddleprune.files import write_json
from paddleprune.graph.example import Example
from paddleprune.pruning import criteria
from paddleprune.pruning.compensate import narrow_compensated
from paddleprune.pruning.groups import find_groups
from paddleprune.pruning.narrow import narrow
from paddleprune.pruning.observed import Observed
from paddleprune.pruning.plan import make_plan
from paddleprune.pruning.readers import pictures_that_fit
from paddleprune.pruning.sensitivity import Sensitivities
from paddleprune.strategies import ForTarget, LeastLoss, Setting


def uniform(groups, share):
    """The smallest ratio for all groups at which at most `share` of the parameters is left."""
    setting = Setting(groups, list(groups))
    ratio = next(
        r for r in np.arange(0.01, 1, 0.01) if setting.left(dict.fromkeys(groups, r), "params") <= share
    )
    return dict.fromkeys(groups, float(ratio))


class Trial:
    """A dense model, what is known of it, and the rows of its pruned versions."""

    def __init__(self, model_dir, list_file, count):
        self.saved, self.task, self.data, self.eval_set = open_model(model_dir, list_file=list_file)
        self.shape, self.groups = (
            self.saved.image_shape,
            find_groups(self.saved.network, self.saved.image_shape),
        )
        self.seen = pictures(self.data, min(count, pictures_that_fit(self.groups)))
        self.observed = Observed(self.saved.network, Example(self.shape), self.groups, self.seen)
        self.scores = {
            "l1": criteria.scores("l1_norm", self.groups, self.saved.network), "ours": self.observed.scores(),
            "taylor": first_order(self.saved.network, self.groups, self.task, labelled(self.data, self.task)).scores(),
        }  # fmt: skip
        dense = {"removed": 0.0, "way": "original", **self.metric(self.saved.network)}
        self.rows = [{**dense, "params": self.groups.cost().params}]

    def metric(self, network):
        main = self.task.metric.main
        return {main: float(score(network, self.task, self.eval_set, self.data.batch_size)[main])}

    def row(self, removed, way, ratios, scores, mended=True, anew=False, **more):
        small = copy.deepcopy(self.saved.network)
        plan = make_plan(self.groups, ratios, self.scores[scores])
        if mended:
            narrow_compensated(small, plan, self.shape, self.groups, self.seen)
        else:
            narrow(small, plan, self.shape, self.groups)
        if anew:
            chunks = ({"image": part} for part in np.array_split(self.seen, max(1, len(self.seen) // 32)))
            recalibrate(small, chunks, 1000)
        cost = self.groups.cost(plan.counts())
        found = {
            "removed": removed,
            "way": way,
            **self.metric(small),
            "params": cost.params,
            "macs": cost.macs,
            **more,
        }
        self.rows.append(found)
        print(found, flush=True)

    def without(self, removed):
        """The rows of the ways in which so much goes."""
        even = uniform(self.groups, 1 - removed)
        setting = Setting(self.groups, list(self.groups), self.observed.curves())
        self.row(removed, "l1", even, "l1", mended=False)
        self.row(removed, "l1, batch norms anew", even, "l1", mended=False, anew=True)
        self.row(removed, "l1, compensated", even, "l1")
        self.row(removed, "taylor, compensated", even, "taylor")
        self.row(removed, "reconstruction, compensated", even, "ours")
        self.row(removed, "least loss, compensated", LeastLoss(params=1 - removed).ratios(setting), "ours")

    def planned(self, removed, table):
        """The rows of plans by a table of sensitivities, and by none."""
        of = {"params": 1 - removed}
        known = Setting(self.groups, list(self.groups), table.curves, intervals=table.intervals)
        for way, strategy in (("one budget", ForTarget(**of)), ("least loss", LeastLoss(**of))):
            ratios = strategy.ratios(known)
            left = (1 - LeastLoss().predicted(known, ratios)) * self.rows[0][self.task.metric.main]
            self.row(removed, f"{way}, measured", ratios, "ours", predicted=left)
        alone = Setting(self.groups, list(self.groups), self.observed.curves())
        self.row(removed, "least loss, from pictures alone", LeastLoss(**of).ratios(alone), "ours")

    def facts(self):
        data = self.data
        return {
            "model": self.saved.facts["model"]["name"],
            "data": f"{Path(data.root).name}, {Path(str(data.val_list)).name}, {len(self.eval_set)} pictures",
            "pictures": len(self.seen),
            "rows": self.rows,
        }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model_dir", required=True)
    parser.add_argument("--list", help="list file to evaluate on (default: the model's validation list)")
    parser.add_argument("--removed", type=float, nargs="+", default=[0.2, 0.3, 0.5, 0.65, 0.84])
    parser.add_argument("--pictures", type=int, default=256)
    parser.add_argument("--sensitivities_file", help="compare plans, not ways of pruning")
    parser.add_argument("--json", required=True)
    options = parser.parse_args()
    trial = Trial(options.model_dir, options.list, options.pictures)
    table = Sensitivities.read(options.sensitivities_file) if options.sensitivities_file else None
    for removed in options.removed:
        if table is None:
            trial.without(removed)
        else:
            trial.planned(removed, table)
        about = {"command": shlex.join(["python", *sys.argv]), **benchmark.machine()}
        write_json(Path(options.json), {**about, **trial.facts()})


if __name__ == "__main__":
    main()
