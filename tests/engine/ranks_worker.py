"""Trains a small net without batch norms in one or several processes; writes its weights.

Run by test_ranks.py:  python [-m paddle.distributed.launch --nproc_per_node 2] ranks_worker.py OUT
"""

import sys

import numpy as np
import paddle
from paddle import nn

from paddleprune.config import TrainConfig
from paddleprune.data.dataset import Batches
from paddleprune.engine import ranks
from paddleprune.engine.evaluate import evaluate, forward_of
from paddleprune.engine.fit import Run, fit, make_optimizer
from paddleprune.tasks import of


class Samples:
    """32 random images of 4 classes."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.images = rng.normal(size=(32, 3, 8, 8)).astype("float32")
        self.labels = rng.integers(0, 4, 32)

    def __len__(self):
        return 32

    def __getitem__(self, key):
        return {"image": self.images[key[1]], "label": self.labels[key[1]]}


def main():
    samples, part = Samples(), (ranks.rank(), ranks.size())
    ranks.join(8, 32)
    paddle.seed(0)
    network = nn.Sequential(
        nn.Conv2D(3, 8, 3),
        nn.InstanceNorm2D(8),
        nn.ReLU(),
        nn.Conv2D(8, 8, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(128, 4),
    )
    train = TrainConfig(epochs=5, learning_rate=0.05)
    optimizer, schedule = make_optimizer(network, train, 4)
    task = of("classification", "mobilenet_v2", ["a", "b", "c", "d"])
    run = Run(network, task, Batches(samples, 8, True, part=part), train, optimizer, schedule)
    before = {f"{name} before": tensor.numpy().copy() for name, tensor in network.state_dict().items()}
    fit(run, [])
    meter = evaluate(forward_of(network), Batches(samples, 8, False, part=part).epoch(), task.metric)[0]
    values = ranks.joined(meter).compute()
    weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    np.savez(f"{sys.argv[1]}.{ranks.rank()}.npz", acc=values["acc1"], **before, **weights)


main()
