"""Layouts of drawing tools: boxes and outlines of Labelme, CVAT, Supervisely, COCO and YOLO, as boxes and as masks; masks
of colours."""

import base64
import io
import json
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from paddleprune.cli import main
from paddleprune.data.layouts import look
from paddleprune.data.readers import find_reader
from paddleprune.errors import UserError

SIZE = (20, 30)  # of all pictures here: height, width
FILLED = np.zeros(SIZE, bool)
FILLED[4:10, 5:15] = True  # what the outline below encloses
OUTLINE = [[5, 4], [15, 4], [15, 10], [5, 10]]
COUNT = 5


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((*SIZE, 3), np.uint8))


def png(values):
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


def labelme(root, shapes):
    for i in range(COUNT):
        picture(root / f"{i}.jpg")
        raw = {"version": "5.0.1", "shapes": shapes, "imagePath": f"{i}.jpg", "imageData": None,
               "imageHeight": SIZE[0], "imageWidth": SIZE[1]}  # fmt: skip
        (root / f"{i}.json").write_text(json.dumps(raw))


def cvat(root, shapes):
    for i in range(COUNT):
        picture(root / f"images/{i}.jpg")
    images = "".join(
        f'<image id="{i}" name="{i}.jpg" width="{SIZE[1]}" height="{SIZE[0]}">{shapes}</image>'
        for i in range(COUNT)
    )
    (root / "annotations.xml").write_text(
        f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>{images}</annotations>'
    )


def supervisely(root, objects):
    (root / "project").mkdir(parents=True)
    (root / "project/meta.json").write_text(json.dumps({"classes": [{"title": "thing", "shape": "polygon"}]}))
    for i in range(COUNT):
        picture(root / f"project/ds0/img/{i}.jpg")
        raw = {"size": {"height": SIZE[0], "width": SIZE[1]}, "objects": objects, "tags": []}
        path = root / f"project/ds0/ann/{i}.jpg.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(raw))


def coco(root, annotation):
    for i in range(COUNT):
        picture(root / f"images/{i}.jpg")
    raw = {
        "images": [{"id": i, "file_name": f"{i}.jpg", "height": SIZE[0], "width": SIZE[1]} for i in range(COUNT)],
        "annotations": [{"id": i, "image_id": i, "category_id": 3, **annotation} for i in range(COUNT)],
        "categories": [{"id": 3, "name": "thing"}],
    }  # fmt: skip
    (root / "all.json").write_text(json.dumps(raw))


def yolo(root, line):
    for i in range(COUNT):
        picture(root / f"images/{i}.jpg")
        (root / "labels").mkdir(exist_ok=True)
        (root / f"labels/{i}.txt").write_text(f"0 {line}\n")
    (root / "classes.txt").write_text("thing\n")


def runs(pixels, order):
    """Lengths of runs of what is not there and what is, in turn."""
    flat = pixels.ravel(order)
    ends = np.flatnonzero(np.diff(flat.astype(int), prepend=0, append=flat[-1] ^ True))
    return np.diff(np.concatenate([[0], ends])).tolist()


TURNED = np.ones((6, 10), bool)
DRAWN = {
    "Labelme": (labelme, {
        "outline": [{"label": "thing", "points": OUTLINE, "shape_type": "polygon"}],
        "box": [{"label": "thing", "points": [[15, 10], [5, 4]], "shape_type": "rectangle"}],
        "pixels": [{"label": "thing", "points": [[5, 4], [14, 9]], "shape_type": "mask",
                    "mask": base64.b64encode(png(TURNED.astype(np.uint8) * 255)).decode()}],
    }),
    "CVAT": (cvat, {
        "outline": '<polygon label="thing" points="5.00,4.00;15.00,4.00;15.00,10.00;5.00,10.00" z_order="0"></polygon>',
        "box": '<box label="thing" occluded="0" xtl="5.0" ytl="4.0" xbr="15.0" ybr="10.0"></box>',
        "pixels": '<mask label="thing" rle="0, 60" left="5" top="4" width="10" height="6"></mask>',
    }),
    "Supervisely": (supervisely, {
        "outline": [{"classTitle": "thing", "geometryType": "polygon", "points": {"exterior": OUTLINE, "interior": []}}],
        "box": [{"classTitle": "thing", "geometryType": "rectangle", "points": {"exterior": [[5, 4], [14, 9]]}}],
        "pixels": [{"classTitle": "thing", "geometryType": "bitmap", "bitmap": {
            "origin": [5, 4], "data": base64.b64encode(zlib.compress(png(np.dstack([np.uint8(TURNED * 255)] * 4)))).decode()}}],
    }),
    "COCO": (coco, {
        "outline": {"bbox": [5, 4, 10, 6], "segmentation": [[5, 4, 15, 4, 15, 10, 5, 10]]},
        "box": {"bbox": [5, 4, 10, 6]},
        "pixels": {"bbox": [5, 4, 10, 6], "segmentation": {"size": list(SIZE), "counts": runs(FILLED, "F")}},
    }),
    "YOLO": (yolo, {
        "outline": " ".join(f"{x / SIZE[1]} {y / SIZE[0]}" for x, y in OUTLINE),
        "box": f"{10 / SIZE[1]} {7 / SIZE[0]} {10 / SIZE[1]} {6 / SIZE[0]}",
    }),
}  # fmt: skip
CASES = [(kind, sort) for kind, (_, sorts) in DRAWN.items() for sort in sorts]


def made(kind, sort, root):
    write, sorts = DRAWN[kind]
    root.mkdir(parents=True, exist_ok=True)
    write(root, sorts[sort])


def samples(found, root=None):
    options = {"values": found.settings["mask_values"]} if found.settings else {}
    reader = find_reader(found.reader)(found.root, found.train_list, found.labels, **options)
    return reader.labels, [reader.read(i) for i in range(len(reader))]


@pytest.mark.parametrize(("kind", "sort"), CASES)
def test_as_masks(tmp_path, kind, sort):
    made(kind, sort, tmp_path / "data")
    found = look(tmp_path / "data", tmp_path / "made", "segmentation")
    labels, rows = samples(found)
    assert (found.kind, found.task, labels) == (kind, "segmentation", ["background", "thing"])
    assert len(rows) == COUNT - 1
    for row in rows:
        np.testing.assert_array_equal(row["mask"], FILLED.astype(np.uint8))


@pytest.mark.parametrize(("kind", "sort"), CASES)
def test_as_boxes(tmp_path, kind, sort):
    made(kind, sort, tmp_path / "data")
    found = look(tmp_path / "data", tmp_path / "made", "detection")
    labels, rows = samples(found)
    assert (found.kind, found.task, labels) == (kind, "detection", ["thing"])
    for row in rows:
        np.testing.assert_allclose(row["boxes"], [[5, 4, 15, 10]], atol=1e-3)


@pytest.mark.parametrize(
    ("kind", "sort", "task"),
    [("Labelme", "outline", "segmentation"), ("Labelme", "box", "detection"), ("CVAT", "pixels", "segmentation"),
     ("COCO", "outline", "detection"), ("YOLO", "outline", "detection")],
)  # fmt: skip
def test_the_task_follows_from_what_was_drawn_or_the_tools_habit(tmp_path, kind, sort, task):
    made(kind, sort, tmp_path / "data")
    assert look(tmp_path / "data", tmp_path / "made").task == task


def test_boxes_and_outlines_together_need_a_word(tmp_path):
    shapes = [*DRAWN["Labelme"][1]["outline"], *DRAWN["Labelme"][1]["box"]]
    labelme(tmp_path / "data", shapes)
    with pytest.raises(UserError, match="5 boxes and 5 outlines; say --task"):
        look(tmp_path / "data", tmp_path / "made")
    assert look(tmp_path / "data", tmp_path / "made", "detection").task == "detection"


def test_a_hole_and_a_shape_above_another(tmp_path):
    objects = [
        {"classTitle": "below", "geometryType": "polygon", "points": {
            "exterior": [[2, 2], [20, 2], [20, 12], [2, 12]], "interior": [[[4, 4], [8, 4], [8, 8], [4, 8]]]}},
        {"classTitle": "above", "geometryType": "rectangle", "points": {"exterior": [[10, 2], [11, 3]], "interior": []}},
        {"classTitle": "ignore", "geometryType": "rectangle", "points": {"exterior": [[25, 15], [29, 19]], "interior": []}},
    ]  # fmt: skip
    supervisely(tmp_path / "data", objects)
    labels, rows = samples(look(tmp_path / "data", tmp_path / "made", "segmentation"))
    expected = np.zeros(SIZE, np.uint8)
    expected[2:12, 2:20] = 2
    expected[4:8, 4:8] = 0
    expected[2:4, 10:12] = 1
    expected[15:20, 25:30] = 255
    assert labels == ["background", "above", "below"]
    np.testing.assert_array_equal(rows[0]["mask"], expected)


@pytest.mark.parametrize(
    ("kind", "broken", "why"),
    [
        ("Labelme", [{"label": "thing", "points": [[1, 2], [3]]}], "is no outline"),
        ("Labelme", [{"label": " ", "points": OUTLINE}], "has no label"),
        ("Labelme", [{"label": "a", "points": OUTLINE, "shape_type": "blob"}], "valid: polygon"),
        ("Labelme", [{"label": "a", "points": OUTLINE, "shape_type": "mask", "mask": "?"}], "not a picture in base64"),
        ("CVAT", '<mask label="a" rle="1, 2" left="0" top="0" width="5" height="5"></mask>', "do not fill"),
        ("CVAT", '<mask label="a" rle="0, 999998000001" left="0" top="0" width="999999" height="999999"></mask>', "do not fill"),
        ("CVAT", '<box label="a" xtl="x" ytl="1" xbr="2" ybr="3"></box>', "must be numbers"),
        ("Supervisely", [{"classTitle": "a", "geometryType": "bitmap", "bitmap": {"origin": [0, 0], "data": "AAAA"}}], "cannot be read"),
        ("Supervisely", [{"classTitle": "a", "geometryType": "polygon", "points": None}], "is no outline"),
        ("COCO", {"bbox": [1, 1, 2, 2], "segmentation": {"size": [9, 9], "counts": [81]}}, "mask cannot be read"),
        ("COCO", {"bbox": [1, 1, 2, 2], "segmentation": {"size": list(SIZE), "counts": [10**6]}}, "mask cannot be read"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_one_line(tmp_path, kind, broken, why):
    DRAWN[kind][0](tmp_path / "data", broken)
    with pytest.raises(UserError, match=why):
        look(tmp_path / "data", tmp_path / "made", "segmentation")


def test_a_bomb_in_a_bitmap_is_not_unfolded(tmp_path):
    bomb = base64.b64encode(zlib.compress(bytes(2**27))).decode()
    objects = [{"classTitle": "a", "geometryType": "bitmap", "bitmap": {"origin": [0, 0], "data": bomb}}]
    supervisely(tmp_path / "data", objects)
    with pytest.raises(UserError, match="more than it may"):
        look(tmp_path / "data", tmp_path / "made")


def test_a_picture_of_another_size_than_its_outlines(tmp_path):
    made("Labelme", "outline", tmp_path / "data")
    cv2.imwrite(str(tmp_path / "data/3.jpg"), np.zeros((40, 60, 3), np.uint8))
    with pytest.raises(UserError, match="3.jpg' is 60x40, its outlines are of 30x20"):
        look(tmp_path / "data", tmp_path / "made")


def test_masks_beside_their_pictures_by_an_ending(tmp_path):
    for i in range(COUNT):
        picture(tmp_path / f"data/{i}.jpg")
        Image.fromarray(FILLED.astype(np.uint8)).save(tmp_path / f"data/{i}_mask.png")
    found = look(tmp_path / "data", tmp_path / "made")
    _, rows = samples(found)
    assert (found.task, len(rows)) == ("segmentation", COUNT - 1)
    np.testing.assert_array_equal(rows[0]["mask"], FILLED)


@pytest.mark.parametrize(
    ("kind", "task"), [("Labelme", "segmentation"), ("CVAT", "detection"), ("COCO", "detection")]
)
def test_convert_makes_a_folder_that_stands_alone(tmp_path, capsys, kind, task):
    made(kind, "outline", tmp_path / "data")
    before = look(tmp_path / "data", tmp_path / "made", task)
    expected = samples(before)
    out = tmp_path / "out"
    assert main(["convert", "--data", str(tmp_path / "data"), "--task", task, "--save_dir", str(out)]) == 0
    assert f"{kind}: {task}, 4 pictures to train with, 1 to validate" in capsys.readouterr().out
    (tmp_path / "data").rename(tmp_path / "gone")
    (tmp_path / "made").rename(tmp_path / "gone_too") if (tmp_path / "made").exists() else None
    labels, rows = samples(look(out, tmp_path / "again"))
    assert labels == expected[0]
    for mine, theirs in zip(rows, expected[1], strict=True):
        assert all(np.array_equal(mine[key], theirs[key]) for key in theirs)
    assert main(["convert", "--data", str(tmp_path / "gone"), "--save_dir", str(out)]) == 2
    assert "is there already" in capsys.readouterr().err


def test_convert_writes_other_numbers_as_classes(tmp_path):
    for i in range(COUNT):
        picture(tmp_path / f"data/images/{i}.jpg")
        (tmp_path / "data/masks").mkdir(exist_ok=True)
        Image.fromarray(FILLED.astype(np.uint8) * 255).save(tmp_path / f"data/masks/{i}.png")
    out = tmp_path / "out"
    assert main(["convert", "--data", str(tmp_path / "data"), "--save_dir", str(out)]) == 0
    found = look(out, tmp_path / "made")
    assert (found.kind, found.settings) == ("list files", {})
    np.testing.assert_array_equal(samples(found)[1][0]["mask"], FILLED)


def test_a_task_that_the_data_are_not_for(tmp_path):
    made("YOLO", "box", tmp_path / "data")
    with pytest.raises(UserError, match="none of the layouts that are known for matting"):
        look(tmp_path / "data", tmp_path / "made", "matting")
    with pytest.raises(UserError, match="--task: 'boxes' is not known"):
        look(tmp_path / "data", tmp_path / "made", "boxes")
