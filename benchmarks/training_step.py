"""Seconds of a training step of MobileNetV2 with Paddle's depthwise convolutions and with ours, in turns.

OMP_NUM_THREADS=1 python benchmarks/training_step.py --json benchmarks/results/training_step.json
"""

import argparse
import contextlib
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from paddleprune import models
from paddleprune.benchmark import machine
from paddleprune.config import TrainConfig
from paddleprune.engine.depthwise import fast_depthwise
from paddleprune.engine.fit import Run, make_optimizer, step
from paddleprune.files import write_json
from paddleprune.tasks import of

CASES = ((0.35, 32, 32), (0.35, 48, 32), (1.0, 128, 16))  # scale, pixels, batch
WAYS = {"paddle": lambda network: contextlib.nullcontext(), "ours": fast_depthwise}


def measure(scale: float, pixels: int, batch: int, turns: int) -> dict:
    """A row: medians over `turns` steps of each way, one after the other."""
    network = models.build("mobilenet_v2", {"num_classes": 10, "scale": scale})
    train = TrainConfig(epochs=1, optimizer="adamw", learning_rate=1e-4)
    optimizer, schedule = make_optimizer(network, train, 1000)
    run = Run(
        network,
        of("classification", "mobilenet_v2", list("abcdefghij")),
        range(1000),
        train,
        optimizer,
        schedule,
    )
    images = np.random.default_rng(0).random((batch, 3, pixels, pixels), np.float32)
    data = {"image": images, "label": np.arange(batch) % 10}
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for turn in range(turns + 1):
        for way, changed in WAYS.items():
            with changed(network):
                start = time.perf_counter()
                step(run, data)
                if turn:  # the first one warms up
                    seconds[way].append(time.perf_counter() - start)
    medians = {way: round(float(np.median(times)), 4) for way, times in seconds.items()}
    faster = round(medians["paddle"] / medians["ours"], 2)
    return {"scale": scale, "pixels": pixels, "batch": batch, "seconds": medians, "faster": faster}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--json", required=True)
    options = parser.parse_args()
    rows = [measure(*case, options.turns) for case in CASES]
    threads = os.environ.get("OMP_NUM_THREADS", "")
    command = f"OMP_NUM_THREADS={threads} python benchmarks/training_step.py " + " ".join(sys.argv[1:])
    write_json(Path(options.json), {"command": command, **machine(), "rows": rows})
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
