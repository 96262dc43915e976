"""The laws of pruning, on every toy net and every model, for random plans."""

import json

import numpy as np
import paddle
import pytest
from conftest import EXAMPLES, TOY_NETS, TOY_SHAPE, randomize, unaccounted
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paddleprune import cost, models
from paddleprune.errors import UserError
from paddleprune.pruning import criteria
from paddleprune.pruning.groups import find_groups
from paddleprune.pruning.narrow import narrow
from paddleprune.pruning.plan import Plan, make_plan
from paddleprune.pruning.surgery import masked

NETWORKS = [pytest.param(net, TOY_SHAPE, id=net.__name__) for net in TOY_NETS] + [
    pytest.param(
        lambda name=name: models.build(name, models.card(name).args),
        tuple(models.card(name).image_shape),
        id=name,
    )
    for name in models.names()
]
DEAD = ("dead", "buried")  # layers of TwoHeads that no output depends on
each_network = pytest.mark.parametrize(("build", "shape"), NETWORKS)


FOUND = {}  # groups of the networks above: found once, as names do not change with the weights


def groups_of(build, shape):
    if build not in FOUND:
        FOUND[build] = find_groups(build(), shape)
    return FOUND[build]


def images(shape):
    return paddle.to_tensor(np.random.default_rng(1).normal(size=(2, *shape)).astype("float32"))


def listed(found):
    return list(found) if isinstance(found, (list, tuple)) else [found]


def outputs(network, x):
    return [output.numpy() for output in listed(network(x))]


def weights_of(network):
    return {name: tensor.numpy() for name, tensor in network.state_dict().items()}


def plan_of(network, groups, ratios, align=1, criterion="l1_norm"):
    return make_plan(groups, ratios, criteria.scores(criterion, groups, network), align)


@each_network
def test_every_layer_is_in_a_group_or_has_a_reason(build, shape):
    network, groups = build(), groups_of(build, shape)
    assert unaccounted(network, groups) == []
    assert unaccounted(network, groups.without(dict.fromkeys(list(groups)[::2], "so it was asked for"))) == []


@each_network
def test_keep_all_is_the_identity(build, shape):
    network = randomize(build())
    before, x = weights_of(network), images(shape)
    expected = outputs(network, x)
    groups = groups_of(build, shape)
    plan = plan_of(network, groups, dict.fromkeys(groups, 0.0))
    assert plan.kept == {}
    narrow(network, plan, shape)
    for found, wanted in zip(outputs(network, x), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert all((weights_of(network)[name] == before[name]).all() for name in before)


@each_network
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_pruned_equals_masked(build, shape, data):
    """Zero-masked dense output = pruned output; predicted cost = measured; weights untouched by
    the mask; the plan survives JSON; the pruned network trains."""
    network = randomize(build(), seed=data.draw(st.integers(0, 99)))
    groups = groups_of(build, shape)
    ratios = {name: data.draw(st.floats(0, 0.95), label=name) for name in groups}
    plan = plan_of(network, groups, ratios, data.draw(st.sampled_from([1, 2, 8])))
    before, x = weights_of(network), images(shape)
    with masked(network, groups, plan):
        expected = outputs(network, x)
    assert all((weights_of(network)[name] == before[name]).all() for name in before)

    narrow(network, Plan.from_dict(json.loads(json.dumps(plan.as_dict()))), shape)
    for found, wanted in zip(outputs(network, x), expected, strict=True):
        # float32 sums in another order
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5 * max(1, np.abs(wanted).max()))
    assert cost.count(network, shape) == groups.cost(plan.counts())
    network.train()
    sum(output.square().mean() for output in listed(network(x))).backward()
    trained = [
        p for n, p in network.named_parameters() if not p.stop_gradient and n.split(".")[0] not in DEAD
    ]
    assert all(p.grad is not None and list(p.grad.shape) == list(p.shape) for p in trained)


@each_network
def test_groups_of_a_pruned_network_are_the_narrow_ones(build, shape):
    network, groups = build(), groups_of(build, shape)
    plan = plan_of(network, groups, dict.fromkeys(groups, 0.5))
    narrow(network, plan, shape)
    after = find_groups(network, shape)
    assert {n: g.size for n, g in after.items()} == {n: plan.counts().get(n, groups[n].size) for n in groups}


class SwapsHalves(paddle.nn.Layer):
    """Runs with any width, but means channel numbers."""

    def __init__(self):
        super().__init__()
        self.a, self.head = paddle.nn.Conv2D(3, 8, 1), paddle.nn.Conv2D(8, 2, 1)

    def forward(self, x):
        x = self.a(x)
        return self.head(paddle.concat([x[:, 4:], x[:, :4]], axis=1))


class CountsChannels(SwapsHalves):
    """Scales by its own width."""

    def forward(self, x):
        x = self.a(x)
        return self.head(x * x.shape[1])


class TransposedConvolution(SwapsHalves):
    """Convolves over the rows of the image: channels are not on axis 1."""

    def forward(self, x):
        x = paddle.nn.functional.max_pool2d(self.a(x).transpose([0, 2, 1, 3]), 2)
        return self.head(x.transpose([0, 2, 1, 3]).tile([1, 2, 1, 1]))


@pytest.mark.parametrize("build", [SwapsHalves, CountsChannels])
def test_a_forward_with_fixed_numbers_is_refused(build):
    """Its groups are locked; who prunes them nevertheless is refused, and the network stays whole."""
    network = randomize(build())
    before, x = weights_of(network), images(TOY_SHAPE)
    expected = outputs(network, x)
    assert "without some of its channels" in find_groups(network, TOY_SHAPE).reasons["a.weight"]
    untried = find_groups(network, TOY_SHAPE, tried=False)
    with pytest.raises(UserError, match="fixed channel counts"):
        narrow(network, plan_of(network, untried, dict.fromkeys(untried, 0.5)), TOY_SHAPE, untried)
    assert all((weights_of(network)[name] == before[name]).all() for name in before)
    for found, wanted in zip(outputs(network, x), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_channels_off_their_axis_are_refused():
    groups = find_groups(TransposedConvolution(), TOY_SHAPE)
    assert not groups
    assert "another axis" in groups.reasons["a.weight"]


def test_modes_of_layers_are_left_as_they_were():
    network = TOY_NETS[1]()
    network.train()
    network.stem[1].eval()  # a frozen batch norm
    groups = find_groups(network, TOY_SHAPE)
    cost.count(network, TOY_SHAPE)
    narrow(network, plan_of(network, groups, dict.fromkeys(groups, 0.5)), TOY_SHAPE)
    modes = {name: layer.training for name, layer in network.named_sublayers()}
    assert [name for name, training in modes.items() if not training] == ["stem.1"]
