"""Mean average precision, by hand and against brute force."""

import numpy as np
import pytest

from paddleprune.metrics.boxes import BoxMap, CocoMap, iou

UNIT = [0.0, 0.0, 0.5, 0.5]
FAR = [0.6, 0.6, 0.9, 0.9]


def batch(images):
    """[(boxes, labels, difficult), ...] -> as the loader gives it."""
    return {
        "boxes": [np.float32(b).reshape(-1, 4) for b, _, _ in images],
        "labels": [np.int64(x) for _, x, _ in images],
        "difficult": [np.int64(d) for _, _, d in images],
        "size": [np.array([100, 200])] * len(images),
    }


def outputs(found):
    """[[(class, score, box), ...] per image] -> as the deployed network gives it."""
    rows = [[c, s, *box] for image in found for c, s, box in image]
    return [np.float32(rows).reshape(-1, 6), np.int32([len(image) for image in found])]


def values(found, images, metric=BoxMap):
    meter = metric()
    meter.update(outputs(found), batch(images))
    return meter.compute()


def test_overlap_by_hand():
    a = np.float32([[0, 0, 2, 2], [0, 0, 1, 1]])
    b = np.float32([[1, 1, 3, 3], [0, 0, 2, 1], [5, 5, 6, 6]])
    np.testing.assert_allclose(iou(a, b), [[1 / 7, 1 / 2, 0], [0, 1 / 2, 0]])


def test_one_class_by_hand():
    """Right at .9, wrong at .8, right at .7, two labelled: precision 1 to recall 1/2, then 2/3."""
    found = [[(0, 0.9, UNIT), (0, 0.8, [0.5, 0, 0.6, 0.1])], [(0, 0.7, FAR)]]
    got = values(found, [([UNIT], [0], [0]), ([FAR], [0], [0])])
    assert got["map"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert got["map11"] == pytest.approx((6 * 1 + 5 * 2 / 3) / 11)


def test_a_labelled_box_is_found_once_and_classes_do_not_mix():
    twice = [[(0, 0.9, UNIT), (0, 0.8, UNIT), (1, 0.95, UNIT)]]
    got = values(twice, [([UNIT, FAR], [0, 1], [0, 0])])
    assert got["map"] == pytest.approx((1 + 0) / 2)  # class 0: found first; class 1: its box is elsewhere


def test_difficult_boxes_count_neither_way():
    image = [([UNIT, FAR], [0, 0], [1, 0])]
    assert values([[(0, 0.9, UNIT), (0, 0.5, FAR)]], image)["map"] == pytest.approx(1)
    assert values([[(0, 0.5, FAR)]], image)["map"] == pytest.approx(1)


def test_nothing_found_and_nothing_to_find():
    assert values([[]], [([UNIT], [0], [0])])["map"] == 0
    assert values([[(0, 0.9, UNIT)]], [([], [], [])])["map"] == 0
    both = values([[], [(0, 0.9, FAR)]], [([], [], []), ([FAR], [0], [0])])
    assert both["map"] == pytest.approx(1)


def test_resampled_images_count_as_often_as_they_were_drawn():
    rng = np.random.default_rng(0)
    images, found = [], []
    for _ in range(6):
        corners = rng.uniform(0, 0.6, (3, 2))
        boxes = np.hstack([corners, corners + 0.3])
        images.append((boxes, rng.integers(0, 2, 3), np.zeros(3)))
        noisy = boxes + rng.normal(0, 0.03, boxes.shape)
        found.append([(c, rng.random(), b) for c, b in zip(rng.integers(0, 2, 3), noisy, strict=True)])
    meter = BoxMap()
    meter.update(outputs(found), batch(images))
    counts = rng.multinomial(6, np.full(6, 1 / 6), size=60)
    for row, value in zip(counts, meter.resampled(counts), strict=True):
        chosen = [i for i in range(6) for _ in range(row[i])]
        again = values([found[i] for i in chosen], [images[i] for i in chosen])["map"]
        assert value == pytest.approx(again, abs=1e-9)
    assert meter.resampled(np.ones((1, 6)))[0] == pytest.approx(meter.compute()["map"])


def test_meters_join():
    first, second, whole = CocoMap(), CocoMap(), CocoMap()
    images = [([UNIT], [0], [0]), ([FAR], [0], [0])]
    found = [[(0, 0.9, UNIT)], [(0, 0.8, UNIT)]]
    first.update(outputs(found[:1]), batch(images[:1]))
    second.update(outputs(found[1:]), batch(images[1:]))
    whole.update(outputs(found), batch(images))
    first.merge(second)
    assert first.compute() == pytest.approx(whole.compute(), nan_ok=True)


def test_coco_by_hand():
    """An IoU of 0.72 is right at the five thresholds 0.50 to 0.70 of ten. The box is 100 x 50 pixels."""
    box = [0.0, 0.0, 0.5, 0.5]
    found = [[(0, 0.9, [0.0, 0.0, 0.5, 0.36])]]
    got = values(found, [([box], [0], [0])], CocoMap)
    assert got["coco_map"] == pytest.approx(0.5, abs=1e-6)
    assert got["coco_map_medium"] == pytest.approx(0.5, abs=1e-6)
    assert np.isnan(got["coco_map_small"])
    assert got["map"] == pytest.approx(1)
