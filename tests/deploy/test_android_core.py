"""The Android app's core, which needs no Android, says what the Python client says. The app is not built here."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "deploy"))
from outputs import RESULTS
from preprocess import preprocess

CORE = ROOT / "deploy/lite/android/app/src/main/java/org/paddleprune/lite/core"
JSON = Path("/usr/share/java/com.android.json.jar")  # org.json, which Android has by itself

pytestmark = pytest.mark.skipif(
    shutil.which("javac") is None or not JSON.exists(), reason="needs javac and org.json's jar"
)


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classes")
    sources = [*map(str, CORE.glob("*.java")), str(ROOT / "tests/deploy/android/Check.java")]
    command = ["javac", "-Xlint:all", "-Werror", "--release", "8", "-Xlint:-options", "-cp", str(JSON)]
    done = subprocess.run([*command, "-d", str(folder), *sources], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def run(classes, folder, manifest, picture, outputs):
    """(tensor, facts, map or None) of the app's core."""
    (folder / "manifest.json").write_text(json.dumps({"export": "lite", **manifest}))
    argb = picture.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1]) - (1 << 24)
    header = np.array([picture.shape[1], picture.shape[0]], ">i4").tobytes()
    (folder / "pixels").write_bytes(header + argb.astype(">i4").tobytes())
    lines = [
        " ".join(["f", str(a.ndim), *map(str, a.shape), *map(repr, a.ravel().tolist())]) for a in outputs
    ]
    (folder / "outputs").write_text("\n".join(lines) + "\n")
    names = ("manifest.json", "pixels", "tensor", "outputs", "facts.json", "map")
    command = [
        "java",
        "-cp",
        f"{classes}{os.pathsep}{JSON}",
        "Check",
        *(str(folder / name) for name in names),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    raw = np.fromfile(folder / "map", np.uint8)
    found = raw.reshape(picture.shape[:2]) if raw.size else None
    return np.fromfile(folder / "tensor", ">f4"), json.loads((folder / "facts.json").read_text()), found


def scene(width, height):
    rng = np.random.default_rng(width)
    return cv2.resize(
        rng.integers(0, 256, (24, 24, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC
    )


SCORES = [np.float32([[0.2, 0.5, 0.3]])]
HALF = {"Normalize": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.25, 0.125]}}


@pytest.mark.parametrize(
    "transforms",
    [
        [{"Resize": {"size": 32}}, "Normalize"],
        [{"Resize": {"size": [32, 32]}}, HALF],
        [{"ResizeByShort": {"size": 36}}, {"CenterCrop": {"size": 32}}, HALF],
    ],
)
@pytest.mark.parametrize("size", [(50, 70), (90, 41), (20, 33), (32, 32), (257, 191), (64, 64)])
def test_the_tensor_is_within_a_grey_level(classes, tmp_path, transforms, size):
    picture = scene(*size)
    facts = {"task": "classification", "labels": list("abc"), "input": {"shape": [1, 3, 32, 32]}}
    tensor, _, _ = run(classes, tmp_path, {**facts, "transforms": transforms}, picture, SCORES)
    expected = preprocess(picture, transforms).transpose(2, 0, 1)
    deviations = np.float32(HALF["Normalize"]["std"] if HALF in transforms else [0.229, 0.224, 0.225])
    levels = np.abs(tensor.reshape(3, 32, 32) - expected) * 255 * deviations[:, None, None]
    # OpenCV's bilinear kernel cuts products off at 1/16 of a level: every eighth pixel is one level lower
    assert levels.max() < 1.01
    assert levels.mean() < 0.16


def outputs_of(task):
    rng = np.random.default_rng(7)
    if task == "classification":
        return [rng.dirichlet(np.ones(3))[None].astype(np.float32)]
    if task == "detection":
        rows = np.column_stack([rng.integers(0, 3, 9), rng.random(9), np.sort(rng.random((9, 4)), 1)])
        return [rows.astype(np.float32), np.float32([9])]
    if task == "segmentation":
        return [rng.random((1, 3, 32, 32), np.float32)]
    return [rng.random((1, 1, 32, 32), np.float32) * 1.2 - 0.1]


@pytest.mark.parametrize("task", sorted(RESULTS))
@pytest.mark.parametrize("size", [(50, 70), (20, 33)])
def test_the_results_are_the_python_clients(classes, tmp_path, task, size):
    picture, outputs = scene(*size), outputs_of(task)
    manifest = {"task": task, "labels": list("abc"), "input": {"shape": [1, 3, 32, 32]},
                "transforms": [{"Resize": {"size": 32}}, "Normalize"]}  # fmt: skip
    _, facts, found = run(classes, tmp_path, manifest, picture, outputs)
    expected = RESULTS[task](outputs, list("abc"), size)
    for mine, theirs in zip(facts.get("top", facts.get("boxes", [])),
                            expected.get("top", expected.get("boxes", [])), strict=True):  # fmt: skip
        assert (mine["label"], mine["index"]) == (theirs["label"], theirs["index"])
        assert mine["score"] == pytest.approx(theirs["score"], abs=1e-5)
        assert mine.get("box", []) == pytest.approx(theirs.get("box", []), abs=0.01)
    if task == "segmentation":
        np.testing.assert_array_equal(found, expected["mask"])
    elif task == "matting":
        assert np.abs(found.astype(int) - expected["alpha"]).max() <= 1
    else:
        assert found is None
        assert len(facts.get("top", facts.get("boxes"))) > 1


def test_another_model_file_is_refused(classes, tmp_path):
    """By its size and its hash, as the other clients do; a manifest that does not know the file, too."""
    data = bytes(range(200))
    facts = {"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    manifest = {
        "export": "lite",
        "task": "matting",
        "labels": [],
        "transforms": [],
        "input": {"shape": [1, 3, 8, 8]},
    }
    command = [
        "java",
        "-cp",
        f"{classes}{os.pathsep}{JSON}",
        "Check",
        str(tmp_path / "m.json"),
        str(tmp_path / "m.nb"),
    ]
    for bytes_, files, said in (
        (data, {"model_arm.nb": facts}, ""),
        (data[::-1], {"model_arm.nb": facts}, "is not the file that the manifest is of"),
        (data[:-1], {"model_arm.nb": facts}, "is not the file that the manifest is of"),
        (data, {}, "the manifest knows no model_arm.nb"),
    ):
        (tmp_path / "m.json").write_text(json.dumps({**manifest, "files": files}))
        (tmp_path / "m.nb").write_bytes(bytes_)
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode == 0) == (not said)
        assert said in done.stderr
