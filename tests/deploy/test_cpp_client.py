"""The C++ client compiles without a warning, prepares pictures and reads outputs as the Python one does.

Paddle Lite's C++ library is not here; a stub of its interface gives the outputs that the Python runtime gave.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from test_clients import assert_alike, some_pictures, trained  # noqa: F401

from paddleprune.data.transforms import Compose
from paddleprune.pipeline import export_model

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "deploy"))
HEADERS = ("/usr/include/opencv4/opencv2/imgcodecs.hpp", "/usr/include/nlohmann/json.hpp")

pytestmark = [
    pytest.mark.skipif(
        not all(map(shutil.which, ("cmake", "g++"))) or not all(map(os.path.exists, HEADERS)),
        reason="needs cmake, g++, OpenCV's and nlohmann/json's headers",
    ),
    pytest.mark.skipif(
        sys.platform != "linux" or os.uname().machine != "x86_64", reason="built for x86 Linux"
    ),
]


@pytest.fixture(scope="module")
def binary(tmp_path_factory):
    """The client, linked with the stub."""
    folder = tmp_path_factory.mktemp("build")
    stub = ROOT / "tests/deploy/lite_stub"
    for name in ("include", "lib"):
        (folder / "lite" / name).mkdir(parents=True)
    shutil.copy(stub / "paddle_api.h", folder / "lite/include")
    library = folder / "lite/lib/libpaddle_light_api_shared.so"
    built(["g++", "-shared", "-fPIC", "-Wall", "-Werror", str(stub / "stub.cc"), "-o", str(library)])
    source = ROOT / "deploy/lite/cpp"
    built(["cmake", "-S", str(source), "-B", str(folder / "out"), f"-DPADDLE_LITE_DIR={folder / 'lite'}"])
    built(["cmake", "--build", str(folder / "out"), "-j", "2"])
    return folder / "out/lite_client"


def built(command):
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def run(binary, *arguments, outputs="/dev/null"):
    return subprocess.run(
        [str(binary), *map(str, arguments)],
        capture_output=True,
        text=True,
        env={"LITE_STUB_OUTPUTS": str(outputs)},
    )


def manifest(folder, **changes):
    """A folder as tools/export.py leaves it; the model file is empty, the stub reads none."""
    folder.mkdir(exist_ok=True)
    facts = {
        "export": "lite", "task": "classification", "labels": ["a", "b", "c"], "files": {"model_x86.nb": {}},
        "input": {"shape": [1, 3, 32, 32]}, "transforms": ["Normalize"], "parity": {"same_decisions": None},
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps({**facts, **changes}))
    (folder / "model_x86.nb").write_bytes(b"x")
    return folder


HALF = {"Normalize": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.25, 0.125]}}


@pytest.mark.parametrize(
    "transforms",
    [
        [{"Resize": {"size": 32}}, "Normalize"],
        [{"Resize": {"size": [32, 32]}}, HALF],
        [{"ResizeByShort": {"size": 36}}, {"CenterCrop": {"size": 32}}, HALF],
        [{"ResizeByShort": {"size": 57}}, {"CenterCrop": {"size": 32}}, "Normalize"],
    ],
)
@pytest.mark.parametrize("size", [(50, 70), (90, 41), (20, 33), (32, 32), (257, 191)])
def test_the_same_tensor_as_the_transforms(binary, tmp_path, transforms, size):
    rng = np.random.default_rng(size[0])
    picture = cv2.resize(rng.integers(0, 256, (24, 24, 3), np.uint8), size, interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(tmp_path / "p.png"), picture)
    (tmp_path / "outputs").write_text("f 2 1 3 0.1 0.7 0.2\n")
    done = run(binary, "--model", manifest(tmp_path / "m", transforms=transforms), "--input", tmp_path / "p.png",
               "--save_dir", tmp_path / "out", "--dump_input", tmp_path / "x.bin", outputs=tmp_path / "outputs")  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = np.fromfile(tmp_path / "x.bin", np.float32).reshape(3, 32, 32)
    expected = Compose(transforms)({"image": picture[..., ::-1]}, np.random.default_rng(0))["image"]
    np.testing.assert_allclose(found, expected.transpose(2, 0, 1), atol=1e-5)


def test_the_same_results_as_the_python_client(binary, trained, tmp_path):  # noqa: F811
    pytest.importorskip("paddlelite")
    from common import Model
    from common import process_pictures as python_client

    task, folder = trained
    export_model(folder / "run/best_model", tmp_path / "export", "lite", ["x86"])
    pictures = some_pictures(folder, tmp_path / "pictures")
    outputs = []
    runtime = real_runtime(tmp_path / "export")

    def recorded(images):
        outputs.append(runtime(images))
        return outputs[-1]

    python_client(Model(tmp_path / "export", recorded), pictures, tmp_path / "python")
    results = {}
    for picture, arrays in zip(sorted(pictures.iterdir()), outputs, strict=True):
        lines = [
            " ".join(
                ["if"[a.dtype.kind == "f"], str(a.ndim), *map(str, a.shape), *map(repr, a.ravel().tolist())]
            )
            for a in arrays
        ]
        (tmp_path / "outputs").write_text("\n".join(lines) + "\n")
        done = run(binary, "--model", tmp_path / "export", "--input", picture, "--save_dir", tmp_path / "cpp",
                   outputs=tmp_path / "outputs")  # fmt: skip
        assert done.returncode == 0, done.stderr
        results |= json.loads((tmp_path / "cpp/results.json").read_text())
    (tmp_path / "cpp/results.json").write_text(json.dumps(results))
    assert_alike(task, tmp_path / "python", tmp_path / "cpp")


def real_runtime(folder):
    from paddleprune.export import lite

    model = (folder / "model_x86.nb").read_bytes()
    return lambda images: lite.run(model, images)


def test_it_times_what_it_runs(binary, tmp_path):
    cv2.imwrite(str(tmp_path / "p.png"), np.zeros((32, 32, 3), np.uint8))
    (tmp_path / "outputs").write_text("f 2 1 3 0.1 0.7 0.2\n")
    done = run(binary, "--model", manifest(tmp_path / "m"), "--input", tmp_path, "--save_dir", tmp_path / "out",
               "--repeats", "7", outputs=tmp_path / "outputs")  # fmt: skip
    assert "latency: median" in done.stdout
    assert done.stdout.strip().endswith("7 runs")
    assert json.loads((tmp_path / "out/results.json").read_text())["p.png"]["top"][0]["label"] == "b"


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        ({"export": "onnx"}, [], "is no export of format lite"),
        ({"files": {}}, [], "has no model_x86.nb; export again with --targets x86"),
        ({"labels": 3}, [], "is damaged"),
        ({"transforms": ["Blur"]}, [], "asks for 'Blur', which this client does not know"),
        ({"transforms": []}, ["--power_mode", "fast"], "--power_mode: 'fast' is not known; valid: high"),
        ({"input": {"shape": [1, 3, 16, 16]}}, [], "make 32x32, the network takes 16x16"),
        ({}, ["--threads", "none"], "--threads: 'none' must be 1 or more"),
        ({}, ["--speed", "9"], "'--speed' is not known"),
        ({}, ["--input", "/nowhere.png"], "'/nowhere.png' is not a readable picture"),
        ({"task": "poetry"}, [], "the task 'poetry' is not known"),
    ],
)
def test_mistakes_are_one_line(binary, tmp_path, changes, options, words):
    cv2.imwrite(str(tmp_path / "p.png"), np.zeros((32, 32, 3), np.uint8))
    (tmp_path / "outputs").write_text("f 2 1 3 0.1 0.7 0.2\n")
    done = run(binary, "--model", manifest(tmp_path / "m", **changes), "--input", tmp_path / "p.png",
               "--save_dir", tmp_path / "out", *options, outputs=tmp_path / "outputs")  # fmt: skip
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
