"""The rows of epochs.sh: after how many epochs a pruned network can what the dense one could, and a point less.

python benchmarks/epochs.py --json benchmarks/results/epochs_sample.json
"""

import argparse
import json
import statistics
from pathlib import Path

from paddleprune import benchmark

WAYS = {"alone": "L1 norms alone", "compensated": "compensated", "taught": "compensated, taught"}
FOLDER = Path("output/epochs")


def curve(run: Path) -> list[float]:
    """The metric after each epoch."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [line["acc1"] for line in lines if line["kind"] == "eval"]


def epochs_until(values: list[float], goal: float) -> int | None:
    """None where it is not reached."""
    return next((number for number, value in enumerate(values) if value >= goal - 1e-9), None)


def row(way: str, ratio: str, seeds: list[str]) -> dict:
    """`until` and `until_a_point_less`: a list over the seeds, None where it was not reached."""
    found: dict = {"until": [], "until_a_point_less": [], "before": [], "best": [], "dense": []}
    for seed in seeds:
        facts = json.loads((FOLDER / seed / f"{way}_{ratio}" / "metrics.json").read_text())
        before, dense = facts["pruning"]["before_retrain"], facts["pruning"]["dense"]["value"]
        values = [before, *curve(FOLDER / seed / f"{way}_{ratio}")]
        found["until"].append(epochs_until(values, dense))
        found["until_a_point_less"].append(epochs_until(values, dense - 0.01))
        for name, value in (("before", before), ("best", max(values)), ("dense", dense)):
            found[name].append(value)
    mean = {f"mean_{name}": statistics.fmean(found[name]) for name in ("before", "best", "dense")}
    return {"removed": float(ratio), "way": WAYS[way], "epochs": len(values) - 1, **found, **mean}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    seeds = sorted((path.name for path in FOLDER.iterdir() if path.name.isdecimal()), key=int)
    rows = [row(way, ratio, seeds) for ratio in ("0.3", "0.5") for way in WAYS]
    command = f"sh benchmarks/epochs.sh {' '.join(seeds)}"
    options.json.write_text(
        json.dumps({"command": command, **benchmark.machine(), "rows": rows}, indent=1) + "\n"
    )
    for one in rows:
        print(one)


if __name__ == "__main__":
    main()
