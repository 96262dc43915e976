"""Methods of distillation-based channel pruning: maps compared, sparse scales, thresholds."""

import json

import numpy as np
import paddle
import pytest
from conftest import randomize
from paddle import nn
from scipy.stats import norm

from paddleprune import models, pipeline
from paddleprune.config import load_config
from paddleprune.data.sample_data import make
from paddleprune.engine.checkpoint import load_model, read_weights
from paddleprune.errors import UserError
from paddleprune.methods import Features, Sparsity
from paddleprune.methods.features import margins, nst, of_channels, of_pixels, ofd
from paddleprune.pruning.groups import find_groups
from paddleprune.strategies import Percentile, Setting, Slimming
from paddleprune.strategies.setting import looked_at

ROOT_CONFIG = "configs/matting/dim_sample.yml"


def maps(seed, channels=5, height=4, width=3):
    return np.random.default_rng(seed).normal(size=(2, channels, height, width)).astype("float32")


def unit(a, axis):
    return a / np.linalg.norm(a, axis=axis, keepdims=True)


def test_nst_is_its_definition():
    """Three means of (x.y)^2 over all pairs of channels."""
    s, t = (unit(m.reshape(2, m.shape[1], -1), 2) for m in (maps(0, 3), maps(1, 5)))
    kernel = lambda a, b: np.mean([np.square(x @ y.T) for x, y in zip(a, b, strict=True)])  # noqa: E731
    wanted = kernel(t, t) + kernel(s, s) - 2 * kernel(s, t)
    found = nst(paddle.to_tensor(maps(0, 3)), paddle.to_tensor(maps(1, 5)))
    assert float(found) == pytest.approx(wanted, rel=1e-4)


def test_nst_by_hand():
    """Student's channel (1, 0), teacher's (0, 1): 1 + 1 - 0."""
    s, t = (paddle.to_tensor(np.float32(v).reshape(1, 1, 1, 2)) for v in ([1, 0], [0, 3]))
    assert float(nst(s, t)) == pytest.approx(2)


def test_pixels_are_their_definition():
    """Against the matrices of all pairs, which the code does not make; the channels need not be as many."""
    s, t = (unit(m.reshape(2, m.shape[1], -1), 1) for m in (maps(0, 3), maps(1, 5)))
    wanted = np.mean([np.square(b.T @ b - a.T @ a) for a, b in zip(s, t, strict=True)])
    found = of_pixels(paddle.to_tensor(maps(0, 3)), paddle.to_tensor(maps(1, 5)))
    assert float(found) == pytest.approx(wanted, rel=1e-4)


def test_pixels_by_hand():
    """Two pixels that are alike for the teacher and at right angles for the student: 2 of 4 pairs differ by 1."""
    s = paddle.to_tensor(np.float32([[1, 0], [0, 1]]).reshape(1, 2, 1, 2))
    t = paddle.to_tensor(np.float32([[1, 1], [1, 1]]).reshape(1, 2, 1, 2))
    assert float(of_pixels(s, t)) == pytest.approx(0.5, abs=1e-5)


def test_channels_are_their_definition():
    s, t = (unit(m.reshape(2, m.shape[1], -1), 2) for m in (maps(0), maps(1)))
    wanted = np.mean([np.square(b @ b.T - a @ a.T) for a, b in zip(s, t, strict=True)])
    assert float(of_channels(paddle.to_tensor(maps(0)), paddle.to_tensor(maps(1)))) == pytest.approx(
        wanted, rel=1e-4
    )


def test_ofd_by_hand():
    """Margin -1. Teacher 2: the student's 1 is 1 away. Teacher -5, so -1 is the aim: the student's 0 is above it,
    1 away; its -3 is below, and the teacher's unit is off, so nothing."""
    s, t = (paddle.to_tensor(np.float32(v).reshape(1, 1, 1, 3)) for v in ([1, 0, -3], [2, -5, -5]))
    assert float(ofd(s, t, paddle.to_tensor([-1.0]))) == pytest.approx(2)


def test_margins_are_means_below_zero():
    """Of a standard normal distribution: -2 phi(0) = -0.7979. With mean 5 hardly anything is below: -3."""
    found = margins(np.float32([1, -1, 1]), np.float32([0, 0, 5]))
    np.testing.assert_allclose(found, [-2 * norm.pdf(0), -2 * norm.pdf(0), -3], rtol=1e-5)


class Net(nn.Layer):
    def __init__(self, width):
        super().__init__()
        self.a, self.norm, self.b = nn.Conv2D(3, width, 3), nn.BatchNorm2D(width), nn.Conv2D(width, 2, 3)

    def forward(self, x):
        return self.b(paddle.nn.functional.relu(self.norm(self.a(x))))


@pytest.mark.parametrize(("kind", "connectors"), [("nst", 0), ("spkd", 3 * 6), ("ofd", 3 * 6 + 2 * 6)])
def test_features_have_connectors_where_widths_differ(kind, connectors):
    student, teacher = randomize(Net(3), 0), randomize(Net(6), 1)
    features = Features(kind, student, teacher, ["norm"], paddle.zeros([1, 3, 8, 8]))
    trained = [p for p in features.parameters() if not p.stop_gradient]
    assert sum(p.size for p in trained) == connectors
    apart = features([paddle.to_tensor(maps(0, 3))], [paddle.to_tensor(maps(1, 6))])
    apart.backward()
    assert float(apart) > 0
    assert all(p.grad is not None for p in trained)


@pytest.mark.parametrize(
    ("kind", "names", "said"),
    [
        ("nts", ["norm"], "did you mean 'nst'"),
        ("nst", ["nrm"], "did you mean 'norm'"),
        ("ofd", ["a"], "is a Conv2D"),
    ],
)
def test_a_wrong_name_is_one_line(kind, names, said):
    with pytest.raises(UserError, match=said):
        Features(kind, Net(3), Net(3), names, paddle.zeros([1, 3, 8, 8]))


def test_scales_begin_equal_and_are_drawn():
    network = Net(4)
    method = Sparsity({("norm.",): 0.25}, 0.5)
    method.prepare(network, fresh=True)
    assert network.norm.weight.numpy().tolist() == [0.5] * 4
    assert not network.norm.bias.numpy().any()

    class Run:
        pass

    Run.network = network
    hook = method.hooks()[0]
    hook.before(Run)
    network.norm.weight.set_value(np.float32([1, -1, 0, 2]))
    network.train()
    network(paddle.to_tensor(maps(0, 3, 8, 8))).sum().backward()
    before = network.norm.weight.grad.numpy()
    hook.after_backward(Run)
    np.testing.assert_allclose(network.norm.weight.grad.numpy() - before, [0.25, -0.25, 0, 0.25], atol=1e-6)
    assert not network.norm.bias.grad.numpy().any(), "shifts stay"


def test_one_threshold_or_one_a_part_by_hand():
    """Scales of `encoder` 1 2 3 4, of the decoder's tied to it 8 8 8 8: half of all eight are above 4 (index 4 of the
    sorted ones is 8: none are greater, so one channel stays); apart, 2 of 4 of the encoder's, none of the
    decoder's."""
    network = models.build("dim", models.card("dim").args)
    groups = find_groups(network, models.card("dim").image_shape)
    name = next(n for n in groups if n == "encoder.3.layers.6.weight")
    norms = [s.parameter for s in groups[name].role("scale")]
    size = groups[name].size
    scales = {
        n: np.arange(1, size + 1.0) if n.startswith("encoder") else np.full(size, 1000.0) for n in norms
    }
    assert len(norms) >= 2
    setting = Setting(groups, [name], scales=scales)
    whole = Slimming(0.25).ratios(setting)[name]
    assert whole == pytest.approx(1 - size / size), "the decoder's are all above a threshold of the encoder's"
    apart = Slimming(0.25, [("encoder.",), ("decoder.",)]).ratios(setting)[name]
    assert apart == pytest.approx((size // 4 + 1) / size)
    assert Slimming(0.99, [("encoder.",)]).ratios(setting)[name] == pytest.approx(1 - 1 / size)


class Two(nn.Layer):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2D(3, 2, 1), nn.Conv2D(2, 4, 1), nn.Conv2D(4, 2, 1)

    def forward(self, x):
        return self.c(paddle.nn.functional.relu(self.b(paddle.nn.functional.relu(self.a(x)))))


def test_a_percentile_of_all_filters_by_hand():
    """Mean squares 1 and 0 of a: scores 1 and 0. All four of b alike: 1/2 each; both of c 1 / sqrt(2). Half of the
    eight, 0, 0.5, 0.5, 0.5, 0.5, 0.71, 0.71, 1, are below 0.5 or at it: at 0.5 they stay. At 0.7 b loses all, but one."""
    network = Two()
    for layer, values in ((network.a, [1, 0]), (network.b, [1] * 4), (network.c, [3, -3])):
        weight = np.ones(layer.weight.shape, np.float32) * np.float32(values)[:, None, None, None]
        layer.weight.set_value(weight)
    groups = find_groups(network, (3, 8, 8))
    setting = Setting(groups, list(groups), **looked_at(groups, network))
    assert Percentile(0.5).ratios(setting) == {"a.weight": 0.5, "b.weight": 0.0}
    assert Percentile(0.65).ratios(setting) == {"a.weight": 0.5, "b.weight": 0.75}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dim")
    data = make("matting", folder / "data", 24, 8)
    settings = [
        f"data.root={data}",
        "data.batch_size=8",
        "data.workers=0",
        "model.args.scale=0.0625",
        "train.log_every=1",
    ]
    pipeline.train(load_config(ROOT_CONFIG, [*settings, "train.epochs=1"]), folder / "dense")
    return folder, settings


@pytest.mark.parametrize("kind", ["nst", "ofd", "spkd"])
def test_both_stages_and_going_on(trained, kind):
    """Sparse and taught; then narrower by thresholds apart, from scratch, taught again. Broken off after an epoch
    and gone on with, the second gives the same bytes."""
    folder, settings = trained
    taught = [f"train.teacher={folder}/dense/best_model", "train.distill=0.5", f"train.match={kind}"]
    sparse = ["train.sparsity={encoder: 0.01, decoder: 0.001}", "train.scales=0.5"]
    pipeline.train(
        load_config(ROOT_CONFIG, [*settings, *taught, *sparse, "train.epochs=1"]), folder / f"{kind}_sparse"
    )
    found = load_model(folder / f"{kind}_sparse/best_model").network
    assert not any(layer.bias.numpy().any() for layer in found.sublayers() if hasattr(layer, "_mean"))
    prune = [
        "prune.strategy=slimming",
        "prune.apart=[encoder, decoder]",
        "prune.weights=scratch",
        "prune.align=1",
    ]
    runs = {"whole": 2, "broken": 1}
    for name, epochs in runs.items():
        config = load_config(
            ROOT_CONFIG, [*settings, *taught, *prune, "train.schedule=constant", f"train.epochs={epochs}"]
        )
        pipeline.train(config, folder / f"{kind}_{name}", f"{folder}/{kind}_sparse/best_model")
    more = load_config(folder / f"{kind}_broken/config.yml", ["train.epochs=2"])
    pipeline.train(more, folder / f"{kind}_broken", resume=True)
    files = [folder / f"{kind}_{name}/latest/model.pdparams" for name in runs]
    one, other = (read_weights(file) for file in files)
    assert all((one[key] == other[key]).all() for key in one)
    facts = json.loads((folder / f"{kind}_whole/metrics.json").read_text())
    assert facts["pruning"]["scheme"].startswith("slimming 0.5")
    lines = [json.loads(line) for line in (folder / f"{kind}_whole/log.jsonl").read_text().splitlines()]
    assert any("features" in line for line in lines)


def test_what_does_not_go_together_is_one_line(trained):
    folder, settings = trained
    dense = f"{folder}/dense/best_model"
    for more, said in (
        (["train.match=nst"], "train.match: is for a teacher"),
        (["train.scales=0.5"], "train.scales: is for train.sparsity"),
        (["train.sparsity={hed: 0.1}"], "prune.scope: 'hed' is not known"),
        (["train.sparsity={all: -1}"], "train.sparsity: .* weights above 0"),
        (["prune.strategy=slimming", "prune.weights=scratch"], "--pretrain_weights: missing"),
        (["prune.strategy=uniform", "prune.apart=[encoder]"], "prune.apart: is for prune.strategy=slimming"),
    ):
        weights = None if "scratch" in str(more) else dense
        with pytest.raises(UserError, match=said):
            pipeline.train(load_config(ROOT_CONFIG, [*settings, *more]), folder / "wrong", weights)
