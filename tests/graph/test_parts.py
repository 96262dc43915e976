"""Parts of a network in Paddle Inference: what oneDNN gets wrong goes another way, and all of it is compared."""

import numpy as np
import paddle
import pytest
from conftest import randomize
from paddle import nn
from paddle.nn import functional as F

from paddleprune.graph.parts import name_of, open_part
from paddleprune.graph.pir import graph_of
from paddleprune.predictor import run

# Behind a convolution, whose cells oneDNN leaves in an order of its own.
BEHIND = {
    "nearest, by 2": lambda x: F.interpolate(x, scale_factor=2, mode="nearest"),
    "nearest, by 3": lambda x: F.interpolate(x, scale_factor=3, mode="nearest"),
    "nearest, to a size": lambda x: F.interpolate(x, size=[12, 9], mode="nearest"),
    "bilinear": lambda x: F.interpolate(x, size=[12, 10], mode="bilinear"),
    "bilinear, by 2.3": lambda x: F.interpolate(x, scale_factor=2.3, mode="bilinear"),
    "bilinear, by corners": lambda x: F.interpolate(x, size=[13, 12], mode="bilinear", align_corners=True),
    "bicubic": lambda x: F.interpolate(x, scale_factor=0.5, mode="bicubic"),
    "a size that is read": lambda x: F.interpolate(x, paddle.shape(x)[2:] * 2),
    "leaky ReLU": F.leaky_relu,
    "product of four axes": lambda x: x @ x.transpose([0, 1, 3, 2]),
    "product of three axes": lambda x: x.flatten(2) @ x.flatten(2).transpose([0, 2, 1]),
}


class Net(nn.Layer):
    def __init__(self, behind):
        super().__init__()
        self.a, self.behind = nn.Conv2D(3, 4, 3), behind

    def forward(self, x):
        return self.behind(self.a(x)) * 1.0


@pytest.mark.parametrize("name", BEHIND)
def test_the_whole_network_says_the_same(name):
    network = randomize(Net(BEHIND[name]))
    x = np.random.default_rng(0).random((2, 3, 8, 8), np.float32)
    graph = graph_of(network, [(x.shape, "float32")])
    predictor = open_part(graph, graph.inputs, graph.outputs, [], 1, True)
    (found,) = run(predictor, {name_of(graph, graph.inputs[0]): x})
    wanted = network(paddle.to_tensor(x)).numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-5 * max(1, np.abs(wanted).max()))
