"""Ordinary data in the many ways that people write it."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image

from paddleprune.data.readers import coco, imagenet_list, seg_list, voc
from paddleprune.errors import UserError

XML = """<annotation><size><width>{width}</width><height>{height}</height></size>
<object><name>{name}</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>5</xmax><ymax>{bottom}</ymax></bndbox></object>
</annotation>"""


def picture(path, height=6, width=8, value=9):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((height, width, 3), value, np.uint8))


@pytest.fixture
def folder(tmp_path):
    picture(tmp_path / "images/a b (1).png")
    (tmp_path / "masks").mkdir()
    cv2.imwrite(str(tmp_path / "masks/a b (1).png"), np.uint8([[0, 1, 255, 0, 0, 0, 0, 0]] * 6))
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    return tmp_path


@pytest.mark.parametrize(
    "line",
    [
        "images/a b (1).png masks/a b (1).png",
        "images/a b (1).png\tmasks/a b (1).png",
        '"images/a b (1).png" "masks/a b (1).png"',
        "images\\a b (1).png masks\\a b (1).png",
        "{root}/images/a b (1).png {root}/masks/a b (1).png",
    ],
)
def test_names_with_spaces_slashes_and_whole_paths(folder, line):
    (folder / "list.txt").write_text(line.format(root=folder) + "\n", encoding="utf-8-sig")
    sample = seg_list.Reader(folder, "list.txt", "labels.txt").read(0)
    assert sample["mask"][0].tolist() == [0, 1, 255, 0, 0, 0, 0, 0]


def test_a_link_is_its_owners(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    picture(elsewhere / "x.png")
    (folder / "linked").symlink_to(elsewhere)
    (folder / "list.txt").write_text("linked/x.png 1\n")
    assert imagenet_list.Reader(folder, "list.txt", "labels.txt").read(0)["label"] == 1


def test_a_list_may_be_named_from_where_the_command_runs(folder, monkeypatch):
    (folder / "list.txt").write_text("images/a b (1).png 0\n")
    monkeypatch.chdir(folder.parent)
    reader = imagenet_list.Reader(folder, f"{folder.name}/list.txt", f"{folder.name}/labels.txt")
    assert len(reader) == 1


def test_other_numbers_in_masks(folder):
    (folder / "list.txt").write_text("images/a b (1).png masks/a b (1).png\n")
    reader = seg_list.Reader(folder, "list.txt", "labels.txt", {255: 1, 1: 0})
    assert reader.read(0)["mask"][0].tolist() == [0, 0, 1, 0, 0, 0, 0, 0]
    assert reader.check(0).tolist() == [42, 6, 0]
    assert reader.fingerprint != seg_list.Reader(folder, "list.txt", "labels.txt").fingerprint
    with pytest.raises(UserError, match=r"data\.mask_values: 255: 7"):
        seg_list.Reader(folder, "list.txt", "labels.txt", {255: 7})


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [("gb2312", "gbk"), ("GBK", "gbk"), ("utf-8", "utf-8-sig"), ("utf-16", "utf-16")],
)
def test_xml_in_chinese(tmp_path, declared, encoding):
    picture(tmp_path / "a.png")
    text = f'<?xml version="1.0" encoding="{declared}"?>\n' + XML.format(
        width=8, height=6, name="交通灯", bottom=4
    )
    (tmp_path / "a.xml").write_bytes(text.encode(encoding))
    (tmp_path / "labels.txt").write_text("人\n交通灯\n", encoding="utf-8")
    (tmp_path / "list.txt").write_text("a.png a.xml\n")
    assert voc.Reader(tmp_path, "list.txt", "labels.txt").read(0)["labels"].tolist() == [1]


def test_entities_are_refused_in_every_encoding(tmp_path):
    picture(tmp_path / "a.png")
    text = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'
    (tmp_path / "a.xml").write_bytes(text.encode("utf-16"))
    (tmp_path / "labels.txt").write_text("cat\n")
    (tmp_path / "list.txt").write_text("a.png a.xml\n")
    with pytest.raises(UserError, match="it declares entities"):
        voc.Reader(tmp_path, "list.txt", "labels.txt")


@pytest.mark.parametrize("bottom", [5, 7])
def test_sides_the_wrong_way_round_are_put_right(tmp_path, bottom):
    """A picture 6 wide and 8 high that is annotated as 8 wide and 6 high; the box ends at `bottom`."""
    picture(tmp_path / "a.png", height=8, width=6)
    (tmp_path / "a.xml").write_text(XML.format(width=8, height=6, name="cat", bottom=bottom))
    (tmp_path / "labels.txt").write_text("cat\n")
    (tmp_path / "list.txt").write_text("a.png a.xml\n")
    reader = voc.Reader(tmp_path, "list.txt", "labels.txt")
    assert reader.check(0).tolist() == [1]
    assert list(reader.notes.values()) == [1]
    assert reader.read(0)["boxes"].tolist() == [[1, 2, 5, bottom]]


def coco_file(path, images=None, annotations=None, categories=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = {
        "images": images or [{"id": 1, "file_name": "x.png", "width": 8, "height": 6}],
        "categories": categories or [{"id": 10, "name": "cat"}, {"id": 9, "name": "dog"}],
        "annotations": annotations or [{"image_id": 1, "category_id": 10, "bbox": [1, 2, 3, 2]}],
    }
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(raw).encode())


@pytest.mark.parametrize(
    ("file", "place"),
    [
        ("annotations/instances_train2017.json", "train2017/x.png"),  # COCO
        ("annotations/instances_train2017.json", "images/train2017/x.png"),
        ("train/_annotations.coco.json", "train/x.png"),  # Roboflow
        ("all.json", "images/x.png"),
        ("all.json", "x.png"),
    ],
)
def test_coco_pictures_are_found_where_they_are_kept(tmp_path, file, place):
    picture(tmp_path / place)
    coco_file(tmp_path / file)
    reader = coco.Reader(tmp_path, file)
    assert reader.labels == ["dog", "cat"]
    assert reader.read(0)["boxes"].tolist() == [[1, 2, 4, 4]]


@pytest.mark.parametrize(
    ("image", "annotation"),
    [
        ({"id": "1", "file_name": "x.png"}, {"image_id": 1, "category_id": "10", "bbox": ["1", 2, 3, 2]}),
        ({"id": 1, "file_name": "sub\\x.png"}, {"image_id": "1", "category_id": 10, "bbox": [1, 2, 3, 2], "iscrowd": "0"}),
        ({"id": 1, "file_name": "x.png"},
         {"image_id": 1, "category_id": 10, "segmentation": [[1, 2, 4, 2, 4, 4, 1, 4]]}),
        ({"id": 1, "file_name": "x.png"},
         {"image_id": 1, "category_id": 10, "bbox": [], "segmentation": [1, 2, 4, 2, 4, 4, 1, 4], "iscrowd": False}),
    ],
)  # fmt: skip
def test_coco_as_tools_write_it(tmp_path, image, annotation):
    picture(tmp_path / "x.png")
    picture(tmp_path / "sub/x.png")
    coco_file(tmp_path / "a.json", [image], [annotation])
    sample = coco.Reader(tmp_path, "a.json").read(0)
    assert sample["boxes"].tolist() == [[1, 2, 4, 4]]
    assert sample["difficult"].tolist() == [0]


@pytest.mark.parametrize(("crowd", "difficult"), [("1", 2), (1, 2), (True, 2), ("0", 0), (0, 0), (None, 0)])
def test_crowds(tmp_path, crowd, difficult):
    picture(tmp_path / "x.png")
    coco_file(
        tmp_path / "a.json",
        annotations=[{"image_id": 1, "category_id": 9, "bbox": [0, 0, 4, 4], "iscrowd": crowd}],
    )
    assert coco.Reader(tmp_path, "a.json").read(0)["difficult"].tolist() == [difficult]


def test_coco_without_boxes_is_counted(tmp_path, caplog):
    picture(tmp_path / "x.png")
    good = {"image_id": 1, "category_id": 9, "bbox": [0, 0, 4, 4]}
    coco_file(tmp_path / "a.json", annotations=[good, {"image_id": 1, "category_id": 9}])
    assert len(coco.Reader(tmp_path, "a.json").read(0)["boxes"]) == 1
    assert "1 of 2 annotations are left out, they have no box and no polygon" in caplog.text
    coco_file(tmp_path / "a.json", annotations=[{**good, "iscrowd": "maybe"}])
    with pytest.raises(UserError, match="iscrowd is 'maybe'"):
        coco.Reader(tmp_path, "a.json")


def test_boxes_of_a_picture_as_it_is_stored_are_refused(tmp_path):
    """A picture 8 wide and 6 high that a tag turns, annotated as it is stored."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 6)).save(tmp_path / "x.jpg", exif=exif)
    coco_file(tmp_path / "a.json", [{"id": 1, "file_name": "x.jpg", "width": 8, "height": 6}])
    reader = coco.Reader(tmp_path, "a.json")
    for read in (reader.read, reader.check):
        with pytest.raises(
            UserError, match="as its Exif tag turns it, its annotation is of the picture as it is stored"
        ):
            read(0)
