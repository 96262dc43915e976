"""What the channels that stay make up for: laws on toy nets, and numbers from an independent least squares."""

import copy

import numpy as np
import paddle
import pytest
from conftest import TOY_NETS, TOY_SHAPE, Chain, Concat, Grouped, conv, randomize
from hypothesis import given, settings
from hypothesis import strategies as st
from paddle import nn
from paddle.nn import functional as F

import paddleprune as pp
from paddleprune.errors import UserError
from paddleprune.graph.example import Example
from paddleprune.pruning import observed as observed_module
from paddleprune.pruning.compensate import mix, narrow_compensated
from paddleprune.pruning.groups import find_groups
from paddleprune.pruning.measure import PlainEngine
from paddleprune.pruning.narrow import narrow
from paddleprune.pruning.observed import Observed
from paddleprune.pruning.plan import make_plan, plan_keeping
from paddleprune.pruning.readers import observe, pictures_that_fit, readers_of
from paddleprune.pruning.replay import ReplayEngine
from paddleprune.strategies import LeastLoss, Uniform

IMAGES = np.random.default_rng(3).normal(size=(64, *TOY_SHAPE)).astype("float32")
each_net = pytest.mark.parametrize("build", TOY_NETS, ids=lambda net: net.__name__)


def said(network, images=IMAGES):
    network.eval()
    with paddle.no_grad():
        return network(paddle.to_tensor(images)).numpy()


def seen(network):
    groups = find_groups(network, TOY_SHAPE)
    return groups, Observed(network, Example(TOY_SHAPE), groups, IMAGES)


@each_net
def test_nothing_removed_is_nothing_changed(build):
    network = randomize(build())
    before = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    groups = find_groups(network, TOY_SHAPE)
    assert narrow_compensated(network, plan_keeping(groups, {}), TOY_SHAPE, groups, IMAGES) == []
    assert all((network.state_dict()[name].numpy() == array).all() for name, array in before.items())


class Doubled(nn.Layer):
    """Filters 4 to 7 of `a` are a mix of 0 to 3, and so is what is read after a linear step; `b` has twins."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2D(3, 8, 3, padding=1), conv(8, 6)
        self.head = nn.Conv2D(6, 2, 3, padding=1)
        randomize(self)
        rng = np.random.default_rng(0)
        weight, bias = self.a.weight.numpy(), self.a.bias.numpy()
        blend = rng.normal(size=(4, 4)).astype("float32")
        weight[4:], bias[4:] = np.tensordot(blend, weight[:4], 1), blend @ bias[:4]
        self.a.weight.set_value(weight)
        self.a.bias.set_value(bias)
        for tensor in self.b.state_dict().values():
            array = tensor.numpy()
            array[3:] = array[:3]
            tensor.set_value(array)

    def forward(self, x):
        return self.head(F.relu(self.b(self.a(x))))


def test_only_groups_that_are_asked_for_are_ranked(monkeypatch):
    asked, real = [], observed_module.ranked
    monkeypatch.setattr(
        observed_module, "ranked", lambda group, m: asked.append(group.name) or real(group, m)
    )
    groups, observed = seen(Doubled())
    assert not asked
    for _ in range(2):
        assert len(observed.scores()["a.weight"]) == 8
    make_plan(groups, {"a.weight": 0.5, "b.0.weight": 0.0}, observed.scores())
    assert asked == ["a.weight"]
    assert list(observed.scores()) == list(observed.ranked) == list(groups)
    with pytest.raises(KeyError):
        observed.scores()["c.weight"]


def test_what_the_others_can_say_goes_without_a_trace():
    network = Doubled()
    expected = said(network)
    groups, observed = seen(network)
    assert [groups["a.weight"].size, groups["b.0.weight"].size] == [8, 6]
    assert observed.ranked["a.weight"].residuals[4] < 1e-3 < observed.ranked["a.weight"].residuals[5]
    assert observed.ranked["b.0.weight"].residuals[3] < 1e-3 < observed.ranked["b.0.weight"].residuals[4]
    plan = make_plan(groups, dict.fromkeys(groups, 0.5), observed.scores())
    assert {unit % 3 for unit in plan.kept["b.0.weight"]} == {0, 1, 2}  # one of each pair
    plain, mended = copy.deepcopy(network), copy.deepcopy(network)
    narrow(plain, plan, TOY_SHAPE, groups)
    narrow_compensated(mended, plan, TOY_SHAPE, groups, IMAGES)
    fresh = np.random.default_rng(4).normal(size=(16, *TOY_SHAPE)).astype("float32")
    spread = np.abs(expected).max()
    assert np.abs(said(mended) - expected).max() < 1e-2 * spread
    assert np.abs(said(mended, fresh) - said(network, fresh)).max() < 1e-2 * spread
    assert np.abs(said(plain) - expected).max() > 0.1 * spread


@pytest.mark.parametrize("constant", [True, False])
def test_the_mix_is_that_of_least_squares(constant):
    """Against numpy's lstsq on the same problem, the ridge as rows of its own."""
    rng = np.random.default_rng(0)
    wanted = rng.normal(1, 1, (200, 6)) @ rng.normal(size=(6, 6))
    kept = np.array([0, 2, 3])
    given = wanted[:, kept] + rng.normal(0, 0.1, (200, 3))
    matrix, shift = mix(wanted, given, kept, constant)
    x, y = (v - v.mean(0) if constant else v for v in (given, wanted))
    level = np.trace(x.T @ x / 200) / 3 * 0.3 * 3 / 200
    stay = np.eye(6)[:, kept]
    rows = np.concatenate([x, np.sqrt(200 * level) * np.eye(3)])
    right = np.concatenate([y - x @ stay.T, np.zeros((3, 6))])
    by_hand = stay.T + np.linalg.lstsq(rows, right, rcond=None)[0]
    np.testing.assert_allclose(matrix.T, by_hand, atol=1e-9)
    np.testing.assert_allclose(shift, wanted.mean(0) - matrix @ given.mean(0) if constant else 0, atol=1e-9)


@each_net
@settings(max_examples=3, deadline=None)
@given(ratio=st.sampled_from([0.3, 0.5, 0.8]), seed=st.integers(0, 99))
def test_it_never_does_worse_than_the_mask_for_what_readers_are_fed(build, ratio, seed):
    """On the pictures it was fitted to, what each mix makes of the kept channels is nearer to what the dense
    network feeds the layer than the kept channels alone are."""
    network = randomize(build(), seed)
    groups, observed = seen(network)
    readers = readers_of(network, groups, groups)
    observe(network, Example(TOY_SHAPE), IMAGES, readers.values())
    for name, group in groups.items():
        plan = make_plan(groups, {name: ratio}, observed.scores())
        if name not in plan.kept:
            continue
        for parameter, (matrix, shift) in observed.mixes(name, plan.removed(name)).items():
            x = np.concatenate(readers[parameter].inputs).astype("float64")
            slot = next(s for s in group.role("in") if s.parameter == parameter)
            gone, per = slot.index[plan.removed(name)].ravel(), x.shape[1] // readers[parameter].blocks
            masked = x.copy()
            for block in range(readers[parameter].blocks):
                masked[:, gone + block * per] = 0
            better = np.square(x @ matrix.T + shift - x).sum()
            assert better <= np.square(masked - x).sum() * (1 + 1e-6) + 1e-9


@each_net
@pytest.mark.parametrize("legacy", [True, False], ids=["legacy", "own"])
def test_replay_measures_what_the_plain_way_does(build, legacy):
    from paddleprune.graph.legacy import legacy_graph_of
    from paddleprune.graph.pir import graph_of

    network = randomize(build())
    groups, observed = seen(network)
    example = Example(TOY_SHAPE)
    specs = [((len(IMAGES), *shape[1:]), dtype) for shape, dtype in example.specs()]
    graph = legacy_graph_of(network, TOY_SHAPE) if legacy else graph_of(network, specs, example.call)

    def energy(forward, variants=1):
        found = forward(IMAGES)
        return [float(np.square(found[i][0].astype("float64")).mean()) for i in range(variants)]

    replay = ReplayEngine(groups, energy, 1, True, len(IMAGES), graph, observed)
    plain = PlainEngine(network, groups, lambda: energy(lambda x: [[said(network, x)]])[0], observed)
    before = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    for name in groups:
        plans = [make_plan(groups, {name: ratio}, observed.scores()) for ratio in (0.3, 0.6)]
        plans = [plan for plan in plans if plan.kept]
        assert list(replay.points(name, plans)) == pytest.approx(list(plain.points(name, plans)), rel=1e-4)
    assert all((network.state_dict()[name].numpy() == array).all() for name, array in before.items())


@pytest.mark.parametrize("build", [Chain, Grouped], ids=lambda net: net.__name__)
def test_a_point_is_of_the_network_that_the_user_gets(build, monkeypatch):
    """Of one group, with batch norms as they were: the narrow network says what was measured. (Where one reader is
    behind another, the second also makes up for what the first one could not.)"""
    from paddleprune.pruning import compensate
    from paddleprune.pruning.observed import compensated

    monkeypatch.setattr(compensate, "norms_of", lambda network: [])
    network = randomize(build())
    groups, observed = seen(network)
    for name in groups:
        plan = make_plan(groups, {name: 0.5}, observed.scores())
        with compensated(network, observed, plan):
            expected = said(network)
        small = copy.deepcopy(network)
        narrow_compensated(small, plan, TOY_SHAPE, groups, IMAGES)
        assert np.abs(said(small) - expected).max() <= 2e-4 * np.abs(expected).max()


def test_the_pruner_with_pictures():
    network = randomize(Concat())
    before = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    expected = said(network)
    pruner = pp.Pruner(network, TOY_SHAPE, pictures=IMAGES)
    plan = pruner.plan(LeastLoss(params=0.6))
    assert pruner.cost(plan).params <= 0.6 * pruner.cost().params
    mended, plain = pruner.narrow(plan), pp.Pruner(network, TOY_SHAPE).narrow(plan)
    assert np.square(said(mended) - expected).sum() < np.square(said(plain) - expected).sum()
    table = pruner.sensitivities(lambda net: float(np.square(said(net)).mean()), ratios=(0.5,))
    assert table.provenance.criterion == "reconstruction"
    assert table.provenance.compensated == len(IMAGES)
    assert all((network.state_dict()[name].numpy() == array).all() for name, array in before.items())
    with pytest.raises(UserError, match=r"pictures: an array of \[64, 3, 8, 7\]"):
        pp.Pruner(network, TOY_SHAPE, pictures=IMAGES[..., :7])
    with pytest.raises(UserError, match="criterion: 'reconstruction' looks at the network on pictures"):
        pp.Pruner(network, TOY_SHAPE).plan(Uniform(0.5), "reconstruction")


class Normed(nn.Layer):
    """Two layers without a bias before a batch norm of the old class, or before one that is called twice."""

    def __init__(self, twice):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2D(3, 16, 3), nn.Conv2D(16, 6, 1, bias_attr=False), nn.Conv2D(6, 6, 1)
        self.norm = nn.BatchNorm2D(6) if twice else nn.BatchNorm(6)
        self.head, self.twice = nn.Conv2D(6, 2, 1), twice

    def forward(self, x):
        x = self.norm(self.b(F.relu(self.a(x))))
        return self.head(self.norm(self.c(x)) if self.twice else x)


@pytest.mark.parametrize("twice", [True, False])
def test_a_constant_is_left_out_where_nothing_takes_it(twice):
    """And taken where something does: either way the mended network is nearer than the plain narrow one."""
    network = randomize(Normed(twice))
    groups, observed = seen(network)
    assert observed.readers["b.weight"].constant is not twice
    plan = make_plan(groups, {"a.weight": 0.25}, observed.scores())
    plain, mended = copy.deepcopy(network), copy.deepcopy(network)
    narrow(plain, plan, TOY_SHAPE, groups)
    narrow_compensated(mended, plan, TOY_SHAPE, groups, IMAGES)
    far, near = (np.square(said(net) - said(network)).mean() for net in (plain, mended))
    assert near < far


def test_pictures_that_fit_are_counted_by_activations():
    wide = nn.Sequential(nn.Flatten(), nn.Linear(192, 512), nn.ReLU(), nn.Linear(512, 2))
    groups = find_groups(wide, TOY_SHAPE)
    assert pictures_that_fit(groups, 16 * 512 * 10) == 10


def test_a_plan_of_another_network_is_one_line():
    pruner = pp.Pruner(randomize(Chain()), TOY_SHAPE, pictures=IMAGES.astype("float64"))
    other = pp.Pruner(randomize(Concat()), TOY_SHAPE).plan(Uniform(0.5))
    with pytest.raises(UserError, match="the plan was made for another model"):
        pruner.narrow(other)


def test_a_layer_that_is_called_by_keyword_is_left_as_it_is():
    class Named(nn.Layer):
        def __init__(self):
            super().__init__()
            self.a, self.head = nn.Conv2D(3, 8, 3), nn.Conv2D(8, 2, 1)

        def forward(self, x):
            return self.head(x=F.relu(self.a(x)))

    network = randomize(Named())
    groups, observed = seen(network)
    assert observed.ranked["a.weight"] is None
    plan = make_plan(groups, {"a.weight": 0.5}, observed.scores())
    assert narrow_compensated(network, plan, TOY_SHAPE, groups, IMAGES) == []
