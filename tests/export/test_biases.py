"""What rounded weights add is taken out of batch norms and biases."""

import copy

import numpy as np
import paddle
import pytest
from paddle import nn

from paddleprune.export import formats
from paddleprune.export.biases import corrected, rounded


def images(shape, count):
    return np.random.default_rng(5).normal(size=(count, *shape)).astype("float32")


class Convolution(nn.Layer):
    """One convolution of random weights, [n, 4, 9, 9] -> [n, 4, 9, 9], `calls` times, each with a batch norm of its own if `norm`."""

    def __init__(self, groups=1, bias=True, norm=False, calls=1):
        super().__init__()
        rng = np.random.default_rng(3)
        self.convolution = nn.Conv2D(4, 4, 3, padding=1, groups=groups, bias_attr=None if bias else False)
        self.convolution.weight.set_value(rng.normal(size=self.convolution.weight.shape).astype("float32"))
        self.norms = nn.LayerList([nn.BatchNorm2D(4) if norm else nn.Identity() for _ in range(calls)])
        for layer in self.norms if norm else ():
            layer._variance.set_value(np.full(4, 2.0, "float32"))
            layer._mean.set_value(rng.normal(size=4).astype("float32"))
        self.eval()

    def forward(self, x):
        for norm in self.norms:
            x = norm(self.convolution(x))
        return x


CONVOLUTIONS = [
    {},
    {"groups": 4},
    {"groups": 4, "bias": False},
    {"groups": 2, "bias": False},
    {"norm": True},
    {"norm": True, "groups": 4, "bias": False},
]


@pytest.mark.parametrize("made", CONVOLUTIONS)
def test_biases_take_away_what_rounded_weights_add(made):
    given, network = images((4, 9, 9), 20) + 2, Convolution(**made)
    weight = network.convolution.weight.numpy()
    changed = corrected(network, given, 64)

    def means(network, rounding):
        network = copy.deepcopy(network)
        if rounding:
            network.convolution.weight.set_value(rounded(weight, 64))
        return network(paddle.to_tensor(given)).numpy().mean(axis=(0, 2, 3))

    wanted = means(network, rounding=False)
    assert np.abs(means(network, rounding=True) - wanted).max() > 1e-3
    np.testing.assert_allclose(means(changed, rounding=True), wanted, atol=1e-5)
    np.testing.assert_array_equal(changed.convolution.weight.numpy(), weight)
    if made.get("norm"):
        assert (changed.convolution.bias is None) == (not made.get("bias", True)), "the batch norm took it"


def test_a_convolution_that_two_batch_norms_read_is_corrected_in_each():
    given, network = images((4, 9, 9), 8) + 2, Convolution(norm=True, calls=2)
    changed = corrected(network, given, 64)
    rest = copy.deepcopy(network.convolution)
    rest.weight.set_value(rest.weight - paddle.to_tensor(rounded(rest.weight.numpy(), 64)))
    rest.bias.set_value(np.zeros(4, "float32"))
    x = paddle.to_tensor(given)
    for before, after in zip(network.norms, changed.norms, strict=True):
        taken = rest(x).numpy().mean(axis=(0, 2, 3))
        np.testing.assert_allclose(after._mean.numpy(), before._mean.numpy() - taken, atol=1e-5)
        x = before(network.convolution(x))
    np.testing.assert_array_equal(changed.convolution.bias.numpy(), network.convolution.bias.numpy())


@pytest.mark.parametrize("form", ["onnx", "inference"])
def test_a_file_of_integers_has_such_biases(form, monkeypatch):
    if form == "onnx":
        pytest.importorskip("paddle2onnx")
    given, network = images((4, 9, 9), 8) + 2, Convolution(groups=4)

    def apart():
        made = formats.make(form, network, (4, 9, 9), [], formats.Quant("int8", lambda: given, "min_max"))
        found = made.forward(given)[0][0] - network(paddle.to_tensor(given)).numpy()
        return np.abs(found.mean(axis=(0, 2, 3))).max()

    corrects = apart()
    monkeypatch.setattr("paddleprune.export.formats.corrected", lambda network, images, largest: network)
    assert corrects < 0.5 * apart()
