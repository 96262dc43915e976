"""Size, metric and latency of a model's files by the type of their weights, and of what their layers are fed.

    python benchmarks/quantised.py --model_dir output/pruned/best_model --images 500 --json OUT.json

Each file is made as `tools/export.py --quant` makes it, and run here: those of Paddle Lite, whose integers become floats
again, on its x86 runtime; those of Paddle Inference, ONNX and OpenVINO, which calculate with integers, with one thread, float and
integers in turns. A file whose metric loses more than 5 % is not written by `export`; its row says so.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from paddleprune.benchmark import machine
from paddleprune.engine.start import open_model
from paddleprune.errors import UserError
from paddleprune.export import formats
from paddleprune.export.inference import export_inference
from paddleprune.files import write_json
from paddleprune.pipeline import export_model

KINDS = {
    "lite": ("", "int16", "int8"),
    "inference": ("", "int8", "int8 KL"),
    "onnx": ("", "int8"),
    "openvino": ("", "int8"),
}
REPEATS = 60


def measure(form: str, model_dir: str, dataset: str | None, images: int) -> list[dict]:
    """A row for floats and for each kind of integers of a format."""
    rows, opened = [], {}
    for kind in KINDS[form]:
        quant, _, algorithm = kind.partition(" ")
        row = {"runtime": form, "weights": kind or "float32"}
        with tempfile.TemporaryDirectory() as folder:
            try:
                manifest = export_model(
                    model_dir, folder, form, ["arm", "x86"], dataset, images, quant, algorithm
                )
            except UserError as error:
                rows.append({**row, "refused": str(error)})
                continue
            sizes = {name: facts["size_bytes"] for name, facts in manifest["files"].items()}
            size = sizes["model_arm.nb"] if form == "lite" else sum(sizes.values())
            rows.append({**manifest["parity"], **row, "size_bytes": size})
            if form != "lite":
                here = [(Path(folder) / name).read_bytes() for name in formats.RUNTIMES[form].files]
                opened[row["weights"]] = here[0] if len(here) == 1 else tuple(here)
    for name, milliseconds in (latencies(form, model_dir, opened) if opened else {}).items():
        next(row for row in rows if row["weights"] == name)["latency_ms"] = milliseconds
    return rows


def latencies(form: str, model_dir: str, opened: dict) -> dict[str, float]:
    """Median ms of a picture, by the type of the weights; in turns."""
    saved, task, _, _ = open_model(model_dir)
    exported = export_inference(task.head.deployed(saved.network), saved.image_shape)
    image = np.random.default_rng(0).random((1, *saved.image_shape), np.float32)
    runs = {name: formats.RUNTIMES[form].open(here, exported, 1) for name, here in opened.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(10 + REPEATS):
        for name, run in runs.items():
            start = time.perf_counter()
            run(image)
            if turn >= 10:
                times[name].append(1000 * (time.perf_counter() - start))
    return {name: round(float(np.median(found)), 3) for name, found in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model_dir", required=True)
    parser.add_argument("--dataset", help="folder of the data to check on (default: the training's)")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--json", required=True)
    options = parser.parse_args()
    rows = [
        row for form in KINDS for row in measure(form, options.model_dir, options.dataset, options.images)
    ]
    command = "python benchmarks/quantised.py " + " ".join(sys.argv[1:])
    write_json(Path(options.json), {"command": command, **machine(), "rows": rows})
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
