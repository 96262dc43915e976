"""How certain a choice is: curves weighted by their intervals, and what is predicted from and to."""

import math
from types import SimpleNamespace

import pytest

from paddleprune.strategies import LeastLoss
from paddleprune.strategies.least_loss import rising


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
