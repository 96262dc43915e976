"""Seconds of a training step: as Paddle does it, with our depthwise convolutions, and with all that we do for a CPU (MKL with
AVX-512 or AVX2 where it would not take it, memory kept from step to step, a teacher in Paddle Inference), in turns, each in a process of its own.

OMP_NUM_THREADS=1 python benchmarks/training_step.py --json benchmarks/results/training_step.json
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from paddleprune.processor import MKL, kept_memory

CASES = (  # network, its arguments, pixels, batch; at the end where a dense one teaches it
    ("mobilenet_v2", {"scale": 0.35}, 32, 32),
    ("mobilenet_v2", {"scale": 0.35}, 48, 32),
    ("mobilenet_v2", {}, 128, 16),
    ("paddle.vision.resnet18", {}, 96, 16),
    ("mobilenet_v2", {"scale": 0.35}, 128, 16, "mobilenet_v2"),
)
WAYS = ("paddle", "depthwise", "ours")


def work(way: str) -> None:
    """In a process of its own: for each line, the number of a case, a line with the seconds of a step."""
    from paddleprune.engine.depthwise import fast_depthwise
    from paddleprune.engine.fit import step
    from paddleprune.methods.spoken import Spoken

    if way != "ours":
        Spoken._simple = lambda spoken, inputs: False  # the teacher itself speaks
    known = {}
    for line in sys.stdin:
        number = int(line)
        if number not in known:
            known[number] = prepared(*CASES[number])
        run, data = known[number]
        with contextlib.ExitStack() as stack:
            if way != "paddle":
                stack.enter_context(fast_depthwise(run.network))
            if way == "ours":
                stack.enter_context(kept_memory())
                step(run, data)  # memory is there when an epoch goes on
            start = time.perf_counter()
            step(run, data)
            print(time.perf_counter() - start, flush=True)


def prepared(name: str, arguments: dict, pixels: int, batch: int, teacher: str = "") -> tuple:
    """A run of the network and a batch."""
    from paddleprune import models
    from paddleprune.config import TrainConfig
    from paddleprune.engine.fit import Run, make_optimizer
    from paddleprune.methods import Distill
    from paddleprune.tasks import of

    network = models.build(name, {"num_classes": 10, **arguments})
    train = TrainConfig(epochs=1, optimizer="adamw", learning_rate=1e-4)
    optimizer, schedule = make_optimizer(network, train, 1000)
    task = of("classification", name, list("abcdefghij"))
    images = np.random.default_rng(0).random((batch, 3, pixels, pixels), np.float32)
    run = Run(network, task, range(1000), train, optimizer, schedule)
    if teacher:
        dense = models.build(teacher, {"num_classes": 10})
        run.loss = Distill(task.head, dense, 0.5).wrap(run.loss)
    return run, {"image": images, "label": np.arange(batch) % 10}


def started(way: str) -> subprocess.Popen:
    environment = {**os.environ, "GLOG_minloglevel": "2"}
    environment.pop(MKL, None)
    if way != "ours":
        environment[MKL] = "0"  # MKL's own choice
    command = [sys.executable, __file__, "--json", "-", "--way", way]
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )  # fmt: skip


def measure(number: int, workers: dict[str, subprocess.Popen], turns: int) -> dict:
    """A row: medians over `turns` steps of each way, one after the other."""
    seconds: dict[str, list[float]] = {way: [] for way in workers}
    for turn in range(turns + 1):
        for way, worker in workers.items():
            print(number, file=worker.stdin, flush=True)
            found = float(worker.stdout.readline())
            if turn:  # the first one warms up
                seconds[way].append(found)
    medians = {way: round(float(np.median(times)), 4) for way, times in seconds.items()}
    name, arguments, pixels, batch, *teacher = CASES[number]
    faster = round(medians["paddle"] / medians["ours"], 2)
    case = {"model": name, **arguments, "pixels": pixels, "batch": batch, "taught": bool(teacher)}
    return {**case, "seconds": medians, "faster": faster}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--json", required=True)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        return work(options.way)
    from paddleprune.benchmark import machine
    from paddleprune.files import write_json

    workers = {way: started(way) for way in WAYS}
    rows = [measure(number, workers, options.turns) for number in range(len(CASES))]
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()
    threads = os.environ.get("OMP_NUM_THREADS", "")
    command = f"OMP_NUM_THREADS={threads} python benchmarks/training_step.py " + " ".join(sys.argv[1:])
    write_json(Path(options.json), {"command": command, **machine(), "rows": rows})
    print(json.dumps(rows, indent=1))
    return None


if __name__ == "__main__":
    main()
