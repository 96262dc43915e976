"""The faster way of depthwise convolutions computes what Paddle's own computes."""

import numpy as np
import paddle
import pytest
from conftest import SEED
from paddle import nn

from paddleprune import models
from paddleprune.engine import depthwise
from paddleprune.engine.depthwise import fast_depthwise


def passes(layer, x):
    """Output and gradients of one pass."""
    x = paddle.to_tensor(x, stop_gradient=False)
    output = layer(x)
    (output * paddle.cos(output)).sum().backward()
    found = [output.numpy(), x.grad.numpy(), *(p.grad.numpy() for p in layer.parameters())]
    layer.clear_gradients()
    return found


@pytest.mark.parametrize("size", [(6, 9), (3, 2), (200, 150)])
@pytest.mark.parametrize(
    "options",
    [{"padding": 1}, {"padding": 1, "stride": 2}, {"padding": [0, 2]}, {"padding": 2, "dilation": 2},
     {"padding": 4, "stride": 3}, {"padding": 1, "bias_attr": False}, {"padding": 1, "padding_mode": "reflect"}, {"padding": "same"}],
)  # fmt: skip
def test_outputs_and_gradients_are_the_same(options, size):
    layer = nn.Conv2D(5, 5, 3, groups=5, **options)
    layer.train()
    x = np.random.default_rng(SEED).normal(size=(2, 5, *size)).astype("float32")
    expected = passes(layer, x)
    with fast_depthwise(layer):
        found = passes(layer, x)
    assert "forward" not in vars(layer)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * max(10, np.abs(b).max()))


@pytest.mark.parametrize("what", ["weight", "input"])
def test_what_is_frozen_gets_no_gradient(what):
    layer = nn.Conv2D(5, 5, 3, groups=5, padding=1)
    layer.weight.stop_gradient = what == "weight"
    x = paddle.rand([2, 5, 4, 4])
    x.stop_gradient = what == "input"
    layer.train()
    with fast_depthwise(layer):
        layer(x).sum().backward()
    assert (layer.weight.grad is None) == (what == "weight")
    assert (x.grad is None) == (what == "input")


def test_only_layers_in_training_are_changed(monkeypatch):
    called = []
    apply = depthwise._Depthwise.apply
    monkeypatch.setattr(depthwise._Depthwise, "apply", lambda *a: called.append(1) or apply(*a))
    network = models.build("mobilenet_v2", models.card("mobilenet_v2").args)
    x = paddle.zeros([2, 3, 32, 32])
    with fast_depthwise(network):
        network.eval()
        network(x)
        assert not called
        network.train()
        network(x)
    assert len(called) > 10
    network(x)
    assert not any("forward" in vars(layer) for layer in network.sublayers())
