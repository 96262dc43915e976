"""A closer look at a model: values by class by hand, and what the command writes."""

import json

import cv2
import numpy as np
import pytest
from conftest import knowing

from paddleprune.cli import main
from paddleprune.config import load_config
from paddleprune.data.sample_data import make
from paddleprune.examine import draw_confusion
from paddleprune.metrics.accuracy import AccuracyByClass
from paddleprune.metrics.boxes import BoxMap
from paddleprune.metrics.matting import MatteError
from paddleprune.metrics.mean_iou import MeanIoUByClass
from paddleprune.pipeline import train

CONFIGS = {
    "classification": ("classification/mobilenet_v2_sample.yml", ["model.args.scale=0.25"]),
    "detection": ("detection/yolov3_sample.yml", ["model.args.width=0.0625", "data.batch_size=4"]),
    "segmentation": ("segmentation/unet_sample.yml", []),
    "matting": ("matting/modnet_sample.yml", ["model.args.width=8"]),
}


def test_accuracy_by_class_by_hand():
    meter = AccuracyByClass()
    called = np.eye(3, dtype=np.float32)[[0, 1, 1, 1, 0]]
    meter.update([called], {"label": np.array([0, 0, 1, 1, 1])})
    assert meter.confusion.matrix(3).tolist() == [[1, 1, 0], [1, 2, 0], [0, 0, 0]]
    columns = meter.by_class(3)
    assert columns["pictures"].tolist() == [2, 3, 0]
    np.testing.assert_allclose(columns["recall"], [1 / 2, 2 / 3, np.nan])
    np.testing.assert_allclose(columns["precision"], [1 / 2, 2 / 3, np.nan])
    assert meter.each().tolist() == [1, 0, 1, 1, 0]
    other = AccuracyByClass()
    other.update([called[:1]], {"label": np.array([2])})
    meter.merge(other)
    assert meter.confusion.matrix(3)[2].tolist() == [1, 0, 0]


def test_iou_by_class_by_hand():
    meter = MeanIoUByClass()
    called = np.eye(2, dtype=np.float32)[[0, 1, 1, 1, 0]].T.reshape(1, 2, 1, 5)
    meter.update([called], {"mask": np.array([[[0, 0, 1, 1, 255]]])})
    columns = meter.by_class(2)
    np.testing.assert_allclose(columns["iou"], [1 / 2, 2 / 3])
    np.testing.assert_allclose(columns["share"], [1 / 2, 1 / 2])
    np.testing.assert_allclose(columns["recall"], [1 / 2, 1])
    np.testing.assert_allclose(columns["precision"], [1, 2 / 3])
    assert meter.compute()["miou"] == pytest.approx(columns["iou"].mean())
    meter.update([called], {"mask": np.full((1, 1, 5), 255)})
    np.testing.assert_allclose(meter.each(), [7 / 12, np.nan])


def test_boxes_by_class_by_hand():
    """Class 0 as in the metric's own example: right at .9, wrong at .8, right at .7, two labelled: 5/6."""
    meter = BoxMap()
    given = np.array([[0, 0, 0.2, 0.2], [0.5, 0.5, 0.7, 0.7], [0.8, 0, 1, 0.2]])
    found = [[0, 0.9, *given[0]], [0, 0.8, 0.3, 0.3, 0.4, 0.4], [0, 0.7, *given[1]]]
    meter.update(
        [np.array(found), np.array([3])],
        {"boxes": [given], "labels": [np.array([0, 0, 2])], "difficult": [np.zeros(3)]},
    )
    columns = meter.by_class(3)
    assert columns["boxes"].tolist() == [2, 0, 1]
    np.testing.assert_allclose(columns["ap"], [5 / 6, np.nan, 0])
    np.testing.assert_allclose(columns["recall"], [1, np.nan, 0])
    assert meter.compute()["map"] == pytest.approx(np.nanmean(columns["ap"]))
    nothing = np.zeros((0, 4)), np.zeros(0, int), np.zeros(0)
    labelled = {"boxes": [nothing[0]], "labels": [nothing[1]], "difficult": [nothing[2]]}
    meter.update([np.zeros((0, 6)), np.array([0])], labelled)
    meter.update([np.array([[1, 0.9, 0, 0, 1, 1]]), np.array([1])], labelled)
    np.testing.assert_allclose(meter.each(), [(5 / 6 + 0) / 2, 1, 0.1])
    recall, precision = meter.curve(0)
    np.testing.assert_allclose(recall, [1 / 2, 1 / 2, 1])
    np.testing.assert_allclose(precision, [1, 2 / 3, 2 / 3])


def test_the_worst_of_a_metric_where_lower_is_better():
    meter, zero = MatteError(), np.zeros((2, 1, 4, 4), np.float32)
    zero[1] = 0.5
    meter.update([zero], {"alpha": np.zeros((2, 4, 4), np.float32)})
    assert not meter.higher_is_better
    first, second = meter.each()
    assert first == 0 < second
    assert meter.by_class(0) == {}


@pytest.mark.parametrize("task", CONFIGS)
def test_the_command_shows_where_a_model_fails(task, tmp_path, capsys):
    config, small = CONFIGS[task]
    data = make(task, tmp_path / "data", 16, 8)
    settings = [f"data.root={data}", "train.epochs=0", *small]
    train(load_config(f"configs/{config}", settings), tmp_path / "run", knowing(task))
    command = ["eval", "--model_dir", f"{tmp_path}/run/best_model", "--save_dir", f"{tmp_path}/look"]
    for worst in ("5", "3"):  # the second look leaves nothing of the first
        assert main([*command, "--worst", worst]) == 0
    said = capsys.readouterr().out
    written = json.loads((tmp_path / "run/best_model/eval.json").read_text())
    listed = json.loads((tmp_path / "look/worst/worst.json").read_text())
    assert len(listed) == len(list((tmp_path / "look/worst").glob("*.png"))) == 3
    assert cv2.imread(str(tmp_path / "look/worst" / listed[0]["drawn"])).std() > 1
    picture = {"detection": "curves.png", "matting": None}.get(task, "confusion.png")
    assert sorted(p.name for p in (tmp_path / "look").glob("*.png")) == ([picture] if picture else [])
    assert ("classes" in written) == (task != "matting")
    if picture:
        assert cv2.imread(str(tmp_path / "look" / picture)).std() > 1
        assert all(name in said for name in written["classes"])
    for wrong, words in (
        (["--worst", "-1"], "--worst: -1 is out of range"),
        (["--save_dir", ""], "'' is no path"),
    ):
        assert main([*command, *wrong]) == 2
        assert words in capsys.readouterr().err


def test_names_with_dollars_are_drawn_as_they_are(tmp_path):
    draw_confusion(np.eye(2, dtype=int), [r"$\frac{c$", "$a/b"], tmp_path / "c.png")
    assert cv2.imread(str(tmp_path / "c.png")).std() > 1
