"""The task of semantic segmentation: its loss, its pictures, its data's faults."""

import cv2
import numpy as np
import paddle
import pytest
from PIL import Image

from paddleprune import models
from paddleprune.config import load_config
from paddleprune.data.readers.seg_list import Reader
from paddleprune.data.sample_data import make
from paddleprune.data.transforms import Compose
from paddleprune.errors import UserError
from paddleprune.tasks import make as make_task
from paddleprune.tasks import of

LABELS = ["sky", "road", "car"]


class Fixed(paddle.nn.Layer):
    """A network whose logits are given."""

    def __init__(self, logits):
        super().__init__()
        self.logits = paddle.to_tensor(logits)

    def forward(self, image):
        return [self.logits]


def test_the_loss_is_cross_entropy_of_the_pixels_that_count():
    logits = np.zeros((1, 3, 1, 3), np.float32)
    logits[0, 1, 0, 0] = np.log(2)  # softmax 1/4, 1/2, 1/4
    batch = {"image": np.zeros((1, 3, 1, 3), np.float32), "mask": np.uint8([[[1, 2, 255]]])}
    loss = float(of("segmentation", "unet", LABELS).loss(Fixed(logits), batch)["loss"])
    assert loss == pytest.approx((np.log(2) + np.log(3)) / 2, rel=1e-4)  # -log 1/2 and -log 1/3
    both = of("segmentation", "unet", LABELS, losses={"CrossEntropyLoss": 0.5, "DiceLoss": 2.0})
    assert float(both.loss(Fixed(logits), batch)["loss"]) > 0.5 * loss


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["train.losses={CrossEntropyLos: 1}"], "train.losses: 'CrossEntropyLos' is not known; did you mean"),
        (["train.label_smoothing=0.1"], "train.label_smoothing: unet takes none for 'segmentation'"),
        (["train.losses={DiceLoss: much}"], "train.losses: the weight of DiceLoss is 'much'"),
        (["data.eval_transforms=[{CenterCrop: {size: 32}}]"], "'CenterCrop' is not for segmentation"),
        (["model.name=mobilenet_v2"], "model.name: mobilenet_v2 is for classification"),
    ],
)
def test_options_of_another_task_or_a_misspelt_loss_are_one_line(settings, words):
    config = load_config("configs/segmentation/unet_sample.yml", settings)
    with pytest.raises(UserError) as error:
        make_task(config, LABELS)
    assert words in str(error.value)


def test_results_and_pictures():
    task = of("segmentation", "unet", LABELS)
    scores = np.zeros((1, 3, 2, 2), np.float32)
    scores[0, 2, 0], scores[0, 1, 1, 1] = 1, 1
    result = task.result([scores], (4, 6))
    assert result["mask"].shape == (4, 6)
    assert result["classes"] == {"car": 0.5, "sky": 0.25, "road": 0.25}
    picture = task.draw(np.full((4, 6, 3), 100, np.uint8), result)
    assert picture.shape[1] >= 320
    assert len({tuple(c) for c in picture[: 4 * 54].reshape(-1, 3)}) == 3  # three classes, three colours


def test_maps_move_with_their_image():
    """Each pixel of the image tells its class, so after any geometric transform it still must."""
    rng = np.random.default_rng(0)
    mask = rng.integers(0, 4, (24, 30)).astype(np.uint8)
    mask = cv2.resize(mask, (120, 96), interpolation=cv2.INTER_NEAREST)
    image = np.repeat(mask[..., None] * 60, 3, 2)
    for spec in (
        {"RandomHorizontalFlip": {"prob": 1}}, {"RandomVerticalFlip": {"prob": 1}}, {"CenterCrop": {"size": 50}},
        {"RandomPaddingCrop": {"size": [80, 100]}}, {"RandomPaddingCrop": {"size": 150}},
    ):  # fmt: skip
        done = Compose([spec])({"image": image, "mask": mask}, np.random.default_rng(1))
        inside = done["mask"] != 255
        np.testing.assert_array_equal(done["image"][..., 0][inside], done["mask"][inside] * 60)
        assert (done["image"][~inside] == 127).all()
    for spec in ({"Resize": {"size": [48, 60]}}, {"ResizeStepScaling": {}}, {"RandomCrop": {"size": 64}},
                 {"ResizeByShort": {"size": 60}}):  # fmt: skip
        done = Compose([spec])({"image": image, "mask": mask}, np.random.default_rng(1))
        assert done["mask"].shape == done["image"].shape[:2]
        assert set(np.unique(done["mask"])) <= {0, 1, 2, 3}
        same = np.abs(done["image"][..., 0].astype(int) - done["mask"].astype(int) * 60) < 40
        assert same.mean() > 0.75  # all but the rims


CUT = cv2.imencode(".png", np.random.default_rng(0).integers(0, 3, (6, 8), np.uint8))[1].tobytes()[:-30]


@pytest.fixture
def folder(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((6, 8, 3), 9, np.uint8))
    cv2.imwrite(str(tmp_path / "m.png"), np.uint8(np.arange(48).reshape(6, 8) % 3))
    (tmp_path / "labels.txt").write_text("sky\nroad\ncar\n")
    (tmp_path / "list.txt").write_text("a.png m.png\n")
    return tmp_path


def read(folder):
    return Reader(folder, "list.txt", "labels.txt").read(0)


def test_a_good_folder_is_read_grey_or_palette(folder):
    grey = read(folder)["mask"]
    palette = Image.fromarray(grey, "P")
    palette.putpalette([0, 0, 0, 9, 99, 9, 200, 20, 2])
    palette.save(folder / "m.png")
    np.testing.assert_array_equal(read(folder)["mask"], grey)
    assert grey[0, :4].tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.zeros((6, 7), np.uint8), "list.txt:1: mask .* is 7x6, its image as it is shown 8x6"),
        (np.full((6, 8), 3, np.uint8), "list.txt:1: mask .* holds class 3; labels.txt has 3 names"),
        (np.zeros((6, 8, 3), np.uint8), "list.txt:1: mask .* is a colour picture"),
        (None, "list.txt:1: 'm.png' does not exist"),
        (b"x", "is not a readable image"),
        (CUT, "is damaged"),
    ],
)
def test_faults_are_one_line_that_names_the_file(folder, mask, words):
    (folder / "m.png").unlink()
    if isinstance(mask, bytes):
        (folder / "m.png").write_bytes(mask)
    elif mask is not None:
        cv2.imwrite(str(folder / "m.png"), mask)
    with pytest.raises(UserError, match=words):
        read(folder)


def test_a_mask_belongs_to_the_picture_as_it_is_shown(folder):
    turned = Image.fromarray(np.full((8, 6, 3), 9, np.uint8))  # 6 wide, 8 high; shown 8 wide, 6 high
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(folder / "a.jpg", exif=exif)
    (folder / "list.txt").write_text("a.jpg m.png\n")
    sample = read(folder)
    assert sample["image"].shape[:2] == sample["mask"].shape == (6, 8)


def test_ignored_pixels_are_no_class(folder):
    cv2.imwrite(str(folder / "m.png"), np.full((6, 8), 255, np.uint8))
    assert (read(folder)["mask"] == 255).all()


def test_sample_data_has_all_classes_in_both_splits(tmp_path):
    make("segmentation", tmp_path / "a", 12, 8)
    for split in ("train", "val"):
        reader = Reader(tmp_path / "a", f"{split}_list.txt", "labels.txt")
        values = {int(v) for i in range(len(reader)) for v in np.unique(reader.read(i)["mask"])}
        assert values == {0, 1, 2, 255}


def test_unet_loses_what_the_widths_say():
    """At ratio 0.3 every layer has 0.7 of its filters and 0.7 of its inputs: 0.49 of the weights."""
    from paddleprune.pruning import criteria
    from paddleprune.pruning.groups import find_groups
    from paddleprune.pruning.narrow import narrow
    from paddleprune.pruning.plan import make_plan

    network = models.build("unet", {"num_classes": 3})
    groups = find_groups(network, (3, 32, 32))
    assert groups.reasons == {"cls.weight": "its channels are the network's output"}
    dense = sum(p.size for p in network.parameters())
    scores = criteria.scores("l1_norm", groups, network)
    narrow(network, make_plan(groups, dict.fromkeys(groups, 0.3), scores, 1), (3, 32, 32), groups)
    assert sum(p.size for p in network.parameters()) / dense == pytest.approx(0.49, rel=0.02)
    assert len(network.state_dict()) == len({id(t) for t in network.state_dict().values()})
