"""The rows of several seeds of runs beside each other: means, and from which to which.

    python benchmarks/seeds.py --folder output/frontier --list test_list.txt --beside on \
        --rows dense=original on="original, trained on" 0.16="a sixth, taught" --json benchmarks/results/seeds_trashnet.json

FOLDER/SEED/ROW holds a run; the metric is the best model's on --list, what a network costs that of the first seed. --beside: the row that the others are subtracted
from, seed by seed. --keep: rows and seeds of a former --json stay where their runs are no longer in --folder. --least: of detectors, also
with boxes of this score or more alone. --also: further metrics. --curve: a row of which the metric on the validation list is kept, epoch by epoch.
"""

import argparse
import json
import shlex
import sys
from pathlib import Path

from paddleprune import benchmark, cost, pipeline
from paddleprune.engine.checkpoint import load_model
from paddleprune.models import _boxes
from paddleprune.tasks import of_facts


def measured(folder: Path, list_file: str, least: float, also: list[str]) -> dict:
    """Of one run: its metrics, the one by which its epoch was chosen first."""
    model, facts = str(folder / "best_model"), json.loads((folder / "metrics.json").read_text())
    keys = [facts["metric"], *(also or of_facts(load_model(model).facts).metric.also)]
    found = pipeline.evaluate_model(model, list_file=list_file)
    values = {key: found[key] for key in keys}
    if least:
        usual, _boxes.LEAST = _boxes.LEAST, least
        try:
            found = pipeline.evaluate_model(model, list_file=list_file)
        finally:
            _boxes.LEAST = usual
        values |= {f"{key} at {least:g}": found[key] for key in keys}
    before = facts.get("pruning", {}).get("before_retrain")
    return values if before is None else {**values, "before": before}


def curve(folder: Path) -> dict[int, float]:
    """The metric after each epoch of a run at which it was evaluated."""
    metric = json.loads((folder / "metrics.json").read_text())["metric"]
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return {line["epoch"]: line[metric] for line in lines if line["kind"] == "eval"}


def row(folders: list[Path], title: str, list_file: str, least: float, also: list[str]) -> dict:
    saved = load_model(folders[0] / "best_model")
    facts = json.loads((folders[0] / "metrics.json").read_text())
    seeds = {folder.parent.name: measured(folder, list_file, least, also) for folder in folders}
    return {
        "variant": title,
        "metric": facts["metric"],
        "epochs": facts["epochs"],
        **cost.count(saved.network, saved.image_shape).as_dict(),
        "nonzero_params": facts["nonzero_params"],
        "seeds": seeds,
    }


def kept(former: list[dict], rows: list[dict], order: list[str]) -> list[dict]:
    """Rows of a former file with seeds of now, and rows of now; what a network costs stays that of its first seed."""
    found = {one["variant"]: one for one in rows}
    for one in former:
        now = found.get(one["variant"], {"seeds": {}})
        found[one["variant"]] = {**one, "seeds": one["seeds"] | now["seeds"]}
    return sorted(found.values(), key=lambda one: order.index(one["variant"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rows", nargs="+", required=True, metavar="ROW=TITLE")
    parser.add_argument("--beside", required=True)
    parser.add_argument("--list", required=True)
    parser.add_argument("--also", nargs="*", default=[])
    parser.add_argument("--curve")
    parser.add_argument("--least", type=float, default=0.0)
    parser.add_argument("--runtimes", nargs="*", default=[])
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    titles = dict(one.split("=", 1) for one in options.rows)
    runs = {
        name: sorted(path.parent for path in options.folder.glob(f"*/{name}/metrics.json")) for name in titles
    }
    for option, name in (("beside", options.beside), ("curve", options.curve)):
        if name and not runs.get(name):
            parser.error(f"--{option}: there is no run of the row '{name}'")
    rows = [
        row(runs[name], title, options.list, options.least, options.also)
        for name, title in titles.items()
        if runs[name]
    ]
    models = [folders[0] / "best_model" for folders in runs.values() if folders]
    for one in benchmark.measure(models, options.runtimes, [1], 50):
        rows[models.index(Path(one["model"]))].setdefault("latency_ms", {})[f"{one['runtime']}_t1"] = one[
            "p50_ms"
        ]
    if options.keep and options.json.is_file():
        rows = kept(json.loads(options.json.read_text())["rows"], rows, list(titles.values()))
    for one in rows:
        one["beside"] = titles[options.beside]
    found = {"command": shlex.join(["python", *sys.argv]), **benchmark.machine(), "rows": rows}
    if options.curve:
        found["curves"] = {folder.parent.name: curve(folder) for folder in runs[options.curve]}
    options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
