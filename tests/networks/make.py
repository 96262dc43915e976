"""Trains the networks beside this file: small ones that know the sample data, so that a test of decisions
has decisions that are certain, on every machine. They are float16 to be small; nothing but the tests reads them.
Matting has none: it decides nothing, and its error is never 0.

    python tests/networks/make.py [TASK ...]

Whoever changes an architecture runs this, and puts the new hashes into tests/conftest.py.
"""

import hashlib
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from paddleprune.config import load_config
from paddleprune.data.sample_data import make
from paddleprune.engine.checkpoint import read_weights
from paddleprune.pipeline import train

# task -> its sample config, what makes the network as small as the tests have it, and how long it is trained
SIZES = ["data.image_shape=[3,32,32]", "data.eval_transforms=[{Resize: {size: 32}}, Normalize]",
         "data.train_transforms=[{RandomCrop: {size: 32, scale: [0.85, 1.0]}}, Normalize]"]  # fmt: skip
RECIPES = {
    "classification": (
        "mobilenet_v2",
        [
            "model.args.scale=0.25",
            *SIZES,
            "train.epochs=12",
            "data.batch_size=32",
            "train.learning_rate=0.006",
        ],
    ),
    "detection": ("yolov3", ["model.args.width=0.0625", "train.epochs=14"]),
    "segmentation": ("unet", ["train.epochs=5"]),
}


def main(tasks: list[str]) -> None:
    import paddle

    for task in tasks:
        name, settings = RECIPES[task]
        with tempfile.TemporaryDirectory() as folder:
            data = make(task, Path(folder) / "data")
            config = load_config(ROOT / f"configs/{task}/{name}_sample.yml", [f"data.root={data}", *settings])
            metrics = train(config, Path(folder) / "run")
            weights = read_weights(Path(folder) / "run/best_model/model.pdparams")
        target = HERE / f"{task}.pdparams"
        half = {key: paddle.to_tensor(array.astype(np.float16)) for key, array in weights.items()}
        paddle.save(half, str(target))
        print(task, metrics["metric"], metrics["value"], hashlib.sha256(target.read_bytes()).hexdigest())


if __name__ == "__main__":
    main(sys.argv[1:] or list(RECIPES))
