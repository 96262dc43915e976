"""The laws on networks that were not written for us; all of them, at their usual sizes: benchmarks/zoo.py."""

import importlib.util
import sys
from pathlib import Path

import paddle
import pytest
from conftest import LONG

import paddleprune as pp
from paddleprune import models, paddlex_names
from paddleprune.graph.example import Example
from paddleprune.pruning.sound import random_weights

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
# name -> side of the images, as small as the network takes them
SMALL = {
    "paddle.vision.LeNet": 28,
    "paddle.vision.resnet18": 32,
    "paddle.vision.mobilenet_v3_small": 32,
    "paddle.vision.squeezenet1_1": 64,
    "paddle.vision.shufflenet_v2_x0_25": 64,
    "paddleseg.ESPNetV1": 64,
    "paddleseg.SINet": 64,
    "paddleseg.FastSCNN": 64,
    "paddleseg.MobileSeg": 64,
    "paddleseg.PPHumanSegLite": 64,
    "paddleseg.PPLiteSeg": 64,
    "paddleseg.SegFormer": 64,
}
# What PaddleX called its networks; YOLOv3's backbones: tests/tasks/test_backbones.py.
SHELF = [("cls", name) for name in (*paddlex_names.CLASSIFIERS, "MobileNetV1", "MobileNetV2")]
SHELF += [("seg", name) for name in (*paddlex_names.SEGMENTERS, "UNet")]


@pytest.fixture(scope="module")
def zoo():
    """benchmarks/zoo.py as a module."""
    sys.path.insert(0, str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location("zoo", BENCHMARKS / "zoo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(BENCHMARKS))


@pytest.mark.parametrize("name", SMALL)
def test_the_laws_hold(name, zoo):
    if name.startswith("paddleseg."):
        pytest.importorskip("paddleseg")
    paddle.seed(0)
    channels = 1 if name.endswith("LeNet") else 3
    network = models.build(name, {"num_classes": 3, **zoo.NETWORKS[name][0]})
    assert_the_laws(network, Example((channels, SMALL[name], SMALL[name])), zoo)


@pytest.mark.skipif(not LONG, reason="three minutes; PADDLEPRUNE_TEST_LONG=1 (make test-long) runs it")
@pytest.mark.parametrize(("shelf", "name"), SHELF)
def test_the_laws_hold_on_the_whole_shelf(shelf, name, zoo):
    model = getattr(getattr(pp, shelf), name)(num_classes=3)
    if "paddleseg" in f"{model.name} {model.args}":
        pytest.importorskip("paddleseg")
    paddle.seed(0)
    side = 224 if name == "AlexNet" else 64
    assert_the_laws(models.build(model.name, model.args), Example((3, side, side)), zoo)


def assert_the_laws(network, example, zoo):
    network.eval()
    with random_weights(network):
        row = zoo.tried(network, example)
    assert row["groups"] > 0
    assert row["silent"] == 0
    assert row["dense_predicted"]
    assert row["predicted"]
    assert row["difference"] < 1e-5
    assert row["backward"] is True
    assert row["params_left"] < 1
    if "replay_difference" in row:
        assert row["replay_difference"] < 1e-4
