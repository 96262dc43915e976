"""YOLOv2: its size, its passthrough, its loss and boxes by hand, darknet's files, every runtime."""

import numpy as np
import paddle
import pytest
from boxes import assert_same_boxes
from conftest import randomize
from paddle import nn

from paddleprune import models, tasks
from paddleprune.config import load_config
from paddleprune.engine.checkpoint import SavedModel
from paddleprune.engine.start import _load
from paddleprune.errors import UserError
from paddleprune.export import formats, lite
from paddleprune.models.yolov2 import read_darknet, reorg
from paddleprune.pruning.groups import find_groups

LABELS = ["a", "b"]
ANCHORS = [[16.0, 16.0], [32.0, 64.0]]


def trained(network):
    return sum(p.size for p in network.parameters() if not p.stop_gradient)


def test_the_size_is_the_published_one():
    """50,634,592 weights of convolutions, 20,672 of batch norms, 125 biases, for 20 classes."""
    assert trained(models.build("yolov2", {"num_classes": 20})) == 50_655_389


def test_the_passthrough_is_phase_major():
    """Channel (2 row + column) C + c of a cell."""
    x = np.arange(2 * 2 * 4, dtype="float32").reshape(1, 2, 2, 4)
    found = reorg(paddle.to_tensor(x)).numpy()
    assert found.shape == (1, 8, 1, 2)
    for row in (0, 1):
        for column in (0, 1):
            for c in (0, 1):
                assert found[0, (2 * row + column) * 2 + c, 0].tolist() == x[0, c, row, column::2].tolist()


def test_a_passed_filter_takes_four_channels_with_it():
    network = models.build("yolov2", models.card("yolov2").args)
    groups = find_groups(network, models.card("yolov2").image_shape)
    group = next(g for g in groups.values() if any(s.parameter == "passed.0.weight" for s in g.role("out")))
    size = network.passed[0].weight.shape[0]
    inputs = next(s for s in group.role("in") if s.parameter == "last.0.weight")
    assert inputs.index.shape == (size, 4)
    assert inputs.index[1].tolist() == [1 + k * size for k in range(4)]


class Maps(nn.Layer):
    """Says the same of every picture: nothing, but for `values` of an anchor in a cell."""

    num_classes, anchors = 2, ANCHORS

    def __init__(self, anchor=0, row=0, column=0, values=()):
        super().__init__()
        maps = np.zeros((1, 2, 7, 2, 3), np.float32)
        maps[:, :, 4] = -9
        if len(values):
            maps[0, anchor, :, row, column] = values
        self.maps = paddle.to_tensor(maps.reshape(1, 14, 2, 3))

    def forward(self, image):
        return [self.maps]


def head(**options):
    return models.card("yolov2").heads["detection"](LABELS, **options)


def test_a_box_by_hand():
    """Cell (1, 2) of 2 x 3, anchor 32 x 64 px: the middle is at x = 2.5 / 3, y = 1.5 / 2; one cell wide, two high, so
    the picture's whole height but for what lies below it. Softmax of (0, 2), times sigmoid(3)."""
    network = Maps(1, 1, 2, [0, 0, 0, 0, 3, 0, 2])
    boxes, counts = head().finish(network)([network.maps.numpy()])
    score = 1 / (1 + np.exp(-3.0)) / (1 + np.exp(-2.0))
    assert counts.tolist() == [2], "a box of each class"
    np.testing.assert_allclose(boxes[np.argmax(boxes[:, 1])], [1, score, 2 / 3, 0.25, 1, 1], atol=1e-5)


BATCH = {"image": np.zeros((1, 3, 64, 96), np.float32), "boxes": [np.float32([[2 / 3, 0.0, 1, 1]])],
         "labels": [np.array([1])], "difficult": [np.array([0])]}  # fmt: skip


def test_the_loss_by_hand():
    """The box is that of anchor 1 in cell (1, 2): middle (2.5, 1) in cells, so 0.5 and 0 within it; sizes are the
    anchor's, log 0. Said: 0.5, 0.5, log 0, so centres differ by 0.5: 0.125. Confidence 0.5 for an IoU of the said
    box, two cells high around 1.5, with the wanted one around 1: 1.5 of 2.5 = 0.6, so 5 (0.5 - 0.6)^2 / 2 = 0.025.
    The classes say the same of both: log 2."""
    network = Maps(1, 1, 2, [0, 0, 0, 0, 0, 0, 0])
    found = {k: float(v) for k, v in head().loss(network, network(None), BATCH).items()}
    assert found["box"] == pytest.approx(0.125, abs=1e-5)
    assert found["class"] == pytest.approx(np.log(2), abs=1e-5)
    nothing = 11 * (1 / (1 + np.exp(9.0))) ** 2 / 2
    assert found["confidence"] == pytest.approx(0.025 + nothing, abs=1e-5)
    twice = {k: v * 2 if k != "image" else np.zeros((2, 3, 64, 96), np.float32) for k, v in BATCH.items()}
    maps = [paddle.concat([network.maps] * 2)]
    whole = float(head(region="original").loss(network, maps, twice)["loss"])
    assert whole == pytest.approx(2 * sum(v for k, v in found.items() if k != "loss"), rel=1e-4)


def test_the_later_form_compares_factors():
    """Said e^0.5 of the anchor's height where 1 is right: 0.125 more as logarithms, (e^0.5 - 1)^2 / 2 as factors."""
    network = Maps(1, 1, 2, [0, 0, 0, 0.5, 0, 0, 0])
    for region, wanted in (("divided", 0.125), ("later", (np.exp(0.5) - 1) ** 2 / 2)):
        found = float(head(region=region).loss(network, network(None), BATCH)["box"])
        assert found == pytest.approx(0.125 + wanted, abs=1e-5), region
    with pytest.raises(UserError, match="train.region: 'x' is not known"):
        head(region="x")


def test_pictures_without_boxes_have_a_loss():
    network = Maps()
    none = {
        **BATCH,
        "boxes": [np.zeros((0, 4), np.float32)],
        "labels": [np.zeros(0, int)],
        "difficult": [np.zeros(0, int)],
    }
    assert float(head().loss(network, network(None), none)["loss"]) < 0.01


def test_a_darknet_file_is_read_or_refused(tmp_path):
    """Each convolution's shift, scale, mean, variance and weights in the order of the configuration, where the
    passthrough stands behind the 20th."""
    network = randomize(models.build("yolov2", models.card("yolov2").args))
    layers = [
        *(layer for part in (network.fine, network.coarse) for layer in part if len(list(layer.children()))),
        network.passed,
        network.last,
    ]
    parts = [np.int32([0, 2, 0]).tobytes(), np.int64(0).tobytes()]
    for layer in layers:
        parts += [
            t.numpy().tobytes()
            for t in (layer[1].bias, layer[1].weight, layer[1]._mean, layer[1]._variance, layer[0].weight)
        ]
    parts += [network.head.bias.numpy().tobytes(), network.head.weight.numpy().tobytes()]
    file = tmp_path / "yolov2.weights"
    file.write_bytes(b"".join(parts))
    fresh = models.build("yolov2", models.card("yolov2").args)
    _load(SavedModel(fresh, {"model": {"name": "yolov2"}}), file)
    for name, tensor in network.state_dict().items():
        assert (fresh.state_dict()[name].numpy() == tensor.numpy()).all(), name
    for damaged in (b"".join(parts)[:-4], b"".join(parts)[:-1], b"x" * 7, b"".join(parts) + b"1234"):
        file.write_bytes(damaged)
        with pytest.raises(UserError, match="numbers|no darknet"):
            read_darknet(file, fresh)


@pytest.mark.parametrize("form", [form for form in formats.RUNTIMES if form != "ncnn"])
def test_every_runtime_finds_the_same_boxes(form):
    if form == "lite" and not lite.installed():
        pytest.skip("Paddle Lite is not installed")
    network = randomize(models.build("yolov2", models.card("yolov2").args))
    network.head.bias.set_value(network.head.bias + 1.0)
    network.eval()
    assert_same_boxes(network, "yolov2", form, 3)


def test_options_are_checked():
    config = load_config("configs/detection/yolov3_sample.yml", ["train.region=later"])
    with pytest.raises(UserError, match="train.region: yolov3 takes none"):
        tasks.make(config, LABELS)
    with pytest.raises(UserError, match="anchors .* must be"):
        models.build("yolov2", {"num_classes": 2, "anchors": []})
