"""Nets small enough to prune in milliseconds, and small data."""

import hashlib
import os
import warnings
from pathlib import Path

os.environ.setdefault("GLOG_minloglevel", "2")
warnings.filterwarnings("ignore")

import numpy as np
import paddle
import pytest
from hypothesis import settings
from paddle import nn
from paddle.nn import functional as F

settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")

# Of random weights: whatever it is, the suite must pass.
SEED = int(os.environ.get("PADDLEPRUNE_TEST_SEED", "0"))
# Draws of a property test of whole networks: few in the gate, many where there is time.
EXAMPLES = int(os.environ.get("PADDLEPRUNE_TEST_EXAMPLES", "2"))
# What takes minutes and rarely finds anything that the rest does not.
LONG = bool(os.environ.get("PADDLEPRUNE_TEST_LONG"))
# Of the networks that networks/make.py trained.
NETWORKS = {
    "classification": "f4b3e4362afdf7a3775d9196350ea5463dba67545705c4ed498383c399a610a8",
    "detection": "0c3808f4e340eb756bd8a0d5f465128b00fbf93c91360f7dbab9ee55140b3f21",
    "segmentation": "fb9667eac1962e5deba33ffd1e375a7e8d3e0674ebae6c0b3f0e550744ef3be4",
}
SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture
def shared() -> Path:
    """Real data and weights in a folder beside the checkout; not part of the project."""
    if not SHARED.is_dir():
        pytest.skip("needs real data and ImageNet weights in a folder `shared` beside the checkout")
    return SHARED


def knowing(task: str) -> str | None:
    """Weights of a small network that knows the sample data of `task`: its decisions are certain. None for
    matting, which decides nothing."""
    if task == "matting":
        return None
    path = Path(__file__).parent / f"networks/{task}.pdparams"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == NETWORKS[task], f"{path} is another file"
    return str(path)


@pytest.fixture(scope="session")
def sample_data(tmp_path_factory) -> Path:
    """A small set of the embedded classification data."""
    from paddleprune.data.sample_data import make

    return make("classification", tmp_path_factory.mktemp("data") / "digits", train=96, val=48)


def randomize(network: nn.Layer, seed: int = 0) -> nn.Layer:
    """Random weights and batch-norm statistics, so that no channel is trivial."""
    rng = np.random.default_rng([SEED, seed])
    for name, tensor in network.state_dict().items():
        if "_variance" in name:
            value = rng.uniform(0.5, 2.0, tensor.shape)
        elif tensor.ndim > 1:
            value = rng.normal(0, 1 / np.sqrt(np.prod(tensor.shape[1:])), tensor.shape)
        else:
            value = rng.normal(0.5, 0.3, tensor.shape)
        tensor.set_value(value.astype("float32"))
    network.eval()
    return network


def unaccounted(network: nn.Layer, groups) -> list[str]:
    """Parameters of two or more axes that are neither in a group nor named with a reason."""
    held = {slot.parameter for group in groups.values() for slot in group.slots if slot.role != "in"}
    weights = [name for name, parameter in network.named_parameters() if parameter.ndim > 1]
    return [name for name in weights if name not in held and not groups.reasons.get(name)]


def conv(i: int, o: int, kernel: int = 3, **options) -> nn.Sequential:
    layer = nn.Conv2D(i, o, kernel, padding=kernel // 2, bias_attr=False, **options)
    return nn.Sequential(layer, nn.BatchNorm2D(o))


class Chain(nn.Layer):
    """Two convolutions with biases and a linear head behind a flatten; sigmoid(0) is not 0."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2D(3, 8, 3, padding=1), nn.Conv2D(8, 6, 3, padding=1)
        self.fc1, self.fc2 = nn.Linear(6 * 16, 10), nn.Linear(10, 2)

    def forward(self, x):
        x = F.sigmoid(self.b(F.sigmoid(self.a(x))))
        x = F.max_pool2d(x, 2).flatten(1)
        return self.fc2(F.sigmoid(self.fc1(x)))


class Residual(nn.Layer):
    """A residual stream written by three convolutions and read by three."""

    def __init__(self):
        super().__init__()
        self.stem, self.f, self.g = conv(3, 8), conv(8, 8), conv(8, 8, 1)
        self.head = nn.Conv2D(8, 2, 1)

    def forward(self, x):
        x = F.relu(self.stem(x))
        x = F.relu(x + self.f(x))
        return self.head(x + self.g(x))


class Depthwise(nn.Layer):
    """Expand, depthwise with multiplier 2, project; a squeeze-and-excitation gate in between."""

    def __init__(self):
        super().__init__()
        self.expand, self.depth = conv(3, 6, 1), conv(6, 12, 3, groups=6)
        self.squeeze, self.excite = nn.Conv2D(12, 4, 1), nn.Conv2D(4, 12, 1)
        self.project = nn.Conv2D(12, 3, 1)

    def forward(self, x):
        x = F.hardswish(self.depth(F.hardswish(self.expand(x))))
        gate = F.sigmoid(self.excite(F.relu(self.squeeze(F.adaptive_avg_pool2d(x, 1)))))
        return self.project(x * gate)


class Grouped(nn.Layer):
    """A convolution in 2 groups: its inputs and outputs go in pairs."""

    def __init__(self):
        super().__init__()
        self.a, self.grouped = conv(3, 8), conv(8, 12, 3, groups=2)
        self.head = nn.Conv2D(12, 2, 1)

    def forward(self, x):
        return self.head(F.relu(self.grouped(F.relu(self.a(x)))))


class Concat(nn.Layer):
    """Two branches of different widths and scales concatenated, as in a U-Net."""

    def __init__(self):
        super().__init__()
        self.a, self.down, self.join = conv(3, 8), conv(8, 12, stride=2), conv(20, 6)
        self.up = nn.Conv2DTranspose(6, 4, 2, stride=2)
        self.head = nn.Conv2D(4, 2, 1)

    def forward(self, x):
        skip = F.relu(self.a(x))
        deep = F.interpolate(F.relu(self.down(skip)), scale_factor=2, mode="nearest")
        x = F.relu(self.join(paddle.concat([skip, deep], axis=1)))
        return self.head(F.relu(self.up(x)))


class Split(nn.Layer):
    """Half of the channels through a batch norm, half through an instance norm, as in MODNet."""

    def __init__(self, how: str = "split"):
        super().__init__()
        self.a, self.head = nn.Conv2D(3, 8, 3, padding=1), nn.Conv2D(8, 2, 1)
        self.batch, self.instance = nn.BatchNorm2D(4), nn.InstanceNorm2D(4)
        self.how = how

    def forward(self, x):
        x = self.a(x)
        if self.how == "split":
            first, second = paddle.split(x, 2, axis=1)
        else:
            half = x.shape[1] // 2
            first, second = x[:, :half], x[:, half:]
        return self.head(F.relu(paddle.concat([self.batch(first), self.instance(second)], axis=1)))


class SplitBySlice(Split):
    def __init__(self):
        super().__init__("slice")


class PRelu(nn.Layer):
    """A PReLU per channel, a padded convolution, a leaky one, a transposed matrix head."""

    def __init__(self):
        super().__init__()
        self.a, self.act = nn.Conv2D(3, 8, 3), nn.PReLU(8)
        self.b = nn.Conv2D(8, 6, 3)
        self.fc = nn.Linear(6, 3)

    def forward(self, x):
        x = self.act(self.a(F.pad(x, [1, 1, 1, 1])))
        x = F.leaky_relu(self.b(F.pad(x, [1, 1, 1, 1], value=0.5)))
        return self.fc(x.mean([2, 3]))


class TwoHeads(nn.Layer):
    """An output in the middle, a branch that nobody reads, and a filter whose readers are all in it."""

    def __init__(self):
        super().__init__()
        self.a, self.early, self.b = conv(3, 8), nn.Conv2D(8, 2, 1), nn.Conv2D(8, 6, 1)
        self.dead, self.buried, self.late = nn.Conv2D(8, 5, 1), nn.Conv2D(5, 4, 1), nn.Conv2D(6, 3, 1)

    def forward(self, x):
        x = F.relu(self.a(x))
        first = self.early(x)
        self.buried(self.dead(x))
        return paddle.concat([first, self.late(F.relu(self.b(x)))], axis=1)


class Tokens(nn.Layer):
    """Goes to tokens and back by the width that it was built with."""

    def __init__(self, dim: int):
        super().__init__()
        self.dim, self.depth = dim, nn.Conv2D(dim, dim, 3, padding=1, groups=dim)

    def forward(self, x):
        n, _, h, w = x.shape
        tokens = F.gelu(x.flatten(2).transpose([0, 2, 1]))
        return self.depth(tokens.transpose([0, 2, 1]).reshape([n, self.dim, h, w]))


class Remembering(nn.Layer):
    """Numbers that were built in: a width for a reshape, widths for a split, and one that says nothing."""

    def __init__(self):
        super().__init__()
        self.a, self.tokens = conv(3, 12, 1), Tokens(12)
        self.classes, self.widths = 12, [6, 10]
        self.b, self.c, self.head = conv(12, 6), conv(12, 10), nn.Conv2D(16, 2, 1)

    def forward(self, x):
        x = F.relu(self.tokens(F.relu(self.a(x))))
        first, second = paddle.concat([self.b(x), self.c(x)], axis=1).split(self.widths, axis=1)
        return self.head(paddle.concat([F.sigmoid(second), F.relu(first)], axis=1))


TOY_NETS = [Chain, Residual, Depthwise, Grouped, Concat, Split, SplitBySlice, PRelu, TwoHeads, Remembering]
TOY_SHAPE = (3, 8, 8)
