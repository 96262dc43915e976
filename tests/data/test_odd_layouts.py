"""What people's folders hold besides what they should: nothing is misread in silence, nothing fills the memory."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from test_drawn_layouts import OUTLINE, SIZE, coco, cvat, labelme, picture, samples, supervisely

from paddleprune.cli import main
from paddleprune.data.layouts import look
from paddleprune.data.layouts._found import split_of
from paddleprune.errors import UserError

POLYGON = [{"label": "thing", "points": OUTLINE, "shape_type": "polygon"}]
TURNED = '<box label="a" xtl="5" ytl="8" xbr="25" ybr="12" rotation="90.0"></box>'


def names(found):
    return [line.split("\t")[0] for line in Path(found.train_list).read_text().splitlines()]


def test_an_annotation_is_of_one_picture(tmp_path, caplog):
    labelme(tmp_path / "cam1", POLYGON)
    for i in range(5):
        picture(tmp_path / f"cam2/{i}.jpg")
    found = look(tmp_path, tmp_path / "made")
    assert len(names(found)) == 4
    assert all(name.startswith("cam1/") for name in names(found))
    assert "5 of 10 pictures have no file of their name" in caplog.text


def test_two_files_for_the_same_pictures_are_joined(tmp_path):
    cvat(tmp_path / "data", TURNED)
    text = (
        (tmp_path / "data/annotations.xml")
        .read_text()
        .replace('label="a"', 'label="b"')
        .replace(' rotation="90.0"', "")
    )
    (tmp_path / "data/job2.xml").write_text(text)
    _, rows = samples(look(tmp_path / "data", tmp_path / "made"))
    assert len(rows) == 4
    # 20 x 4 round (15, 10), once turned by a right angle
    assert sorted(rows[0]["boxes"].tolist()) == [[5, 8, 25, 12], [13, 0, 17, 20]]
    coco(tmp_path / "coco", {"segmentation": [np.ravel(OUTLINE).tolist()]})
    raw = json.loads((tmp_path / "coco/all.json").read_text())
    raw["categories"][0]["name"] = "other"
    (tmp_path / "coco/more.json").write_text(json.dumps(raw))
    assert samples(look(tmp_path / "coco", tmp_path / "made2", "segmentation"))[0] == [
        "background",
        "other",
        "thing",
    ]


def test_names_of_cvat_are_taken_by_their_folders(tmp_path):
    for name in ("1.jpg", "sub/1.jpg", "2.jpg", "3.jpg"):
        picture(tmp_path / "data/images" / name)
    image = '<image id="0" name="{}" width="30" height="20"><box label="a" xtl="1" ytl="1" xbr="5" ybr="5"></box></image>'
    parts = "".join(image.format(name) for name in ("1.jpg", "sub/1.jpg", "2.jpg", "3.jpg"))
    (tmp_path / "data/annotations.xml").write_text(f"<annotations>{parts}</annotations>")
    tables = [
        json.loads(Path(t).read_text())
        for t in (lambda f: (f.train_list, f.val_list))(look(tmp_path / "data", tmp_path / "m"))
    ]
    assert sorted(i["file_name"] for t in tables for i in t["images"]) == sorted(
        f"images/{name}" for name in ("1.jpg", "sub/1.jpg", "2.jpg", "3.jpg")
    )
    (tmp_path / "data/annotations.xml").write_text(
        f"<annotations>{parts.replace('sub/', 'gone/')}</annotations>"
    )
    with pytest.raises(UserError, match="'gone/1.jpg' is not below"):
        look(tmp_path / "data", tmp_path / "m2")


def test_convert_never_writes_over_what_it_made(tmp_path):
    for i in range(5):
        place = tmp_path / "masks"
        place.mkdir(exist_ok=True)
        cv2.imwrite(str(place / f"00000{i}.png"), np.full((*SIZE, 3), 50 + i, np.uint8))
        raw = {"shapes": POLYGON, "imagePath": "x", "imageHeight": SIZE[0], "imageWidth": SIZE[1]}
        (place / f"00000{i}.json").write_text(json.dumps(raw))
    assert (
        main(["convert", "--data", str(place), "--task", "segmentation", "--save_dir", str(tmp_path / "out")])
        == 0
    )
    assert main(["convert", "--data", str(tmp_path / "masks/.."), "--save_dir", str(tmp_path / "in")]) == 2
    _, rows = samples(look(tmp_path / "out", tmp_path / "made"))
    assert {row["image"][0, 0, 0] for row in rows} <= {50, 51, 52, 53, 54}
    assert {int(row["mask"].max()) for row in rows} == {1}


def test_a_few_strays_are_no_data_set(tmp_path):
    for label in ("cat", "dog"):
        for i in range(6):
            picture(tmp_path / f"{label}/{i}.jpg")
    picture(tmp_path / "cat/1_mask.png")
    assert look(tmp_path, tmp_path / "made").task == "classification"


def test_what_a_yolo_file_without_lines_means(tmp_path):
    for i in range(10):
        picture(tmp_path / f"data/images/{i}.jpg")
        (tmp_path / "data/labels").mkdir(exist_ok=True)
        (tmp_path / f"data/labels/{i}.txt").write_text("" if i % 2 else "0 .5 .5 .2 .2\n")
    tables = look(tmp_path / "data", tmp_path / "made")
    counted = [len(json.loads(Path(t).read_text())["images"]) for t in (tables.train_list, tables.val_list)]
    assert sum(counted) == 10
    (tmp_path / "data/labels/2.txt").write_text("0 0.5 0.5 200 100\n")
    with pytest.raises(UserError, match=r"labels/2.txt:1: .*must be fractions"):
        look(tmp_path / "data", tmp_path / "made2")


@pytest.mark.parametrize(
    ("names_of", "expected"),
    [("[a, b]", ["a", "b"]), ("{'0': a, '1': b}", ["a", "b"]), ("{1: b, 0: a}", ["a", "b"]), ("{1: a, 2: b}", "from 0 on"),
     ("{0: a, x: b}", "from 0 on"), ('["a\\nb", c]', ["a b", "c"])],
)  # fmt: skip
def test_names_of_yolo(tmp_path, names_of, expected):
    for i in range(5):
        picture(tmp_path / f"images/{i}.jpg")
        (tmp_path / "labels").mkdir(exist_ok=True)
        (tmp_path / f"labels/{i}.txt").write_text("1 .5 .5 .2 .2\n0 .5 .5 .1 .1\n")
    (tmp_path / "data.yaml").write_text(f"names: {names_of}\n")
    if isinstance(expected, str):
        with pytest.raises(UserError, match=expected):
            look(tmp_path, tmp_path / "made")
    else:
        assert samples(look(tmp_path, tmp_path / "made"))[0] == expected


@pytest.mark.parametrize(
    ("write", "given", "why"),
    [
        (cvat, '<box label="a" xtl="nan" ytl="8" xbr="25" ybr="12"></box>', "must be numbers"),
        (cvat, '<mask label="a" rle="inf,3" left="0" top="0" width="5" height="5"></mask>', "must be numbers"),
        (labelme, [{"label": "a", "points": [[1e5, 1e5], [-1e5, -1e5]] * 700}], "times as long as the picture's sides"),
        (labelme, [{"label": "a", "points": [[10**400, 1], [2, 2], [3, 3]]}], "is no outline"),
        (coco, {"bbox": [1, 1, 2, 2], "segmentation": {"size": [10**5, 10**5], "counts": [10, 20]}}, "mask cannot be read"),
        (coco, {"bbox": [1, 1, 2, 2], "segmentation": [[1, 1, 9, 1, 9, 9], {}]}, "must be lists"),
        (coco, {"bbox": [1, 1, 2, 2], "segmentation": "text"}, "must be lists"),
        (coco, {"bbox": ["1", "1", "nan", "4"]}, "must be 4 numbers"),
        (supervisely, [{"classTitle": "a", "geometryType": "polygon", "points": {"exterior": OUTLINE, "interior": 5}}], "no list"),
    ],
)  # fmt: skip
def test_hostile_shapes_are_one_line(tmp_path, write, given, why):
    write(tmp_path / "data", given)
    with pytest.raises(UserError, match=why):
        look(tmp_path / "data", tmp_path / "made", "segmentation")


@pytest.mark.parametrize(
    ("values", "ending", "why"),
    [([0, 255], "jpg", "is a JPEG"), ([255], "png", "hold 255 alone")],
)
def test_masks_that_cannot_be_meant(tmp_path, values, ending, why):
    for i in range(4):
        picture(tmp_path / f"images/{i}.jpg")
        (tmp_path / "masks").mkdir(exist_ok=True)
        Image.fromarray(np.resize(np.uint8(values), SIZE)).save(tmp_path / f"masks/{i}.{ending}")
    with pytest.raises(UserError, match=why):
        look(tmp_path, tmp_path / "made")


@pytest.mark.parametrize(
    ("row", "why"),
    [("cat,300,0,0", "up to 255"), ('"",0,0,0', "up to 255"), ("nothing here", "holds no line")],
)
def test_a_table_of_colours_that_is_none(tmp_path, row, why):
    for i in range(4):
        picture(tmp_path / f"images/{i}.jpg")
        (tmp_path / "masks").mkdir(exist_ok=True)
        Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(tmp_path / f"masks/{i}.png")
    (tmp_path / "class_dict.csv").write_text(f"name,r,g,b\n{row}\n")
    with pytest.raises(UserError, match=why):
        look(tmp_path, tmp_path / "made")


def test_255_is_a_class_among_numbers_that_are_no_indices(tmp_path):
    for i in range(4):
        picture(tmp_path / f"images/{i}.jpg")
        (tmp_path / "masks").mkdir(exist_ok=True)
        Image.fromarray(np.resize(np.uint8([0, 127, 255]), SIZE)).save(tmp_path / f"masks/{i}.png")
    found = look(tmp_path, tmp_path / "made")
    assert samples(found)[0] == ["value_0", "value_127", "value_255"]
    assert set(np.unique(samples(found)[1][0]["mask"])) == {0, 1, 2}


def test_links_to_folders_are_followed(tmp_path):
    for label in "ab":
        for i in range(3):
            picture(tmp_path / f"elsewhere/{label}/{i}.jpg")
            picture(tmp_path / f"data/train/{label}/{i}.jpg")
    (tmp_path / "data/val").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data/val/round").symlink_to(tmp_path / "data")
    found = look(tmp_path / "data", tmp_path / "made")
    assert len(samples(found)[1]) == 6
    assert len(Path(found.val_list).read_text().splitlines()) == 6


@pytest.mark.parametrize(
    ("name", "split"),
    [("train_data/images/val/1.jpg", "val"), ("annotations/instances_val2017.json", "val"), ("training_project/valid/ann", "val"),
     ("images/1.jpg", ""), ("Train/a", "train"), ("test_run/train/x", "train")],
)  # fmt: skip
def test_the_deepest_folder_says_the_split(name, split):
    assert split_of(name) == split
