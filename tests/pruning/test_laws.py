"""The laws of pruning, on every toy net and every model, for random plans."""

import json

import numpy as np
import paddle
import pytest
from conftest import TOY_NETS, TOY_SHAPE, randomize
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paddleprune import cost, models
from paddleprune.pruning import criteria
from paddleprune.pruning.apply import apply, masked
from paddleprune.pruning.groups import find_groups
from paddleprune.pruning.plan import Plan, make_plan

NETWORKS = [pytest.param(net, TOY_SHAPE, id=net.__name__) for net in TOY_NETS] + [
    pytest.param(
        lambda name=name: models.build(name, models.example(name)["args"]),
        tuple(models.example(name)["image_shape"]),
        id=name,
    )
    for name in models.names()
]
each_network = pytest.mark.parametrize(("build", "shape"), NETWORKS)


def images(shape):
    return paddle.to_tensor(np.random.default_rng(1).normal(size=(2, *shape)).astype("float32"))


def weights_of(network):
    return {name: tensor.numpy() for name, tensor in network.state_dict().items()}


def plan_of(network, groups, ratios, align=1, criterion="l1_norm"):
    return make_plan(groups, ratios, criteria.scores(criterion, groups, network), align)


@each_network
def test_every_layer_is_in_a_group_or_has_a_reason(build, shape):
    groups = find_groups(build(), shape)
    for weight in groups.layers:
        assert groups.of_weight(weight) or groups.reasons[weight], weight


@each_network
def test_keep_all_is_the_identity(build, shape):
    network = randomize(build())
    before, x = weights_of(network), images(shape)
    expected = network(x).numpy()
    groups = find_groups(network, shape)
    plan = plan_of(network, groups, dict.fromkeys(groups, 0.0))
    assert plan.kept == {}
    apply(network, plan, shape)
    np.testing.assert_array_equal(network(x).numpy(), expected)
    assert all((weights_of(network)[name] == before[name]).all() for name in before)


@each_network
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_pruned_equals_masked(build, shape, data):
    """Zero-masked dense output = pruned output; predicted cost = measured; weights untouched by
    the mask; the plan survives JSON; the pruned network trains."""
    network = randomize(build(), seed=data.draw(st.integers(0, 99)))
    groups = find_groups(network, shape)
    ratios = {name: data.draw(st.floats(0, 0.95), label=name) for name in groups}
    plan = plan_of(network, groups, ratios, data.draw(st.sampled_from([1, 2, 8])))
    before, x = weights_of(network), images(shape)
    with masked(network, groups, plan):
        expected = network(x).numpy()
    assert all((weights_of(network)[name] == before[name]).all() for name in before)

    apply(network, Plan.from_dict(json.loads(json.dumps(plan.as_dict()))), shape)
    np.testing.assert_allclose(network(x).numpy(), expected, atol=1e-5)
    assert cost.count(network, shape) == groups.cost(plan.counts())
    network.train()
    network(x).square().mean().backward()
    trained = [p for p in network.parameters() if not p.stop_gradient]
    assert all(p.grad is not None and list(p.grad.shape) == list(p.shape) for p in trained)


@each_network
def test_groups_of_a_pruned_network_are_the_narrow_ones(build, shape):
    network = build()
    groups = find_groups(network, shape)
    plan = plan_of(network, groups, dict.fromkeys(groups, 0.5))
    apply(network, plan, shape)
    narrow = find_groups(network, shape)
    assert {n: g.size for n, g in narrow.items()} == {n: plan.counts().get(n, groups[n].size) for n in groups}
