"""Backbones of YOLOv3: their sizes, where they are read, that they can be pruned and go into every runtime."""

import paddle
import pytest
from boxes import assert_same_boxes
from conftest import LONG, randomize, unaccounted

from paddleprune import models
from paddleprune.errors import UserError
from paddleprune.models._backbones import BACKBONES
from paddleprune.pruning import criteria
from paddleprune.pruning.groups import find_groups
from paddleprune.pruning.narrow import narrow
from paddleprune.pruning.plan import make_plan


def test_darknet_has_its_published_size():
    """41,609,928 parameters, 1,025,000 of them in the classifier that is left out; moving averages are none."""
    network = BACKBONES["darknet53"](1.0)
    counted = sum(
        p.size for name, p in network.named_parameters() if not name.endswith(("_mean", "_variance"))
    )
    assert counted == 41_609_928 - 1_025_000
    assert [x.shape[1] for x in network(paddle.zeros([1, 3, 32, 32]))] == [1024, 512, 256]


@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_is_read_at_three_strides_and_can_be_pruned(name):
    args = {"num_classes": 2, "backbone": name, "width": 0.0625}
    args |= {} if name.startswith("resnet") else {"scale": 0.25}
    network = models.build("yolov3", args)
    network.eval()
    assert [m.shape for m in network(paddle.zeros([1, 3, 64, 64]))] == [[1, 21, n, n] for n in (2, 4, 8)]
    groups = find_groups(network, (3, 64, 64))
    assert not unaccounted(network, groups)
    inside = [group for group in groups if group.startswith("backbone.")]
    assert len(inside) >= 10, groups.reasons
    if name.startswith("resnet"):
        with pytest.raises(UserError, match="has the widths that it has"):
            models.build("yolov3", {**args, "scale": 0.5})
    else:
        before = groups.cost().params
        plan = make_plan(groups, dict.fromkeys(groups, 0.3), criteria.scores("l1_norm", groups, network))
        narrow(network, plan, (3, 64, 64), groups)  # compares it with the masked network
        assert sum(p.size for p in network.parameters()) < 0.75 * before


@pytest.mark.skipif(not LONG, reason="two minutes; PADDLEPRUNE_TEST_LONG=1 (make test-long) runs it")
@pytest.mark.parametrize("form", ["inference", "lite", "onnx", "openvino", "mnn"])
@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_finds_the_same_boxes_in_every_runtime(name, form):
    pytest.importorskip({"lite": "paddlelite", "onnx": "paddle2onnx", "mnn": "MNN"}.get(form, "paddle"))
    network = randomize(models.build("yolov3", {"num_classes": 2, "backbone": name, "width": 0.0625}))
    network.eval()
    groups = find_groups(network, (3, 64, 64))
    scores = criteria.scores("l1_norm", groups, network)
    narrow(network, make_plan(groups, dict.fromkeys(groups, 0.3), scores), (3, 64, 64), groups)
    network.eval()
    for output in network.heads:
        output.bias.set_value(output.bias + 1.0)
    assert_same_boxes(network, "yolov3", form, 2)
