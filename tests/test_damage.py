"""Damaged bytes of every kind of file, given to what reads them: a value or one line, nothing else."""

import json
import pickle
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import EXAMPLES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paddleprune import pickles
from paddleprune.config import load_config
from paddleprune.data.images import read_alpha, read_image, read_values, size_of
from paddleprune.data.readers import coco, imagenet_list, seg_list, voc
from paddleprune.engine.checkpoint import _facts, _state
from paddleprune.errors import UserError
from paddleprune.pruning.interop import read_pickle
from paddleprune.pruning.plan import Plan
from paddleprune.pruning.sensitivity import Sensitivities
from paddleprune.texts import read_json, read_yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "deploy"))
from common import Fault, read_manifest

NOISE = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
CONFIG = Path("configs/classification/mobilenet_v2_sample.yml").read_text().replace("_base_:", "#")
SENSITIVITIES = {
    "format": 1, "model": "m", "weights": "w", "data": "d", "images": 2, "metric": "acc1", "higher_is_better": True,
    "criterion": "l1_norm", "baseline": 0.5, "not_pruned": {}, "sensitivities": {"a": {"0.1": 0.2, "0.5": 0.3}},
    "intervals": {"a": {"0.1": [0.1, 0.3]}},
}  # fmt: skip
FACTS = {"format": 1, "task": "classification", "model": {"name": "mobilenet_v2", "args": {}}, "labels": ["a"],
         "image_shape": [3, 32, 32], "eval_transforms": [], "metric": "acc1", "data": {}}  # fmt: skip
STATE = {"epoch": 1, "batch": 0, "step": 3, "judged": 1, "best": 0.5, "best_epoch": 1,
         "evaluations_since_best": 0, "seconds": 1.0}  # fmt: skip
PLAN = {"format": 1, "groups": {"a": {"size": 8, "kept": [0, 1, 5]}}}
MANIFEST = {"format": 1, "export": "lite", "task": "classification", "labels": ["a"], "transforms": ["Normalize"],
            "input": {"name": "x", "shape": [1, 3, 8, 8]}, "outputs": ["y"],
            "files": {"model_x86.nb": {"size_bytes": 3}}}  # fmt: skip
COCO = {"images": [{"id": 1, "file_name": "a.png", "width": 7, "height": 9}], "categories": [{"id": 1, "name": "c"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 3, 3], "iscrowd": 0}]}  # fmt: skip
XML = """<?xml version="1.0" encoding="gb2312"?><annotation><size><width>7</width><height>9</height></size><object>
<name>a</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object></annotation>"""


def encoded(ending):
    return cv2.imencode(ending, NOISE)[1].tobytes()


def with_list(reader, file, line):
    """Read the file as the reader of lists does, pictures and labels being whole."""

    def read(path):
        folder = path.parent
        (folder / "a.png").write_bytes(encoded(".png"))
        if file != "labels.txt":
            (folder / "labels.txt").write_text("a\nb\n")
        if file != "list.txt":
            (folder / "list.txt").write_text(line)
        path.rename(folder / file)
        for i in range(len(found := reader(folder, "list.txt", "labels.txt"))):
            found.check(i), found.read(i)

    return read


def read_coco(path):
    (path.parent / "a.png").write_bytes(encoded(".png"))
    coco.Reader(path.parent, path.name).read(0)


def in_manifest(path):
    path.rename(path.parent / "manifest.json")
    try:
        read_manifest(path.parent)
    except Fault as fault:
        raise UserError(str(fault)) from fault


def as_json(value):
    return json.dumps(value).encode()


KINDS = {
    "config": (CONFIG.encode(), load_config),
    "yaml": (b"a: &x {b: 1}\nc: [*x, 2020-01-01, !!int 5]\n", lambda p: read_yaml(p, "file")),
    "model.yml": (as_json(FACTS), _facts),
    "state.json": (as_json(STATE), lambda p: _state(read_json(p, "state"), p)),
    "plan.json": (as_json(PLAN), lambda p: Plan.from_dict(read_json(p, "plan"))),
    "sensitivities": (as_json(SENSITIVITIES), Sensitivities.read),
    "manifest": (as_json(MANIFEST), in_manifest),
    "coco": (as_json(COCO), read_coco),
    "xml": (XML.encode(), with_list(voc.Reader, "a.xml", "a.png a.xml\n")),
    "list": (b"a.png 1\n\"a.png\" 0\n", with_list(imagenet_list.Reader, "list.txt", "")),
    "labels": ("a\nü\n".encode(), with_list(imagenet_list.Reader, "labels.txt", "a.png 0\n")),
    "mask": (cv2.imencode(".png", np.uint8(NOISE[..., 0] % 2))[1].tobytes(),
             with_list(seg_list.Reader, "m.png", "a.png m.png\n")),
    "weights": (pickle.dumps({"a": np.arange(6.0).reshape(2, 3), "b": ("c", np.float32(3))}, 2),
                lambda p: pickles.load(p, "weights")),
    "slim": (pickle.dumps({"conv2d_0.w_0": {0.1: 0.2}}, 2), read_pickle),
    **{f"{reader.__name__} {ending}": (encoded(ending), lambda p, r=reader: r(p, "x"))
       for reader in (read_image, read_values, read_alpha, size_of) for ending in (".jpg", ".png", ".webp", ".tif", ".bmp")},
}  # fmt: skip


@st.composite
def damaged(draw, whole: bytes):
    """The bytes with some of them changed, cut out, doubled or put in."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        place, size = draw(st.integers(0, len(data))), draw(st.integers(0, 12))
        kind = draw(st.sampled_from(["change", "cut", "end", "double", "put"]))
        if kind == "change" and place < len(data):
            data[place] = draw(st.integers(0, 255))
        elif kind == "cut":
            del data[place : place + size]
        elif kind == "end":
            del data[place:]
        elif kind == "double":
            data[place:place] = data[place : place + size]
        else:
            more = draw(
                st.sampled_from(
                    [
                        b"nan",
                        b"-1",
                        b"1e999",
                        b"null",
                        b"[",
                        b"{}",
                        b"../",
                        b"\0",
                        b"\xff\xfe",
                        b"99999999999",
                    ]
                )
            )
            data[place:place] = more
    return bytes(data)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20 * EXAMPLES, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_value_or_one_line(kind, tmp_path_factory, data):
    whole, read = KINDS[kind]
    path = tmp_path_factory.mktemp("damaged") / "file"
    path.write_bytes(data.draw(damaged(whole)))
    said = ""
    try:
        read(path)
    except UserError as error:
        said = str(error)
    assert "\n" not in said
    assert len(said) < 1500


@pytest.mark.parametrize("kind", KINDS)
def test_the_whole_file_is_read(kind, tmp_path):
    whole, read = KINDS[kind]
    if kind.startswith("read_values"):  # a colour picture
        pytest.skip("is a colour picture")
    if kind.startswith("read_alpha"):
        whole = cv2.imencode(kind.split()[1], NOISE[..., 0])[1].tobytes()
    (tmp_path / "file").write_bytes(whole)
    if kind == "config":  # its base is left out
        with pytest.raises(UserError, match="data.reader: missing"):
            read(tmp_path / "file")
        return
    read(tmp_path / "file")
