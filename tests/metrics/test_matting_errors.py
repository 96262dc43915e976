"""Errors of a matte, from their formulas."""

import numpy as np
import pytest

from paddleprune.metrics.matting import (
    SIGMA,
    AllMatteErrors,
    MatteError,
    _gradient,
    connectivity_error,
    gradient_error,
)


def test_the_example_of_the_docstring():
    metric = MatteError()
    metric.update([np.array([[[[0.5, 1.0]]]])], {"alpha": np.array([[[0.0, 1.0]]])})
    assert metric.compute() == pytest.approx({"mse": 0.125, "mad": 0.25, "sad": 0.0005})
    assert MatteError.higher_is_better is False


def test_errors_are_means_over_images_however_they_are_batched():
    rng = np.random.default_rng(0)
    mattes, alphas = rng.random((5, 1, 6, 7)), rng.random((5, 6, 7))
    whole, parts = AllMatteErrors(), AllMatteErrors()
    whole.update([mattes], {"alpha": alphas})
    for part in (slice(0, 2), slice(2, 5)):
        parts.update([mattes[part]], {"alpha": alphas[part]})
    assert parts.compute() == pytest.approx(whole.compute())
    by_hand = np.mean([gradient_error(m[0], a) for m, a in zip(mattes, alphas, strict=True)])
    assert whole.compute()["grad"] == pytest.approx(by_hand)


def test_the_gradient_of_a_ramp():
    """A derivative of a Gaussian of unit norm says sqrt(8 pi) sigma^2 times the slope: its integral
    against x is 1 before it is divided by its norm, 1 / (sigma^2 sqrt(8 pi))."""
    ramp = np.tile(np.arange(40) * 0.01, (40, 1))
    expected = 0.01 * np.sqrt(8 * np.pi) * SIGMA**2
    np.testing.assert_allclose(_gradient(ramp)[10:-10, 10:-10], expected, rtol=0.02)
    np.testing.assert_allclose(_gradient(ramp.T)[10:-10, 10:-10], expected, rtol=0.02)
    assert gradient_error(ramp, ramp) == 0
    assert gradient_error(ramp, 0 * ramp) == pytest.approx(np.square(_gradient(ramp)).sum() / 1000)


def test_connectivity_by_hand():
    """The last pixel is cut off from the region that both share: connected up to 0. The alpha has 1
    above that, its degree is 0; the matte has nothing above it, its degree is 1."""
    alpha, matte = np.array([[1.0, 1, 1, 0, 1]]), np.array([[1.0, 1, 1, 0, 0]])
    assert connectivity_error(matte, alpha) == pytest.approx(1 / 1000)
    assert connectivity_error(alpha, alpha) == 0
    # 0.1 above the level of connection is below 0.15: no difference
    assert connectivity_error(np.array([[1.0, 1, 1, 0, 0.1]]), np.array([[1.0, 1, 1, 0, 0]])) == 0
