"""Ordinary code has a legacy program, though Paddle sends it to kernels that know nothing of one."""

import numpy as np
import paddle
import pytest
from paddle import nn

from paddleprune.export.inference import export_inference
from paddleprune.predictor import make_predictor, run

LEGACY = {
    "bmm": lambda x: paddle.bmm(x.flatten(2), x.flatten(2).transpose([0, 2, 1])),
    "method sigmoid": lambda x: x.sigmoid(),
    "method sum": lambda x: x.sum(1),
    "method matmul": lambda x: x.matmul(x.transpose([0, 1, 3, 2])),
    "logical_and": lambda x: paddle.logical_and(x > 0, x < 1).astype("float32"),
    "int of a shape": lambda x: x.reshape([int(x.shape[1]), -1]),
}


@pytest.mark.parametrize("name", LEGACY)
def test_ordinary_code_has_a_legacy_program(name):
    class Net(nn.Layer):
        def __init__(self):
            super().__init__()
            self.a = nn.Conv2D(3, 4, 3, padding=1)

        def forward(self, x):
            return LEGACY[name](self.a(x))

    network = Net()
    network.eval()
    x = np.random.default_rng(0).random((2, 3, 8, 8), np.float32)
    exported = export_inference(network, (3, 8, 8))
    # without oneDNN, whose product of four axes is wrong behind its convolution
    predictor = make_predictor(exported.model, exported.weights, 1, onednn=False)
    wanted = network(paddle.to_tensor(x)).numpy()
    np.testing.assert_allclose(
        run(predictor, {exported.input: x})[0], wanted, atol=1e-4 * max(1, np.abs(wanted).max())
    )
