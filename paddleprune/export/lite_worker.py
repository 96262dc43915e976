"""Runs Paddle Lite in a process of its own: a crash of its runtime must not take ours down.

    python lite_worker.py run MODEL.nb IMAGES.npy OUT.npz
    python lite_worker.py time SPEC.json OUT.json

Imports nothing of this package, so that it starts at once. The thread count of the x86 runtime
comes from OMP_NUM_THREADS and MKL_NUM_THREADS, which the caller sets.
"""

import json
import sys
import time

import numpy as np
from paddlelite import lite


def load(path):
    config = lite.MobileConfig()
    config.set_model_from_file(path)
    return lite.create_paddle_predictor(config)


def forward(predictor, image):
    """One image [1, C, H, W] -> list of output arrays."""
    predictor.get_input(0).from_numpy(image)
    predictor.run()
    count = len(predictor.get_output_names())
    return [predictor.get_output(i).numpy().copy() for i in range(count)]


def run(model, images_file, out_file):
    predictor = load(model)
    images = np.load(images_file)
    results = [forward(predictor, images[i : i + 1]) for i in range(len(images))]
    np.savez(out_file, *[np.concatenate(part) for part in zip(*results, strict=True)])


def measure(spec_file, out_file):
    """Milliseconds of each run, the models taking turns."""
    with open(spec_file) as file:
        spec = json.load(file)
    predictors = [load(path) for path in spec["models"]]
    images = [np.random.default_rng(0).random([1, *shape], np.float32) for shape in spec["shapes"]]
    times = [[] for _ in predictors]
    for turn in range(spec["warmup"] + spec["repeats"]):
        for i, predictor in enumerate(predictors):
            start = time.perf_counter()
            forward(predictor, images[i])
            if turn >= spec["warmup"]:
                times[i].append(1000 * (time.perf_counter() - start))
    with open(out_file, "w") as file:
        json.dump(times, file)


if __name__ == "__main__":
    {"run": run, "time": measure}[sys.argv[1]](*sys.argv[2:])
