"""Before a training begins: every item is looked at, and what is odd is said."""

import json
import logging

import cv2
import numpy as np
import pytest

from paddleprune.config import DataConfig
from paddleprune.data import check
from paddleprune.data.dataset import open_dataset
from paddleprune.data.sample_data import make
from paddleprune.errors import UserError

SIZE = [{"Resize": {"size": 16}}, "Normalize"]


def sets(root, reader, **changes):
    data = DataConfig(
        **{"reader": reader, "root": str(root), "image_shape": [3, 16, 16], "train_transforms": SIZE,
           "eval_transforms": SIZE, **changes}
    )  # fmt: skip
    return open_dataset(data, "train"), open_dataset(data, "val")


@pytest.fixture
def masks(tmp_path):
    """Four pictures with the same mask, three to train with; write others with `put`."""
    for i in range(4):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((4, 4, 3), 9, np.uint8))
        put(tmp_path, i, [[0, 0, 1, 1]] * 4)
    (tmp_path / "labels.txt").write_text("road\nsky\n")
    lines = [f"{i}.png m{i}.png\n" for i in range(4)]
    (tmp_path / "train_list.txt").write_text("".join(lines[:3]))
    (tmp_path / "val_list.txt").write_text(lines[3])
    return tmp_path


def put(folder, i, mask):
    cv2.imwrite(str(folder / f"m{i}.png"), np.uint8(mask))


def said(caplog, folder, reader="seg_list", **changes):
    with caplog.at_level(logging.INFO):
        check.check_data(*sets(folder, reader, **changes), folder)
    return caplog.text


def test_what_a_set_holds_is_said_and_kept(masks, caplog):
    text = said(caplog, masks)
    assert "3 pictures to train with, 1 to validate, 2 classes" in text
    assert "24 (50.0 %)" in text
    assert "note:" not in text
    kept = json.loads((masks / check.CACHE).read_text())
    assert kept["train"]["counts"] == [24, 24]
    caplog.clear()
    assert "pictures to train" not in said(caplog, masks), "it was looked at before"
    put(masks, 0, [[0, 0, 0, 1]] * 4)
    (masks / "m0.png").write_bytes((masks / "m0.png").read_bytes() + b"\0")  # another size
    assert "pictures to train" in said(caplog, masks)


def test_the_last_item_of_the_last_list_is_looked_at(masks):
    put(masks, 3, [[0, 0, 7, 1]] * 4)
    train, val = sets(masks, "seg_list", val_list="train_list.txt")
    check.check_data(train, val, masks)
    with pytest.raises(UserError, match=r"val_list\.txt:1: mask .* holds class 7"):
        check.check_data(train, sets_of_val(masks), masks)
    put(masks, 3, [[0, 0, 1]] * 4)
    with pytest.raises(UserError, match=r"mask .* is 3x4, its image as it is shown 4x4"):
        check.check_data(train, sets_of_val(masks), masks)


def sets_of_val(root):
    """The validation set, its first item not looked at."""
    from paddleprune.data.dataset import Dataset, open_reader
    from paddleprune.data.transforms import Compose

    data = DataConfig("seg_list", str(root), [3, 16, 16], eval_transforms=SIZE)
    return Dataset(open_reader(data, "val"), Compose(SIZE))


def test_masks_of_0_and_255_teach_nothing(masks, caplog):
    for i in range(4):
        put(masks, i, [[0, 0, 255, 255]] * 4)
    with pytest.raises(
        UserError, match="hold only the class 'road' besides 255, which is ignored: there is nothing to"
    ):
        said(caplog, masks)
    assert "no training picture has the class 'sky'" in caplog.text
    assert "50.0 % of the masks' pixels are 255" in caplog.text
    caplog.clear()
    assert "24 (50.0 %)" in said(caplog, masks, mask_values={255: 1})


def test_an_absent_class_and_a_shared_picture_are_said(masks, caplog):
    (masks / "labels.txt").write_text("road\nsky\ncar\n")
    text = said(caplog, masks, val_list="train_list.txt")
    assert "no training picture has the class 'car'" in text
    assert "3 of 3 validation pictures are training pictures, too" in text


def test_one_class_of_pictures_is_said(tmp_path, caplog):
    data = make("classification", tmp_path / "data", 20, 10)
    (data / "labels.txt").write_text("digit\n")
    for name in ("train_list.txt", "val_list.txt"):
        lines = [line.split()[0] + " 0\n" for line in (data / name).read_text().splitlines()]
        (data / name).write_text("".join(lines))
    assert "there is one class alone" in said(caplog, data, "imagenet_list")


@pytest.mark.parametrize("reader", ["imagenet_list", "voc", "seg_list", "matting_pairs"])
def test_a_check_finds_what_reading_would(tmp_path, reader):
    task = {"imagenet_list": "classification", "voc": "detection", "seg_list": "segmentation",
            "matting_pairs": "matting"}[reader]  # fmt: skip
    data = make(task, tmp_path / "data", 12, 4)
    train, val = sets(data, reader)
    counts = check.census(train.reader, "check").counts
    expected = np.zeros(len(train.labels), int)
    for i in range(len(train.reader)):
        sample = train.reader.read(i)
        values = sample.get("labels", sample.get("mask", sample.get("label", np.zeros(0, int))))
        expected += np.bincount(np.ravel(values), minlength=256)[: len(expected)]
    assert counts == expected.tolist()
    last = (data / "val_list.txt").read_text().split()[-2]
    (data / last).write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"val_list\.txt:4: .*is not a readable image"):
        check.check_data(train, val, tmp_path)
