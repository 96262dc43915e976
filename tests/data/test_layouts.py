"""Folders as people have them: which layout, which classes, which split; every find can be read."""

import json
import shutil

import cv2
import numpy as np
import pytest

from paddleprune.data.layouts import look
from paddleprune.data.readers import find_reader
from paddleprune.data.sample_data import make
from paddleprune.errors import UserError


def picture(path, value=0, size=(12, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((size[1], size[0], 3), value, np.uint8))


def read(found):
    """(labels, samples of the training list, of the validation list)"""
    options = {"values": found.settings["mask_values"]} if found.settings else {}
    readers = [
        find_reader(found.reader)(found.root, name, found.labels, **options)
        for name in (found.train_list, found.val_list)
    ]
    return (readers[0].labels, *([reader.read(i) for i in range(len(reader))] for reader in readers))


def test_a_folder_a_class(tmp_path):
    for label, count in (("cat", 10), ("a dog", 5)):
        for i in range(count):
            picture(tmp_path / "data" / label / f"{i} x.jpg", i)
    found = look(tmp_path / "data", tmp_path / "made")
    labels, train, val = read(found)
    assert (found.kind, found.task) == ("a folder a class", "classification")
    assert labels == ["a dog", "cat"]
    assert sorted(s["label"] for s in val) == [0, 1, 1], "a fifth of each class"
    assert len(train) == 12
    again = look(tmp_path / "data", tmp_path / "again")
    assert (tmp_path / "again/val_list.txt").read_text() == (tmp_path / "made/val_list.txt").read_text()
    assert again.val_list != found.val_list
    assert not list((tmp_path / "data").glob("*.txt")), "nothing is written beside the pictures"


def test_folders_of_classes_that_are_split_stay_so(tmp_path):
    for split, count in (("train", 3), ("valid", 2)):
        for label in "ab":
            for i in range(count):
                picture(tmp_path / split / label / f"{i}.png")
    _, train, val = read(look(tmp_path, tmp_path / "made"))
    assert (len(train), len(val)) == (6, 4)


@pytest.mark.parametrize(
    ("task", "kind"),
    [
        ("classification", "list files"),
        ("detection", "list files"),
        ("segmentation", "list files"),
        ("matting", "list files"),
    ],
)
def test_list_files_are_taken_as_they_are(tmp_path, task, kind):
    found = look(make(task, tmp_path / "data", 8, 4), tmp_path / "made")
    assert (found.kind, found.task) == (kind, task)
    _, train, val = read(found)
    assert (len(train), len(val)) == (8, 4)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(("task", "kind"), [("detection", "Pascal VOC"), ("matting", "images beside alphas")])
def test_the_same_without_lists(tmp_path, task, kind):
    data = make(task, tmp_path / "data", 12, 4)
    for file in data.glob("*.txt"):
        file.unlink()
    found = look(data, tmp_path / "made")
    labels, train, val = read(found)
    assert (found.kind, found.task) == (kind, task)
    assert len(train) + len(val) == 16
    assert 2 <= len(val) <= 4
    assert labels == (["round", "straight"] if task == "detection" else [])


def test_vocs_own_split(tmp_path):
    data = make("detection", tmp_path / "data", 6, 4)
    (data / "ImageSets/Main").mkdir(parents=True)
    for split, names in (("train", ["val_0000", "val_0001"]), ("val", ["train_0000"])):
        (data / f"ImageSets/Main/{split}.txt").write_text("\n".join(names))
    for name in ("train_list.txt", "val_list.txt", "labels.txt"):
        (data / name).unlink()
    _, train, val = read(look(data, tmp_path / "made"))
    assert (len(train), len(val)) == (2, 1)


@pytest.mark.parametrize("split", [False, True])
def test_yolo(tmp_path, split):
    """A box of half the picture in its middle, and a polygon's frame."""
    for i in range(10):
        place = ("val/" if i < 3 else "train/") if split else ""
        picture(tmp_path / f"images/{place}{i}.jpg", size=(40, 20))
        text = tmp_path / f"labels/{place}{i}.txt"
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text("1 0.5 0.5 0.5 0.5\n0 0.1 0.1 0.3 0.1 0.3 0.5\n")
    (tmp_path / "data.yaml").write_text("names: {0: cell, 1: plate}\n")
    found = look(tmp_path, tmp_path / "made")
    labels, train, val = read(found)
    assert (found.kind, found.task, labels) == ("YOLO", "detection", ["cell", "plate"])
    assert (len(train), len(val)) == ((7, 3) if split else (8, 2))
    np.testing.assert_allclose(train[0]["boxes"], [[10, 5, 30, 15], [4, 2, 12, 10]], atol=1e-4)
    assert train[0]["labels"].tolist() == [1, 0]


def coco(names):
    return {
        "images": [{"id": i, "file_name": name, "width": 12, "height": 8} for i, name in enumerate(names)],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 7, "bbox": [1, 1, 4, 4]} for i in range(len(names))
        ],
        "categories": [{"id": 7, "name": "thing"}],
    }


def test_coco_alone_and_in_two(tmp_path):
    names = [f"{i}.jpg" for i in range(10)]
    for name in names:
        picture(tmp_path / "one/images" / name)
    (tmp_path / "one/all.json").write_text(json.dumps(coco(names)))
    labels, train, val = read(look(tmp_path / "one", tmp_path / "made"))
    assert (labels, len(train), len(val)) == (["thing"], 8, 2)
    assert train[0]["boxes"].tolist() == [[1, 1, 5, 5]]
    for split, part in (("train", names[:4]), ("valid", names[4:6])):
        for name in part:
            picture(tmp_path / "two" / split / name)
        (tmp_path / "two" / split / "_annotations.coco.json").write_text(json.dumps(coco(part)))
    found = look(tmp_path / "two", tmp_path / "made2")
    _, train, val = read(found)
    assert (len(train), len(val)) == (4, 2)


@pytest.mark.parametrize(
    ("values", "labels", "classes"),
    [([0, 255], ["background", "foreground"], {0, 1}), ([0, 1, 2, 255], ["class_0", "class_1", "class_2"], {0, 1, 2, 255}),
     ([10, 70], ["value_10", "value_70"], {0, 1})],
)  # fmt: skip
def test_masks_of_any_values(tmp_path, values, labels, classes):
    for i in range(5):
        picture(tmp_path / f"images/{i}.jpg")
        mask = np.resize(np.uint8(values), (8, 12))
        (tmp_path / "masks").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f"masks/{i}.png"), mask)
    found = look(tmp_path, tmp_path / "made")
    said, train, _ = read(found)
    assert said == labels
    assert set(np.unique(train[0]["mask"]).tolist()) == classes


def test_what_is_nothing_known_says_what_is_there(tmp_path):
    picture(tmp_path / "a.jpg")
    (tmp_path / "notes.txt").write_text("hello\n")
    with pytest.raises(UserError, match="none of the layouts that are known .*a.jpg, notes.txt"):
        look(tmp_path, tmp_path / "made")
    shutil.rmtree(tmp_path)


def test_pictures_of_one_name_keep_what_is_theirs(tmp_path):
    """Each split counts from 0: what lies nearest is a picture's own, or nothing is taken."""
    for split, kind in (("train", 0), ("val", 1)):
        for i in range(3):
            picture(tmp_path / f"a/images/{split}/{i}.jpg", size=(40, 20))
            text = tmp_path / f"a/labels/{split}/{i}.txt"
            text.parent.mkdir(parents=True, exist_ok=True)
            text.write_text(f"{kind} 0.5 0.5 0.5 0.5\n")
            picture(tmp_path / f"b/{split}/images/{i}.jpg")
            mask = tmp_path / f"b/{split}/masks/{i}.png"
            mask.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(mask), np.full((8, 12), kind, np.uint8))
    _, train, val = read(look(tmp_path / "a", tmp_path / "made"))
    assert [s["labels"].tolist() for s in (*train, *val)] == [[0]] * 3 + [[1]] * 3
    _, train, val = read(look(tmp_path / "b", tmp_path / "made_b"))
    assert [int(s["mask"].max()) for s in (*train, *val)] == [0] * 3 + [1] * 3
    shutil.copytree(tmp_path / "a/labels/train", tmp_path / "a/more/train")
    with pytest.raises(UserError, match="could both be of"):
        look(tmp_path / "a", tmp_path / "again")


def test_what_is_for_testing_is_set_aside(tmp_path, caplog):
    """Folders named train and test are no classes, and nothing is chosen by the second."""
    for split, count in (("train", 5), ("test", 4)):
        for label in "ab":
            for i in range(count):
                picture(tmp_path / split / label / f"{i}.png")
    labels, train, val = read(look(tmp_path, tmp_path / "made"))
    assert labels == ["a", "b"]
    assert (len(train), len(val)) == (8, 2)
    assert "8 pictures in a folder named test are set aside" in caplog.text
    assert "test" not in (tmp_path / "made/val_list.txt").read_text()


def test_a_line_that_is_no_box_is_named(tmp_path):
    picture(tmp_path / "images/1.jpg")
    (tmp_path / "1.txt").write_text("0 0.5 0.5 0.5 0.5\n" * 4 + "0 0.5 0.5\n")
    with pytest.raises(UserError, match=r"1.txt:5: '0 0.5 0.5' is no box"):
        look(tmp_path, tmp_path / "made")


def test_several_coco_files_without_names_are_not_guessed_at(tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.json").write_text(json.dumps(coco(["0.jpg", "1.jpg"])))
    with pytest.raises(UserError, match="several COCO files"):
        look(tmp_path, tmp_path / "made")
