"""mIoU by hand and by PaddleSeg."""

import numpy as np
import paddle
import pytest

from paddleprune.metrics.mean_iou import MeanIoU


def scores(called, classes):
    """Outputs whose largest score is the class called, [N, classes, H, W]."""
    return np.moveaxis(np.eye(classes, dtype=np.float32)[called], -1, 1)


def test_the_example_of_the_docstring():
    metric = MeanIoU()
    metric.update([scores(np.array([[[0, 1, 1, 1]]]), 2)], {"mask": np.array([[[0, 0, 1, 1]]])})
    assert metric.compute() == {"miou": pytest.approx(7 / 12), "acc": pytest.approx(3 / 4)}


def test_ignored_pixels_and_absent_classes_do_not_count():
    metric = MeanIoU()
    metric.update([scores(np.array([[[0, 1, 1, 1]]]), 4)], {"mask": np.array([[[0, 0, 255, 255]]])})
    assert metric.compute() == {"miou": pytest.approx((1 / 2 + 0) / 2), "acc": pytest.approx(1 / 2)}


def test_it_is_paddlesegs(monkeypatch):
    from paddleseg.utils import metrics

    concat = paddle.concat  # PaddleSeg joins numbers, which Paddle 3 refuses
    monkeypatch.setattr(paddle, "concat", lambda parts: concat([part.reshape([-1]) for part in parts]))

    rng = np.random.default_rng(0)
    called, labels = rng.integers(0, 5, (3, 9, 7)), rng.integers(0, 5, (3, 9, 7))
    labels[rng.random(labels.shape) < 0.2] = 255
    areas = metrics.calculate_area(paddle.to_tensor(called), paddle.to_tensor(labels), 5, 255)
    metric, halves = MeanIoU(), (MeanIoU(), MeanIoU())
    metric.update([scores(called, 5)], {"mask": labels})
    values = metric.compute()
    assert values["miou"] == pytest.approx(float(metrics.mean_iou(*areas)[1]))
    assert values["acc"] == pytest.approx(float(metrics.accuracy(*areas[:2])[1]))
    for half, part in zip(halves, (slice(0, 1), slice(1, 3)), strict=True):
        half.update([scores(called[part], 5)], {"mask": labels[part]})
    halves[0].merge(halves[1])
    assert halves[0].compute() == values
    # resampled: drawing each image once is the value itself; one image twice is that image's value
    once, twice = metric.resampled(np.array([[1, 1, 1], [0, 2, 0]]))
    alone = MeanIoU()
    alone.update([scores(called[1:2], 5)], {"mask": labels[1:2]})
    assert (once, twice) == (pytest.approx(values["miou"]), pytest.approx(alone.compute()["miou"]))
