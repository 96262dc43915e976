"""How certain a choice is: curves weighted by their intervals, and what is predicted from and to."""

import math
from types import SimpleNamespace

import pytest
from paddle import nn

from paddleprune.pruning.groups import find_groups
from paddleprune.pruning.plan import keep_count
from paddleprune.strategies import LeastLoss
from paddleprune.strategies.least_loss import rising
from paddleprune.strategies.setting import Setting


def setting(curves, intervals):
    return SimpleNamespace(curves=curves, intervals=intervals, names=list(curves))


def test_a_noisy_point_gives_way_to_a_certain_one():
    curve = {0.3: 0.2, 0.6: 0.1}
    assert rising(curve) == {0.3: pytest.approx(0.15), 0.6: pytest.approx(0.15)}
    weighted = rising(curve, {0.3: (0.0, 0.4), 0.6: (0.09, 0.11)})
    # weights 1 / 0.401 ** 2 and 1 / 0.021 ** 2
    pooled = (0.2 / 0.401**2 + 0.1 / 0.021**2) / (1 / 0.401**2 + 1 / 0.021**2)
    assert weighted == {0.3: pytest.approx(pooled), 0.6: pytest.approx(pooled)}
    assert rising(curve, {0.3: (0.0, 0.4)}) == pytest.approx(
        rising(curve)
    )  # of a part of the points they say nothing


def test_of_one_group_the_prediction_is_its_interval():
    one = setting({"a": {0.5: 0.1}}, {"a": {0.5: (0.05, 0.2)}})
    assert LeastLoss().predicted(one, {"a": 0.5}) == pytest.approx(0.1)
    assert LeastLoss().predicted_between(one, {"a": 0.5}) == pytest.approx((0.05, 0.2))
    assert LeastLoss().predicted_between(one, {"a": 0.0}) == (0, 0)


def test_errors_of_groups_add_up_as_random_ones_do():
    both = setting(
        {"a": {0.5: 0.1}, "b": {0.5: 0.1}}, {"a": {0.5: (0.1, 0.2)}, "b": {0.5: (0.1, 0.2)}}
    )  # harms: -log(0.9) each, up to -log(0.8)
    low, high = LeastLoss().predicted_between(both, {"a": 0.5, "b": 0.5})
    assert low == pytest.approx(1 - 0.9**2)
    apart = math.sqrt(2) * (math.log(0.9) - math.log(0.8))
    assert high == pytest.approx(1 - 0.9**2 * math.exp(-apart))


@pytest.mark.parametrize("target", [0.9, 0.77, 0.6, 0.5, 0.3])
@pytest.mark.parametrize("curve", [{0.9: 0.0}, {0.3: 0.1, 0.9: 0.11}])
def test_the_last_step_goes_no_further_than_it_must(target, curve):
    """Of a group whose loss hardly rises, one unit more would be too many."""
    network = nn.Sequential(nn.Conv2D(3, 20, 3), nn.ReLU(), nn.Conv2D(20, 2, 1))
    groups = find_groups(network, (3, 8, 8))
    (name,) = groups
    ratio = LeastLoss(params=target).ratios(Setting(groups, [name], {name: curve}))[name]
    kept, whole = keep_count(20, ratio, 1), groups.cost().params
    assert groups.cost({name: kept}).params <= target * whole < groups.cost({name: kept + 1}).params
