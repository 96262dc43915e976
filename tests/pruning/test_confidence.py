"""Intervals that hold what they promise, and decisions that are called open when they are."""

import numpy as np
import pytest

from paddleprune.metrics.accuracy import Accuracy
from paddleprune.pruning.confidence import Score, interval, undecided


def score(hits):
    """The accuracy of these hits (0 or 1 an image)."""
    meter = Accuracy()
    outputs = np.stack([1 - hits, hits], 1).astype(np.float64)
    meter.update([outputs], {"label": np.ones(len(hits), np.int64)})
    return Score(meter.compute()["acc1"], meter)


def test_the_interval_is_that_of_the_paired_difference():
    """400 images, base right on 300; pruned loses 20 of them and gains none. The sensitivity is
    20 / 300. Of a ratio of means its standard deviation is about sqrt(sum (d - r b)^2) / sum b
    (Cochran, Sampling Techniques, 6.4), so 95 % bounds are 1.96 of them away."""
    base, pruned = np.zeros(400, int), np.zeros(400, int)
    base[:300], pruned[:280] = 1, 1
    loss = 20 / 300
    deviation = np.sqrt(np.square((base - pruned) - loss * base).sum()) / 300
    low, high = interval(score(base), score(pruned), True, 400, 10**9)
    assert low == pytest.approx(loss - 1.96 * deviation, abs=0.25 * deviation)
    assert high == pytest.approx(loss + 1.96 * deviation, abs=0.25 * deviation)
    # half of a finite set: sqrt(1 - 1/2) of that; the whole set: nothing is open
    half = interval(score(base), score(pruned), True, 400, 800)
    assert high - half[1] == pytest.approx((high - loss) * (1 - np.sqrt(0.5)))
    assert interval(score(base), score(pruned), True, 400, 400) == pytest.approx((loss, loss))


def test_few_draws_say_as_much_by_their_deviation():
    base, pruned = np.zeros(400, int), np.zeros(400, int)
    base[:300], pruned[:280] = 1, 1
    few = score(pruned)
    few.meter.draws = 25
    low, high = interval(score(base), few, True, 400, np.inf)
    deviation = np.sqrt(np.square((base - pruned) - 20 / 300 * base).sum()) / 300
    assert (low + high) / 2 == pytest.approx(20 / 300)
    assert (high - low) / 2 == pytest.approx(1.96 * deviation, rel=0.35)


def test_equal_images_leave_nothing_open():
    base = np.array([1, 0, 1, 1])
    assert interval(score(base), score(base), True, 4, 100) == (0, 0)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    base = (rng.random(2000) < 0.8).astype(int)
    pruned = base * (rng.random(2000) < 0.93)
    truth = (base.mean() - pruned.mean()) / base.mean()
    covered = 0
    for _ in range(100):
        some = rng.choice(2000, 200, replace=False)
        low, high = interval(score(base[some]), score(pruned[some]), True, 200, 2000)
        covered += low <= truth <= high
    assert 86 <= covered <= 100


def test_a_group_is_undecided_where_its_ratio_depends_on_the_bounds():
    open_ = {0.1: (0.01, 0.02), 0.2: (0.04, 0.07)}
    closed = {0.1: (0.01, 0.02), 0.2: (0.06, 0.09)}
    assert undecided({"open": open_, "closed": closed}, 0.05) == ["open"]
    assert undecided({"none": {0.1: (0.04, 0.06)}}, 0.05) == ["none"]
