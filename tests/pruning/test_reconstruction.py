"""The order in which channels go: by hand, and against the formula of what is lost."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddleprune.pruning.reconstruction import Moments, _Surgeon, eliminate


def test_elimination_by_hand():
    """Independent channels of unit variance that a layer reads with weights 3, 1, 2: the smallest goes first, and
    what is lost are shares of 9 + 1 + 4."""
    moments = Moments(np.zeros(3), np.eye(3), np.diag([9.0, 1.0, 4.0]), 1000)
    found = eliminate([_Surgeon(moments, np.arange(3)[:, None])], 3)
    assert found.scores.tolist() == [3, 0, 1]
    np.testing.assert_allclose(found.residuals, [0, 1 / 14, 5 / 14], rtol=1e-3)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), copies=st.integers(1, 2))
def test_residuals_are_those_of_the_schur_complement(seed, copies):
    """After each step, against the formula on the channels that are gone."""
    rng = np.random.default_rng(seed)
    size = 5 * copies
    x, weight = rng.normal(size=(400, size)) @ rng.normal(size=(size, size)), rng.normal(size=(size, 7))
    covariance = np.cov(x.T, bias=True)
    index = rng.permutation(size).reshape(5, copies)
    found = eliminate([_Surgeon(Moments(x.mean(0), covariance, weight @ weight.T, 400), index)], 5)
    order = np.argsort(found.scores)
    for gone in range(1, 5):
        removed = index[order[:gone]].ravel()
        kept = np.setdiff1d(np.arange(size), removed)
        cross = covariance[np.ix_(removed, kept)]
        left = covariance[np.ix_(removed, removed)] - cross @ np.linalg.solve(
            covariance[np.ix_(kept, kept)], cross.T
        )
        share = np.trace(weight[removed].T @ left @ weight[removed]) / np.trace(
            weight.T @ covariance @ weight
        )
        assert found.residuals[gone] == pytest.approx(share, rel=0.02, abs=1e-3)


def test_what_does_not_vary_costs_nothing():
    moments = Moments(np.zeros(3), np.zeros((3, 3)), np.eye(3), 10)
    assert eliminate([_Surgeon(moments, np.arange(3)[:, None])], 3).residuals.tolist() == [0, 0, 0]
