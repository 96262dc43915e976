"""A teacher that speaks through Paddle Inference says what the network says."""

import numpy as np
import paddle
import pytest
from conftest import TOY_SHAPE, Chain, randomize
from paddle import nn
from test_methods import LABELS, MODELS

from paddleprune import models
from paddleprune.graph.example import outputs_of
from paddleprune.methods.spoken import Spoken
from paddleprune.predictor import run


@pytest.mark.parametrize("name", list(MODELS))
def test_paddle_inference_speaks_for_a_teacher(name):
    args = {**models.card(MODELS[name]).args} | ({"num_classes": len(LABELS[name])} if LABELS[name] else {})
    teacher = randomize(models.build(MODELS[name], args))
    teacher.eval()
    image = paddle.to_tensor(np.random.default_rng(0).normal(size=(3, 3, 64, 64)).astype("float32"))
    spoken = Spoken(teacher)
    for count in (3, 1):  # the last batch of an epoch may be smaller
        wanted, found = outputs_of(teacher(image[:count])), spoken([image[:count]])
        assert len(wanted) == len(found)
        for a, b in zip(wanted, found, strict=True):
            assert b.stop_gradient
            np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-3 * max(1, float(a.abs().max())))
    assert list(spoken.known) == [(3, 64, 64)]
    assert spoken.known[(3, 64, 64)] is not None


def test_a_teacher_speaks_itself_where_another_would_say_other_things(monkeypatch):
    teacher = randomize(Chain())
    teacher.eval()
    image = paddle.to_tensor(np.random.default_rng(0).normal(size=(2, *TOY_SHAPE)).astype("float32"))
    (wanted,) = outputs_of(teacher(image))

    def said(spoken, given=image):
        return spoken([given])[0].numpy()

    with monkeypatch.context() as patch:
        real = Spoken(teacher)
        said(real)
        assert real.known[TOY_SHAPE] is not None
        patch.setattr("paddleprune.methods.spoken.run", lambda *given: [run(*given)[0] * 1.01])
        spoken = Spoken(teacher)
        assert (said(spoken) == wanted.numpy()).all()
        assert spoken.known == {TOY_SHAPE: None}
    plain = paddle.nn.Sequential(
        paddle.nn.Conv2D(3, 4, 3), paddle.nn.BatchNorm2D(4, weight_attr=False, bias_attr=False)
    )
    plain.eval()
    spoken = Spoken(plain)
    assert said(spoken).shape[1] == 4
    assert list(spoken.known.values()) == [None]
    many = randomize(paddle.nn.Conv2D(3, 4, 3))
    spoken = Spoken(many)
    for side in range(8, 25):
        given = paddle.ones([1, 3, side, side])
        np.testing.assert_allclose(said(spoken, given), many(given).numpy(), atol=1e-4)
    assert len(spoken.known) == 16


def test_a_teacher_speaks_itself_where_it_says_no_numbers():
    class Odd(nn.Layer):
        def forward(self, x):
            return x.mean([2, 3]), x.sum([2, 3]) > 0

    spoken = Spoken(Odd())
    numbers, signs = spoken([paddle.ones([2, *TOY_SHAPE])])
    assert numbers.shape == [2, 3]
    assert signs.dtype == paddle.bool
    assert list(spoken.known.values()) == [None]
