"""The task of detection: boxes from maps, the loss, what moves boxes."""

import numpy as np
import paddle
import pytest

from paddleprune import models
from paddleprune.config import load_config
from paddleprune.data import anchors
from paddleprune.data.readers import voc
from paddleprune.data.sample_data import make
from paddleprune.data.transforms import Compose
from paddleprune.errors import UserError
from paddleprune.pipeline import find_anchors
from paddleprune.tasks import make as make_task
from paddleprune.tasks import of

CONFIG = "configs/detection/yolov3_sample.yml"
LABELS = ["cat", "dog"]
ANCHORS = [[8, 8], [16, 16], [32, 32]]


class Maps(paddle.nn.Layer):
    """A network whose maps are given: three scales of a 32 px picture, one anchor each."""

    def __init__(self, maps=None):
        super().__init__()
        self.anchors, self.num_classes = ANCHORS, 2
        blank = [np.full((1, 7, n, n), -9, np.float32) for n in (1, 2, 4)]
        self.maps = [paddle.to_tensor(m) for m in (blank if maps is None else maps)]

    def forward(self, image):
        return self.maps


def maps_with(scale, row, column, values):
    network = Maps()
    found = [m.numpy() for m in network.maps]
    found[scale][0, :, row, column] = values
    return found


def test_a_box_by_hand():
    """Cell (1, 0) of the middle map, stride 16, anchor 16: sigmoid(0) = 1/2, e^0 = 1, so the middle is at
    x = 8, y = 24 of 32 px and the sides are 16."""
    network = Maps(maps_with(1, 1, 0, [0, 0, 0, 0, 4, -9, 4]))
    boxes, counts = of("detection", "yolov3", LABELS).head.finish(network)([m.numpy() for m in network.maps])
    assert counts.tolist() == [1]
    sure = (1 / (1 + np.exp(-4.0))) ** 2
    np.testing.assert_allclose(boxes, [[1, sure, 0, 0.5, 0.5, 1]], atol=1e-5)


def test_the_weaker_of_two_that_overlap_goes_within_a_class():
    """Middles at 12 and 16 sigmoid(3) = 15.24 px, sides 8 e = 21.75 and 16: IoU 244 / (473 + 256 - 244) =
    0.504, above 0.45."""
    first, second = maps_with(2, 1, 1, [0, 0, 1, 1, 5, 5, -9]), maps_with(1, 0, 0, [3, 3, 0, 0, 2, 2, -9])
    both = [np.maximum(a, b) for a, b in zip(first, second, strict=True)]
    finish = of("detection", "yolov3", LABELS).head.finish(Maps(both))
    boxes, counts = finish(both)
    assert counts.tolist() == [1]
    assert boxes[0, 1] == pytest.approx((1 / (1 + np.exp(-5.0))) ** 2, abs=1e-5)
    both[1][0, 5:, 0, 0] = [-9, 2]  # another class: both stay
    assert finish(both)[1].tolist() == [2]


def test_the_deployed_network_says_what_finish_says():
    network = models.build("yolov3", models.card("yolov3").args)
    for head in network.heads:
        head.bias.set_value(paddle.full_like(head.bias, 2.0))
    network.eval()
    image = paddle.to_tensor(np.random.default_rng(0).random((2, 3, 64, 64), np.float32))
    task = of("detection", "yolov3", ["a", "b", "c"])
    with paddle.no_grad():
        mine = task.head.finish(network)([m.numpy() for m in network(image)])
        theirs = [t.numpy() for t in task.head.deployed(network)(image)]
    assert mine[1].sum() >= 5
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    agreement = task.agreement(mine, theirs)
    assert (agreement.same, agreement.decided) == (2 * mine[1].sum(), 2 * mine[1].sum())
    other = [mine[0] + np.float32([0, 0, 0.2, 0, 0.2, 0]), mine[1]]
    assert task.agreement(mine, other).same < agreement.same
    assert task.agreement(mine, [mine[0] * np.nan, mine[1]]).difference == np.inf


def agreed(mine, theirs):
    """(boxes that both have, boxes that count) of one picture; both directions are counted."""
    outputs = [[np.float32(boxes).reshape(-1, 6), np.int32([len(boxes)])] for boxes in (mine, theirs)]
    found = of("detection", "yolov3", LABELS).agreement(*outputs)
    return found.same, found.decided


def test_boxes_that_rounding_decides_about_are_no_disagreement():
    # nine boxes far from each other, of scores .9 to .5, that both runtimes have
    sure = [[0, 0.9 - 0.05 * i, 0.1 * i, 0, 0.1 * i + 0.05, 0.05] for i in range(9)]
    assert agreed(sure, sure) == (18, 18)
    assert agreed([*sure, [0, 0.012, 0.5, 0.5, 0.6, 0.6]], sure) == (18, 18), "at the least score"
    one, other = [1, 0.6, 0.5, 0.5, 0.7, 0.7], [1, 0.599, 0.52, 0.5, 0.72, 0.7]
    assert agreed([*sure, one], [*sure, other]) == (20, 20), "of a tie NMS keeps either"
    # two boxes of sides 0.2, one moved by 0.0759: IoU 0.1241 / 0.2759 = 0.4498, by a hair not suppressed
    hidden = [1, 0.4, 0.5759, 0.5, 0.7759, 0.7]
    assert agreed([*sure, one, hidden], [*sure, one]) == (20, 20), "as good as hidden"
    full = [
        [0, 0.95 - 0.001 * i, i % 10 / 10, i // 10 / 10, i % 10 / 10 + 0.05, i // 10 / 10 + 0.05]
        for i in range(100)
    ]
    last = [1, 0.8505, 0, 0.5, 0.1, 0.6]
    found = agreed(full, [*full[:99], last])
    assert found[0] == found[1], "the last ones of as many as are kept"


def test_boxes_that_differ_are_a_disagreement():
    sure = [[0, 0.9 - 0.05 * i, 0.1 * i, 0, 0.1 * i + 0.05, 0.05] for i in range(9)]
    assert agreed(sure[:8], sure) == (16, 17), "one is missing"
    assert agreed([*sure[:8], [1, *sure[8][1:]]], sure) == (16, 18), "of another class"
    assert agreed([*sure[:8], [0, 0.3, *sure[8][2:]]], sure) == (16, 18), "of another score"
    moved = np.float32(sure) + np.float32([0, 0, 0.012, 0, 0.012, 0])  # IoU 0.61: no tie if all have moved
    assert agreed(moved, sure)[0] == 0


def test_the_loss_falls_where_the_box_is():
    task = of("detection", "yolov3", LABELS)
    batch = {"image": np.zeros((1, 3, 32, 32), np.float32), "boxes": [np.float32([[0, 0.5, 0.5, 1]])],
             "labels": [np.array([1])], "difficult": [np.array([0])]}  # fmt: skip
    right = task.loss(Maps(maps_with(1, 1, 0, [0, 0, 0, 0, 9, -9, 9])), batch)["loss"]
    wrong = task.loss(Maps(maps_with(1, 0, 0, [0, 0, 0, 0, 9, -9, 9])), batch)["loss"]
    none = {"boxes": [np.zeros((0, 4), np.float32)], "labels": [np.zeros(0)], "difficult": [np.zeros(0)]}
    assert float(task.loss(Maps(), {**batch, **none})["loss"]) < 0.05
    crowd = {**batch, "difficult": [np.array([2])]}  # is not trained on
    assert float(task.loss(Maps(), crowd)["loss"]) == float(task.loss(Maps(), {**batch, **none})["loss"])
    # twice log 2 for the x and y of sigmoid(0), times 2 - w h = 1.75 (Paddle's yolo_loss)
    assert float(right) == pytest.approx(1.75 * 2 * np.log(2), abs=0.05)
    assert float(wrong) > float(right) + 9
    half = task.loss(
        Maps(maps_with(1, 1, 0, [0, 0, 0, 0, 9, -9, 9])), {**batch, "weights": [np.float32([0.5])]}
    )
    assert float(half["loss"]) < float(right)


def test_sizes_are_drawn_anew_and_the_same_for_a_seed():
    task = of("detection", "yolov3", LABELS, sizes=[32, 64, 96])
    batch = {"image": np.zeros([1, 3, 64, 64], np.float32)}

    def drawn():
        paddle.seed(3)
        return [task.head.inputs(batch)[0].shape[2] for _ in range(20)]

    assert drawn() == drawn()
    assert set(drawn()) == {32, 64, 96}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["train.sizes=[100]"], "train.sizes: .* must be multiples of 32"),
        (
            ["data.image_shape=[3,96,64]"],
            "data.image_shape: 96x64; the network needs sides that are multiples of 32, and equal",
        ),
        (
            ["data.eval_transforms=[{CenterCrop: {size: 96}}]"],
            "data.eval_transforms: 'CenterCrop' is not for detection",
        ),
        (["model.args.anchors=[[1, 2]]"], r"anchors \[\[1, 2\]\] must be"),
        (["model.args.backbone=resnet"], "backbone 'resnet' must be one of mobilenet_v1, mobilenet_v2"),
    ],
)
def test_bad_settings_are_one_line(settings, words):
    config = load_config(CONFIG, settings)
    with pytest.raises(UserError, match=words):
        models.build("yolov3", make_task(config, LABELS).head.arguments(config.model.args))


def test_widths_are_the_usual_ones():
    """PaddleDetection's YOLOv3-MobileNetV1 has 24.3 M parameters with the 20 classes of VOC."""
    network = models.build("yolov3", {"num_classes": 20})
    assert sum(p.size for p in network.parameters()) == 24_286_881
    second = models.build(
        "yolov3", {"num_classes": 2, "backbone": "mobilenet_v2", "scale": 0.25, "width": 0.125}
    )
    assert [m.shape for m in second(paddle.zeros([1, 3, 64, 64]))] == [[1, 21, n, n] for n in (2, 4, 8)]


# what lies on a picture moves along --------------------------------------------------------


def scene():
    """White rectangles on black, and their boxes."""
    boxes = np.float32([[10, 20, 40, 50], [60, 5, 90, 25], [70, 60, 100, 95]])
    image = np.zeros((100, 120, 3), np.uint8)
    for x1, y1, x2, y2 in boxes.astype(int):
        image[y1:y2, x1:x2] = 255
    return {"image": image, "boxes": boxes, "labels": np.arange(3), "difficult": np.zeros(3, int)}


@pytest.mark.parametrize(
    "spec",
    [
        {"RandomHorizontalFlip": {"prob": 1}}, {"RandomVerticalFlip": {"prob": 1}}, {"Resize": {"size": [50, 200]}},
        {"ResizeByShort": {"size": 150}}, {"ResizeStepScaling": {}}, {"RandomExpand": {"prob": 1}},
        {"RandomBoxCrop": {"prob": 1}}, {"RandomPaddingCrop": {"size": 110}}, {"RandomPaddingCrop": {"size": 140}},
    ],
)  # fmt: skip
def test_boxes_stay_on_their_things(spec):
    for seed in range(8):
        done = Compose([spec])(scene(), np.random.default_rng(seed))
        white = done["image"][..., 0] > 200
        assert len(done["boxes"]) == len(done["labels"]) == len(done["difficult"])
        for x1, y1, x2, y2 in done["boxes"].round().astype(int):
            assert 0 <= x1 < x2 <= white.shape[1]
            assert 0 <= y1 < y2 <= white.shape[0]
            assert white[y1:y2, x1:x2].mean() > 0.85


def test_small_boxes_go_and_mixup_weighs_both():
    sample = {**scene(), "boxes": np.float32([[0, 0, 3, 50], [0, 0, 4, 4], [0, 0, 50, 2]])}
    done = Compose([{"DropSmallBoxes": {"size": 4}}])(sample, np.random.default_rng(0))
    assert done["labels"].tolist() == [1]
    other = {**scene(), "image": np.full((50, 200, 3), 200, np.uint8), "labels": np.array([5, 6, 7])}
    done = Compose([{"Mixup": {}}])({**scene(), "other": lambda rng: other}, np.random.default_rng(0))
    assert done["image"].shape == (100, 200, 3)
    assert done["labels"].tolist() == [0, 1, 2, 5, 6, 7]
    share = done["weights"]
    assert share[0] == pytest.approx(1 - share[-1])
    inside = done["image"][30, 20, 0]  # white here, 200 there
    assert inside == pytest.approx(255 * share[0] + 200 * share[-1], abs=1)


def test_transforms_of_boxes_refuse_other_data():
    for name in ("Mixup", "RandomExpand", "RandomBoxCrop", "DropSmallBoxes"):
        spec = {name: {} if name in ("Mixup", "DropSmallBoxes") else {"prob": 1}}
        with pytest.raises(UserError, match=f"{name}: the data has no boxes"):
            Compose([spec])({"image": np.zeros((9, 9, 3), np.uint8)}, np.random.default_rng(0))


def test_sample_data_has_both_classes_and_boxes_on_digits(tmp_path):
    data = make("detection", tmp_path / "a", 12, 8)
    reader = voc.Reader(data, "train_list.txt", "labels.txt")
    labels = np.concatenate([reader.read(i)["labels"] for i in range(len(reader))])
    assert set(labels) == {0, 1}
    for i in range(len(reader)):
        sample = reader.read(i)
        for x1, y1, x2, y2 in sample["boxes"].astype(int):
            assert sample["image"][y1:y2, x1:x2].max() > 150


def test_anchors_are_the_sizes_that_there_are():
    rng = np.random.default_rng(0)
    true = np.array([[10, 20], [40, 30], [90, 100]])
    sizes = np.concatenate([size * rng.uniform(0.9, 1.1, (50, 2)) for size in true])
    found = anchors.anchors(sizes, 3)
    np.testing.assert_allclose(found, true, rtol=0.05)
    assert anchors.fit(sizes, found) > 0.88
    assert anchors.shape_iou(np.array([[2, 2]]), np.array([[1, 4]])) == pytest.approx(2 / 6)
    with pytest.raises(ValueError, match="fewer than 3"):
        anchors.anchors(np.ones((9, 2)), 3)


def test_anchors_of_a_config(tmp_path):
    data = make("detection", tmp_path / "data", 24, 8)
    found, fit, usual = find_anchors(load_config(CONFIG, [f"data.root={data}"]), 6)
    larger, *_ = find_anchors(load_config(CONFIG, [f"data.root={data}", "data.image_shape=[3,192,192]"]), 6)
    np.testing.assert_allclose(larger, 2 * np.array(found), atol=2)  # the transforms need not make that size
    assert len(found) == 6
    assert fit > 0.8
    assert fit > usual - 0.05
    with pytest.raises(UserError, match="give 3, 6 or 9"):
        find_anchors(load_config(CONFIG, [f"data.root={data}"]), 4)


def test_results_and_pictures():
    task = of("detection", "yolov3", LABELS)
    found = [np.float32([[1, 0.9, 0.1, 0.2, 0.5, 0.6], [0, 0.1, 0, 0, 1, 1]]), np.int32([2])]
    result = task.result(found, (50, 100))
    assert [(b["label"], b["box"]) for b in result["boxes"]] == [("dog", [10, 10, 50, 30])]
    picture = task.draw(np.full((50, 100, 3), 100, np.uint8), result)
    assert picture.shape == (200, 400, 3)
    assert (picture != 100).any(2).mean() > 0.01
    task.shown = 0.05  # as infer --score has it
    assert [b["label"] for b in task.result(found, (50, 100))["boxes"]] == ["dog", "cat"]
