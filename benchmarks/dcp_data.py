"""The rows of dcp.sh: errors on the validation pictures, cost and latency of each network.

python benchmarks/dcp.py --runs OUT --json benchmarks/results/dcp_alphamatting.json
"""

import argparse
import json
from pathlib import Path

import cv2

from paddleprune import benchmark, cost, pipeline
from paddleprune.engine.checkpoint import load_model

NAMES = {
    "teacher": "Teacher",
    "teacher_on": "Teacher, trained on",
    "uniform": "UNI, half the widths, from scratch",
    "slimming": "NS, network slimming",
    "nst": "NST",
    "ofd": "OFD",
    "spkd": "SPKD",
    "ours": "compensated, least loss, taught",
}


LONGEST = 240  # side of the small copies, pixels


def small(source: Path, target: Path) -> None:
    """A copy of a picture whose longer side is `LONGEST`."""
    picture = cv2.imread(str(source), cv2.IMREAD_UNCHANGED)
    scale = LONGEST / max(picture.shape[:2])
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    target.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(target), cv2.resize(picture, size, interpolation=cv2.INTER_AREA))


def copy(data: Path, backgrounds: Path, folder: Path) -> None:
    """Small copies of the pictures, alphas and backgrounds, and the lists; the validation list last."""
    for name in ("train_list.txt", "val_list.txt"):
        lines = (data / name).read_text()
        for file in lines.split():
            small(data / file, folder / Path(file).with_suffix(".png"))
        (folder / name).write_text(lines.replace(".jpg", ".png"))
    for file in sorted(backgrounds.iterdir())[:300]:
        small(file, folder / "backgrounds" / f"{file.stem}.png")


def row(folder: Path, name: str) -> dict:
    """Of the best model of a run. Latency, taking turns, with Paddle Inference, one thread."""
    model = str(folder / name / "best_model")
    saved, facts = load_model(model), json.loads((folder / name / "metrics.json").read_text())
    values = pipeline.evaluate_model(model)
    return {
        "variant": NAMES[name],
        "before_retrain": facts.get("pruning", {}).get("before_retrain"),
        **{key: values[key] for key in ("mse", "sad", "grad", "conn")},
        **cost.count(saved.network, saved.image_shape).as_dict(),
        "epochs": facts["epochs"],
        "best_epoch": facts["epoch"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", required=True)
    parser.add_argument("--json")
    parser.add_argument("--data", help="make small copies of this folder and of --backgrounds, and stop")
    parser.add_argument("--backgrounds")
    options = parser.parse_args()
    if options.data:
        copy(Path(options.data), Path(options.backgrounds), Path(options.runs) / "data")
        return
    folder = Path(options.runs)
    names = [name for name in NAMES if (folder / name / "metrics.json").exists()]
    timed = benchmark.measure([folder / name / "best_model" for name in names], ["inference"], [1], 50)
    rows = [{**row(folder, n), "latency_ms": one["p50_ms"]} for n, one in zip(names, timed, strict=True)]
    log = [json.loads(line) for line in (folder / "teacher/log.jsonl").read_text().splitlines()]
    curve = {line["epoch"]: line["mse"] for line in log if line["kind"] == "eval"}
    command = "sh benchmarks/dcp.sh data/alphamatting data/imagenet_samples/images output/dcp"
    found = {"command": command, **benchmark.machine(), "rows": rows, "teacher_curve": curve}
    Path(options.json).write_text(json.dumps(found, indent=1) + "\n")
    for one in rows:
        print(one)


if __name__ == "__main__":
    main()
