"""Files of boxes, Pascal VOC and COCO: what is read of them, and their faults."""

import json
import logging

import cv2
import numpy as np
import pytest
from PIL import Image

from paddleprune.config import load_config
from paddleprune.data.dataset import open_dataset
from paddleprune.data.readers import coco, voc
from paddleprune.errors import UserError
from paddleprune.pipeline import train

CONFIG = "configs/detection/yolov3_sample.yml"

XML = """<annotation><size><width>8</width><height>6</height></size>
<object><name>{name}</name><difficult>{hard}</difficult>
<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>{right}</xmax><ymax>4</ymax></bndbox></object></annotation>"""


@pytest.fixture
def folder(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((6, 8, 3), 9, np.uint8))
    (tmp_path / "a.xml").write_text(XML.format(name="dog", hard=1, right=99))
    (tmp_path / "b.xml").write_text(XML.format(name="cat", hard=0, right=5))
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    (tmp_path / "list.txt").write_text("a.png a.xml\na.png b.xml\n")
    return tmp_path


def test_voc_boxes_are_read_and_cut_at_the_rim(folder):
    reader = voc.Reader(folder, "list.txt", "labels.txt")
    first, second = reader.read(0), reader.read(1)
    assert first["boxes"].tolist() == [[1, 2, 8, 4]]
    assert (first["labels"].tolist(), first["difficult"].tolist()) == ([1], [1])
    assert second["boxes"].tolist() == [[1, 2, 5, 4]]
    assert [reader.stratum(i) for i in range(2)] == [1, 0]


def test_a_picture_turned_by_its_tag_has_the_size_that_is_shown(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (6, 8)).save(folder / "a.jpg", exif=exif)
    (folder / "a.xml").write_text(
        XML.format(name="dog", hard=0, right=5).replace("<width>8</width><height>6</height>", "")
    )
    (folder / "list.txt").write_text("a.jpg a.xml\n")
    sample = voc.Reader(folder, "list.txt", "labels.txt").read(0)
    assert sample["image"].shape == (6, 8, 3)


def test_boxes_without_area_are_counted_once(folder, caplog):
    (folder / "a.xml").write_text(XML.format(name="dog", hard=0, right=1))
    with caplog.at_level(logging.INFO):
        reader = voc.Reader(folder, "list.txt", "labels.txt")
    text = [r.getMessage() for r in caplog.records]
    assert any("1 of 2 boxes are left out" in t and "a.xml" in t for t in text)
    assert any("1 of 2 images have no boxes and serve as background" in t for t in text)
    assert reader.read(0)["boxes"].shape == (0, 4)


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("a.xml", "<annotation>", "a.xml' is not valid XML"),
        ("a.xml", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "it declares entities"),
        ("a.xml", "<?xml version='1.0' encoding='bogus'?><a/>", "is not valid XML"),
        ("a.xml", XML.format(name="dgo", hard=0, right=5), "class 'dgo', .* did you mean 'dog'"),
        ("a.xml", XML.format(name="dog", hard=0, right="x"), "without the four numbers"),
        (
            "a.xml",
            XML.format(name="dog", hard=0, right=5).replace("<width>8", "<width>9"),
            "its annotation says 9x6",
        ),
        ("list.txt", "b.png a.xml\n", "'b.png' does not exist"),
        ("list.txt", "a.png\n", "must be 'image xml'"),
    ],
)
def test_faults_of_voc_are_one_line(folder, file, text, words):
    (folder / file).write_text(text)
    with pytest.raises(UserError, match=words):
        voc.Reader(folder, "list.txt", "labels.txt").read(0)


def coco_file(folder, **changes):
    raw = {
        "images": [{"id": 7, "file_name": "a.png", "width": 8, "height": 6}],
        "categories": [{"id": 3, "name": "dog"}, {"id": 1, "name": "cat"}],
        "annotations": [{"image_id": 7, "category_id": 3, "bbox": [1, 2, 4, 2]},
                        {"image_id": 7, "category_id": 1, "bbox": [0, 0, 2, 2], "iscrowd": 1}],
    }  # fmt: skip
    (folder / "coco.json").write_text(json.dumps({**raw, **changes}))
    return coco.Reader(folder, "coco.json")


def test_coco_boxes_are_read(folder, caplog):
    more = {"image_id": 8, "category_id": 1, "bbox": [0, 0, 2, 2]}
    reader = coco_file(folder, annotations=[{"image_id": 7, "category_id": 3, "bbox": [1, 2, 4, 2]}, more])
    assert reader.labels == ["cat", "dog"]
    assert reader.read(0)["boxes"].tolist() == [[1, 2, 5, 4]]
    assert reader.read(0)["labels"].tolist() == [1]
    assert "1 of 2 annotations are left out" in caplog.text
    assert coco_file(folder).read(0)["difficult"].tolist() == [0, 2]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"annotations": [{"image_id": 7, "category_id": 9, "bbox": [0, 0, 1, 1]}]},
            "category_id 9 is not in",
        ),
        ({"annotations": [{"image_id": 7, "category_id": 3, "bbox": [0, 1]}]}, r"\[0, 1\] must be 4 numbers"),
        ({"annotations": [{"image_id": 7}]}, "has no 'category_id'"),
        ({"annotations": []}, "no image has a box"),
        (
            {"images": [{"id": 7, "file_name": "a.png", "width": None, "height": 6}]},
            "height and width: .* 2 numbers",
        ),
        (
            {"images": [{"id": 7, "file_name": "a.png", "width": float("nan"), "height": 6}]},
            r"height and width: \[6, nan\] must be 2 numbers",
        ),
        (
            {"categories": [{"id": 3, "name": "dog"}, {"id": 3, "name": "cat"}]},
            "categories: the id 3 is there twice",
        ),
        (
            {"categories": [{"id": 3, "name": "dog"}, {"id": "3", "name": "cat"}]},
            "categories: the id '3' is there twice",
        ),
        ({"categories": 3}, "'categories' must be a list"),
        ({"images": [{"id": 7, "file_name": "z.png", "width": 8, "height": 6}]}, "'z.png' does not exist"),
        ({"images": [{"id": 7, "file_name": "../a.png", "width": 8, "height": 6}]}, "points outside"),
    ],
)
def test_faults_of_coco_are_one_line(folder, changes, words):
    with pytest.raises(UserError, match=words):
        coco_file(folder, **changes)


def test_the_shared_data_names_its_invalid_boxes(shared, caplog):
    config = load_config("configs/detection/yolov3_bccd.yml", [f"data.root={shared / 'data/bccd'}"])
    invalid = 0
    for split in ("train", "val"):
        caplog.clear()
        assert len(open_dataset(config.data, split)) == {"train": 205, "val": 87}[split]
        invalid += sum("are left out" in r.getMessage() for r in caplog.records)
    assert invalid >= 1


def test_training_and_validation_must_have_the_same_classes(folder):
    coco_file(folder)
    raw = json.loads((folder / "coco.json").read_text())
    raw["categories"][0]["name"] = "wolf"
    (folder / "val.json").write_text(json.dumps(raw))
    settings = [f"data.root={folder}", "data.reader=coco", "data.train_list=coco.json", "data.val_list=val.json",
                "data.train_transforms=[{Resize: {size: 96}}, Normalize]"]  # fmt: skip
    with pytest.raises(
        UserError, match=r"data.val_list: its classes .*wolf.* are not those of data.train_list"
    ):
        train(load_config(CONFIG, settings), folder / "run")
