"""Train, analyse, prune and retrain a Layer with nothing but `pp.Pruner`, on pictures of noisy stripes.

python prune.py
"""

import numpy as np
import paddle
import paddle.nn.functional as F
from network import Network

import paddleprune as pp
from paddleprune.strategies import UnderBudget

rng = np.random.default_rng(0)


def stripes(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of stripes; the class is their direction, one of four."""
    y, x = np.mgrid[:32, :32]
    labels = rng.integers(0, 4, count)
    angles = labels * np.pi / 4
    waves = np.sin((np.cos(angles)[:, None, None] * x + np.sin(angles)[:, None, None] * y) * 0.8)
    images = waves[:, None] + rng.normal(0, 0.7, (count, 3, 32, 32))
    return images.astype("float32"), labels


def train(network: paddle.nn.Layer, steps: int) -> None:
    network.train()
    optimizer = paddle.optimizer.AdamW(0.003, parameters=network.parameters())
    for _ in range(steps):
        images, labels = stripes(32)
        F.cross_entropy(network(paddle.to_tensor(images)), paddle.to_tensor(labels)).backward()
        optimizer.step()
        optimizer.clear_grad()
    network.eval()


images, labels = stripes(128)


def accuracy(outputs: list) -> float:
    """Of the outputs of all batches."""
    return float((np.concatenate([batch[0] for batch in outputs]).argmax(1) == labels).mean())


if __name__ == "__main__":
    network = Network(num_classes=4)
    train(network, 60)
    pruner = pp.Pruner(network, (3, 32, 32))
    print(pruner)
    table = pruner.sensitivities(batches=np.split(images, 4), metric=accuracy)
    plan = pruner.plan(UnderBudget(loss=0.05), align=4)
    small = pruner.narrow(plan)
    train(small, 30)
    found = accuracy([[small(paddle.to_tensor(images)).numpy()]])
    print(f"{table.baseline:.3f} dense, {found:.3f} pruned and retrained")
    print(f"{pruner.cost().params} parameters, {pruner.cost(plan).params} left")
    plan.save("plan.json")
    fresh = Network(num_classes=4)
    pp.narrow(fresh, pp.Plan.load("plan.json"))
    fresh.set_state_dict(small.state_dict())
