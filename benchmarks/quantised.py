"""Size and metric of a model's Paddle Lite files by the type of their weights.

    python benchmarks/quantised.py --model_dir output/pruned/best_model --images 500 --json OUT.json

Each file is made as `tools/export.py --quant` makes it, and run on Paddle Lite's x86 runtime.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from paddleprune.benchmark import machine
from paddleprune.files import write_json
from paddleprune.pipeline import export_model


def measure(model_dir: str, dataset: str | None, images: int) -> list[dict]:
    """A row for float32, int16 and int8 each."""
    rows = []
    for quant in ("", "int16", "int8"):
        with tempfile.TemporaryDirectory() as folder:
            manifest = export_model(model_dir, folder, "lite", ["arm", "x86"], dataset, images, quant)
        facts = {"size_bytes": manifest["files"]["model_arm.nb"]["size_bytes"], **manifest["parity"]}
        rows.append({"weights": quant or "float32", **facts})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model_dir", required=True)
    parser.add_argument("--dataset", help="folder of the data to check on (default: the training's)")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--json", required=True)
    options = parser.parse_args()
    rows = measure(options.model_dir, options.dataset, options.images)
    command = "python benchmarks/quantised.py " + " ".join(sys.argv[1:])
    write_json(Path(options.json), {"command": command, **machine(), "rows": rows})
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
