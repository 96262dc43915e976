"""The clients know only the manifest, and say what tools/infer.py says."""

import hashlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import knowing

from paddleprune.config import load_config
from paddleprune.data.sample_data import make
from paddleprune.engine.checkpoint import load_model, save_model
from paddleprune.errors import UserError
from paddleprune.infer import infer
from paddleprune.pipeline import export_model, train

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "deploy"))
from common import Fault, Model
from pictures import make_folder, process_pictures

SMALL = ["model.args.scale=0.25", "data.image_shape=[3,32,32]",
         "data.eval_transforms=[{ResizeByShort: {size: 36}}, {CenterCrop: {size: 32}}, Normalize]",
         "data.train_transforms=[{Resize: {size: 32}}, Normalize]"]  # fmt: skip
TASKS = {
    "classification": ("classification/mobilenet_v2_sample.yml", SMALL),
    "segmentation": ("segmentation/unet_sample.yml", []),
    "matting": ("matting/modnet_sample.yml", ["model.args.width=8"]),
    "detection": ("detection/yolov3_sample.yml", ["model.args.width=0.0625", "data.batch_size=4"]),
}


@pytest.fixture(scope="module", params=TASKS)
def trained(request, tmp_path_factory):
    """(task, folder) of a model of each task that knows its data, and the data."""
    folder = tmp_path_factory.mktemp(request.param)
    train_small(request.param, folder)
    return request.param, folder


def train_small(task, folder):
    """A small model of the task in `folder`/run/best_model, its data in `folder`/data."""
    config, settings = TASKS[task]
    make(task, folder / "data", 48, 12)
    settings = [f"data.root={folder}/data", "train.epochs=0", *settings]
    train(load_config(ROOT / "configs" / config, settings), folder / "run", knowing(task))
    if task == "detection":
        raise_scores(folder / "run/best_model")


def raise_scores(folder):
    """Make a detector surer than it is, so that it reports boxes of pictures that are out of shape."""
    saved = load_model(folder)
    for head in saved.network.heads:
        head.bias.set_value(head.bias + 2)
    save_model(folder, saved.network, saved.facts, saved.plan)


def client(name, *arguments, code=0):
    """Run a client in an empty place, where the package cannot be found; what it prints."""
    command = [sys.executable, "-c", BLOCK, str(ROOT / "deploy" / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == code, done.stderr[-2000:]
    return done.stderr if code else done.stdout


BLOCK = """
import runpy, sys
sys.modules["paddle"] = sys.modules["paddleprune"] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


CLIENTS = {
    "lite": "lite/python/run.py",
    **{form: f"{form}/run.py" for form in ("openvino", "onnx", "ncnn", "mnn")},
}
PACKAGES = {"lite": "paddlelite", "openvino": "openvino", "onnx": "paddle2onnx", "ncnn": "ncnn", "mnn": "MNN"}


@pytest.mark.parametrize("form", ["openvino", "onnx"])
def test_the_exported_file_says_what_the_network_says(trained, tmp_path, form):
    pytest.importorskip(PACKAGES[form])
    manifest = export_model(trained[1] / "run/best_model", tmp_path / form, form)
    assert manifest["parity"]["max_abs_diff"] < 1e-4
    assert manifest["parity"]["images"] == 12
    assert manifest["parity"]["same_decisions"] is None or manifest["parity"]["same_decisions"] > 0.995


@pytest.mark.parametrize("form", CLIENTS)
def test_the_client_says_what_infer_says(trained, tmp_path, form):
    pytest.importorskip(PACKAGES[form])
    task, folder = trained
    if (form, task) == ("ncnn", "detection"):
        with pytest.raises(UserError, match="ncnn has no layer for .*; use --format mnn or lite"):
            export_model(folder / "run/best_model", tmp_path / "export", form)
        return
    export_model(folder / "run/best_model", tmp_path / "export", form)
    pictures = some_pictures(folder, tmp_path / "pictures")
    infer(folder / "run/best_model", pictures, tmp_path / "ours")
    client(CLIENTS[form], "--model_dir", tmp_path / "export", "--image", pictures, "--save_dir", tmp_path / "theirs",
           "--threads", "1")  # fmt: skip
    assert_alike(task, tmp_path / "ours", tmp_path / "theirs")


def some_pictures(folder, where):
    """Three pictures of other sizes than the network's."""
    where.mkdir()
    for i, size in enumerate([(70, 50), (64, 64), (41, 90)]):
        image = cv2.resize(cv2.imread(str(folder / f"data/images/val_000{i}.jpg")), size)
        cv2.imwrite(str(where / f"{i}.png"), image)
    return where


def assert_alike(task, ours, theirs):
    """Two folders of tools/infer.py and of a client say the same of each picture."""
    expected, found = (json.loads((folder / "results.json").read_text()) for folder in (ours, theirs))
    assert list(found) == list(expected)
    for name, result in found.items():
        assert cv2.imread(str(theirs / name)).std() > 1
        if task in ("classification", "detection"):
            key = {"classification": "top", "detection": "boxes"}[task]
            assert [t["index"] for t in result[key]] == [t["index"] for t in expected[name][key]]
            scores = [[[t["score"], *t.get("box", [])] for t in r[key]] for r in (result, expected[name])]
            np.testing.assert_allclose(*scores, atol=1e-4 if task == "classification" else 0.02)
            assert result[key]
            continue
        key = "mask" if task == "segmentation" else "alpha"
        maps = [cv2.imread(str(where / r[key]), cv2.IMREAD_UNCHANGED).astype(int)
                for where, r in ((theirs, result), (ours, expected[name]))]  # fmt: skip
        assert maps[0].shape == maps[1].shape
        if key == "mask":
            assert (maps[0] == maps[1]).mean() > 0.999
        else:
            assert np.abs(maps[0] - maps[1]).max() <= 1


def test_the_openvino_client_mattes_a_video(trained, tmp_path):
    pytest.importorskip("openvino")
    task, folder = trained
    if task != "matting":
        pytest.skip("one task is enough")
    export_model(folder / "run/best_model", tmp_path / "export", "openvino")
    video = cv2.VideoWriter(str(tmp_path / "in.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 64))
    for i in range(7):
        video.write(cv2.imread(str(folder / f"data/images/val_000{i}.jpg")))
    video.release()
    text = client("openvino/run.py", "--model_dir", tmp_path / "export", "--image", tmp_path / "in.avi",
                  "--save_dir", tmp_path / "out")  # fmt: skip
    assert text.startswith("7 frames")
    drawn = cv2.VideoCapture(str(tmp_path / "out/in.mp4"))
    assert drawn.get(cv2.CAP_PROP_FRAME_COUNT) == 7
    green = drawn.read()[1]
    assert green.std() > 5
    common = ("openvino/run.py", "--model_dir", tmp_path / "export", "--image", tmp_path / "in.avi")
    client(*common, "--save_dir", tmp_path / "red", "--background", "255,0,0")
    assert [file.name for file in (tmp_path / "red").iterdir()] == ["in.mp4"]
    red = cv2.VideoCapture(str(tmp_path / "red/in.mp4")).read()[1]
    assert red[..., 2].mean() > green[..., 2].mean() + 20  # BGR
    for wrong in ("255,0", "256,0,0", "nowhere.png"):
        said = client(*common, "--save_dir", tmp_path / "no", "--background", wrong, code=2)
        assert f"--background: '{wrong}' is no colour and no readable picture" in said
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("form", "file"),
    [("lite", "model_x86.nb"), ("openvino", "model.bin"), ("onnx", "model.onnx"), ("ncnn", "model.ncnn.bin"),
     ("mnn", "model.mnn")],
)  # fmt: skip
def test_a_file_that_is_not_the_manifests_is_not_run(trained, tmp_path, form, file):
    """Damaged, cut off, or of another processor: the runtime would crash, or worse, run."""
    pytest.importorskip(PACKAGES[form])
    task, folder = trained
    if task != "classification":
        pytest.skip("one task is enough")
    export_model(folder / "run/best_model", tmp_path / "export", form, images=8)
    whole = (tmp_path / "export" / file).read_bytes()
    arguments = [
        "--model_dir",
        tmp_path / "export",
        "--image",
        folder / "data/images",
        "--save_dir",
        tmp_path / "out",
    ]
    for damaged, words in (
        (whole[:-5], "not those of the manifest"),
        (whole[:100] + bytes([whole[100] ^ 255]) + whole[101:], "is not the file that the manifest is of"),
    ):
        (tmp_path / "export" / file).write_bytes(damaged)
        found = client(CLIENTS[form], *arguments, code=2)
        assert words in found
        assert found.count("\n") == 1
    (tmp_path / "export" / file).write_bytes(whole)
    assert "out of range" in client(CLIENTS[form], *arguments, "--threads", "100000", code=2)


def test_the_clients_refuse_in_one_line(tmp_path):
    pictures, model = tmp_path / "pictures", tmp_path / "model"
    pictures.mkdir()
    cv2.imwrite(str(pictures / "a.png"), np.zeros((8, 8, 3), np.uint8))
    facts = {
        "export": "openvino",
        "task": "matting",
        "labels": [],
        "files": {"model.xml": {}},
        "transforms": [],
        "input": {"name": "image", "shape": [1, 3, 16, 16]},
        "outputs": ["matte"],
    }

    def said(script="openvino/run.py", **changes):
        model.mkdir(exist_ok=True)
        (model / "manifest.json").write_text(json.dumps({**facts, **changes}))
        found = client(
            script, "--model_dir", model, "--image", pictures, "--save_dir", tmp_path / "out", code=2
        )
        lines = [line for line in found.splitlines() if "run.py: " in line or "Traceback" in line]
        assert len(lines) == 1, found  # ncnn adds words of its own
        return found

    assert "is an export of format 'onnx'" in said(export="onnx")
    assert "model.xml' does not exist; copy it there" in said()
    assert "has no model_x86.nb; export again" in said("lite/python/run.py", export="lite")
    assert "'outputs' is 3" in said(outputs=3)
    assert "--save_dir: '' is no path" in client(
        "openvino/run.py", "--model_dir", model, "--image", pictures, "--save_dir", "", code=2
    )
    for form in ("onnx", "ncnn"):  # what the manifest says of a file that is of no network
        names = {"onnx": ["model.onnx"], "ncnn": ["model.ncnn.param", "model.ncnn.bin"]}[form]
        facts_of = {"size_bytes": 4, "sha256": hashlib.sha256(b"abcd").hexdigest()}
        for name in names:
            (model / name).write_bytes(b"abcd")
        if importlib.util.find_spec({"onnx": "onnxruntime", "ncnn": "ncnn"}[form]):
            assert "cannot load" in said(f"{form}/run.py", export=form, files=dict.fromkeys(names, facts_of))
    (model / "manifest.json").write_text("{")
    found = client("openvino/run.py", "--model_dir", model, "--image", pictures, "--save_dir", model, code=2)
    assert "is damaged" in found


def test_a_picture_that_the_network_cannot_take_does_not_reach_it(tmp_path):
    facts = {"export": "lite", "task": "matting", "labels": [], "files": {}, "transforms": ["Normalize"],
             "input": {"name": "image", "shape": [1, 3, 16, 16]}, "outputs": ["matte"]}  # fmt: skip
    (tmp_path / "manifest.json").write_text(json.dumps(facts))
    with pytest.raises(Fault, match="make 8x9 of this picture, the network takes 16x16"):
        Model(tmp_path, None).result(np.zeros((8, 9, 3), np.uint8))


@pytest.mark.parametrize(
    ("changes", "outputs"),
    [
        ({"labels": ["a"]}, [np.ones((1, 10), np.float32)]),
        ({"task": "detection"}, [np.ones((1, 10), np.float32)]),
        ({"task": "segmentation"}, [np.ones((1, 10), np.float32)]),
        ({"transforms": [{}]}, [np.ones((1, 10), np.float32)]),
        ({"transforms": [5]}, [np.ones((1, 10), np.float32)]),
    ],
)
def test_a_manifest_of_another_network_is_one_line(tmp_path, changes, outputs):
    facts = {"export": "lite", "task": "classification", "labels": list("abcdefghij"), "files": {}, "outputs": ["x"],
             "transforms": [], "input": {"name": "image", "shape": [1, 3, 8, 8]}, **changes}  # fmt: skip
    (tmp_path / "manifest.json").write_text(json.dumps(facts))
    with pytest.raises(Fault, match="export again"):
        Model(tmp_path, lambda images: outputs).result(np.zeros((8, 8, 3), np.uint8))


def test_pictures_are_never_replaced(tmp_path):

    for name in ("a.png", "a.jpg"):
        cv2.imwrite(str(tmp_path / name), np.full((8, 8, 3), 90, np.uint8))
    with pytest.raises(Fault, match="holds the input itself"):
        make_folder(tmp_path, [tmp_path / "a.png"])

    class White:
        def result(self, picture, trimap=None):
            return {"alpha": np.full(picture.shape[:2], 255, np.uint8)}

    results = process_pictures(White(), tmp_path, tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").glob("*.png")) == [
        "a.jpg.png", "a.jpg_alpha.png", "a.png.png", "a.png_alpha.png",
    ]  # fmt: skip
    assert results["a.jpg"]["alpha"] == "a.jpg_alpha.png"
