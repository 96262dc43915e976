"""The C++ client compiles without a warning, prepares pictures as the transforms do, and says what the Python
client says: it runs the C++ library that is inside the Python wheel.
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
from cpp_build import build
from PIL import Image, ImageOps
from test_clients import assert_alike, client, some_pictures, train_small, trained  # noqa: F401

from paddleprune.config import load_config
from paddleprune.data.sample_data import make
from paddleprune.data.transforms import Compose
from paddleprune.pipeline import export_model, train

ROOT = Path(__file__).resolve().parents[2]
HEADERS = ("/usr/include/opencv4/opencv2/imgcodecs.hpp", "/usr/include/nlohmann/json.hpp")
WHEEL = Path(pytest.importorskip("paddlelite").__file__).parent

pytestmark = [
    pytest.mark.skipif(
        not all(map(shutil.which, ("cmake", "g++", "nm"))) or not all(map(os.path.exists, HEADERS)),
        reason="needs cmake, g++, nm, OpenCV's and nlohmann/json's headers",
    ),
    pytest.mark.skipif(
        sys.platform != "linux" or os.uname().machine != "x86_64", reason="built for x86 Linux"
    ),
]


@pytest.fixture(scope="module")
def client_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("build")
    build(folder, WHEEL)
    return folder


@pytest.fixture(scope="module")
def run(client_folder):
    """The client as a function of its arguments."""
    lib = client_folder / "lib"
    places = {"LD_LIBRARY_PATH": f"{lib}:{WHEEL}/libs", "LD_PRELOAD": str(lib / "names.so")}

    def call(*arguments):
        command = [str(client_folder / "out/lite_client"), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, env=places)

    return call


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A classifier of 32x32 pictures, exported for Paddle Lite."""
    folder = tmp_path_factory.mktemp("classifier")
    train_small("classification", folder)
    export_model(folder / "run/best_model", folder / "export", "lite", ["x86"])
    return folder / "export"


def altered(exported, folder, **changes):
    """The export with changes to its manifest."""
    shutil.copytree(exported, folder)
    facts = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**facts, **changes}))
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
def test_the_same_tensor_as_the_transforms(run, exported, tmp_path, transforms, size):
    rng = np.random.default_rng(size[0])
    picture = cv2.resize(rng.integers(0, 256, (24, 24, 3), np.uint8), size, interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(tmp_path / "p.png"), picture)
    model = altered(exported, tmp_path / "m", transforms=transforms)
    done = run("--model_dir", model, "--image", tmp_path / "p.png", "--save_dir", tmp_path / "out",
               "--dump_input", tmp_path / "x.bin")  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = np.fromfile(tmp_path / "x.bin", np.float32).reshape(3, 32, 32)
    expected = Compose(transforms)({"image": picture[..., ::-1]}, np.random.default_rng(0))["image"]
    np.testing.assert_allclose(found, expected.transpose(2, 0, 1), atol=1e-5)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["webp", "jpg"])
def test_pictures_are_seen_as_they_are_shown(run, exported, tmp_path, ending, orientation):
    rows, columns = np.mgrid[:40, :40]
    picture = np.stack([3 * rows, 3 * columns, rows + columns], 2).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    quality = {"lossless": True} if ending == "webp" else {"quality": 100}
    Image.fromarray(picture).save(tmp_path / f"p.{ending}", exif=exif, **quality)
    done = run("--model_dir", exported, "--image", tmp_path / f"p.{ending}", "--save_dir", tmp_path / "out",
               "--dump_input", tmp_path / "x.bin")  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = np.fromfile(tmp_path / "x.bin", np.float32).reshape(3, 32, 32)
    steps = json.loads((exported / "manifest.json").read_text())["transforms"]
    shown = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / f"p.{ending}")))
    expected = Compose(steps)({"image": shown}, np.random.default_rng(0))["image"].transpose(2, 0, 1)
    np.testing.assert_allclose(found, expected, atol=0.1)  # two decoders of JPEG


def test_names_that_cannot_be_written_are_drawn_by_number(run, exported, tmp_path):
    cv2.imwrite(str(tmp_path / "p.png"), np.zeros((64, 160, 3), np.uint8))
    drawn = []
    for name in ("class {}", "\u7c7b {}", "c\u00e9 {}"):
        model = altered(exported, tmp_path / name, labels=[name.format(i) for i in range(10)])
        done = run("--model_dir", model, "--image", tmp_path / "p.png", "--save_dir", tmp_path / "out")
        assert done.returncode == 0, done.stderr
        top = json.loads((tmp_path / "out/results.json").read_text())["p.png"]["top"][0]
        assert top["label"] == name.format(top["index"])
        drawn.append(cv2.imread(str(tmp_path / "out/p.png")))
    assert drawn[0].any()
    np.testing.assert_array_equal(drawn[1], drawn[0])
    np.testing.assert_array_equal(drawn[2], drawn[0])


def test_the_same_results_as_the_python_client(run, trained, tmp_path):  # noqa: F811
    task, folder = trained
    export_model(folder / "run/best_model", tmp_path / "export", "lite", ["x86"])
    pictures = some_pictures(folder, tmp_path / "pictures")
    client("lite/python/run.py", "--model_dir", tmp_path / "export", "--image", pictures,
           "--save_dir", tmp_path / "python", "--threads", "1")  # fmt: skip
    done = run("--model_dir", tmp_path / "export", "--image", pictures, "--save_dir", tmp_path / "cpp")
    assert done.returncode == 0, done.stderr
    assert_alike(task, tmp_path / "python", tmp_path / "cpp")


ADB = """#!/bin/sh
set -eu
verb=$1; shift
there() { echo "$1" | sed "s#/data/local/tmp#$PHONE#g"; }
case $verb in
    shell) LD_PRELOAD=$PHONE/lite_client/names.so sh -c "$(there "$1")" ;;
    push) for target; do :; done
          while [ $# -gt 1 ]; do cp -rL "$1" "$(there "$target")"; shift; done ;;
    pull) cp -r "$(there "$1")" "$2" ;;
esac
"""


def test_a_trimap_as_the_python_client_takes_it(run, tmp_path):
    """Deep Image Matting on pictures that are resized, the trimap with them."""
    data = make("matting", tmp_path / "data", 8, 3)
    steps = "[{Resize: {size: 64}}, {Trimap: {width: 4}}, Normalize, TrimapChannel]"
    settings = [
        f"data.root={data}",
        "train.epochs=0",
        "model.args.scale=0.0625",
        f"data.eval_transforms={steps}",
    ]
    train(load_config(ROOT / "configs/matting/dim_sample.yml", settings), tmp_path / "run")
    export_model(tmp_path / "run/best_model", tmp_path / "export", "lite", targets="x86")
    (tmp_path / "trimaps").mkdir()
    for number in range(3):
        alpha = cv2.imread(str(data / f"alphas/val_000{number}.png"), cv2.IMREAD_GRAYSCALE)
        trimap = np.select([alpha < 3, alpha > 252], [0, 255], 128).astype(np.uint8)
        trimap = cv2.resize(trimap, [(70, 50), (64, 64), (41, 90)][number], interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(tmp_path / f"trimaps/{number}.png"), trimap)
    pictures = some_pictures(tmp_path, tmp_path / "pictures")
    given = [
        "--model_dir",
        tmp_path / "export",
        "--image",
        pictures,
        "--trimap",
        tmp_path / "trimaps",
        "--save_dir",
    ]
    client("lite/python/run.py", *given, tmp_path / "python")
    done = run(*given, tmp_path / "cpp")
    assert done.returncode == 0, done.stderr
    assert_alike("matting", tmp_path / "python", tmp_path / "cpp")
    for options, words in (
        (given[:4], "the model takes a trimap; give a grey picture of it with --trimap"),
        ([*given[:5], pictures / "none.png"], "has no readable trimap of 70x50"),
    ):
        done = run(*options, "--save_dir", tmp_path / "x")
        assert done.returncode == 2
        assert words in done.stderr


def test_the_script_for_phones(client_folder, exported, tmp_path):
    """run.sh with a stand-in of adb, whose phone is a folder here."""
    for name in ("bin", "phone", "libs", "pictures"):
        (tmp_path / name).mkdir()
    (tmp_path / "bin/adb").write_text(ADB)
    (tmp_path / "bin/adb").chmod(0o755)
    for library in (
        client_folder / "lib/liblite_pybind.so",
        client_folder / "lib/names.so",
        *(WHEEL / "libs").iterdir(),
    ):
        (tmp_path / "libs" / library.name).symlink_to(library)
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / "pictures" / name), np.zeros((32, 32, 3), np.uint8))
    places = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "PHONE": str(tmp_path / "phone")}
    command = ["sh", str(ROOT / "deploy/lite/cpp/run.sh"), "--client", str(client_folder / "out/lite_client"),
               "--libs", str(tmp_path / "libs"), "--model_dir", str(exported), "--image", str(tmp_path / "pictures"),
               "--save_dir", str(tmp_path / "fetched"), "--threads", "1 2", "--repeats", "3"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env=places)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("latency: median") == 2
    assert sorted(json.loads((tmp_path / "fetched/results.json").read_text())) == ["a.png", "b.png"]
    assert (tmp_path / "fetched/b.png").is_file()


def test_it_times_what_it_runs(run, exported, tmp_path):
    cv2.imwrite(str(tmp_path / "p.png"), np.zeros((32, 32, 3), np.uint8))
    done = run(
        "--model_dir",
        exported,
        "--image",
        tmp_path / "p.png",
        "--save_dir",
        tmp_path / "out",
        "--repeats",
        "7",
    )
    assert "latency: median" in done.stdout
    assert done.stdout.strip().endswith("7 runs")


def test_pictures_are_never_replaced(run, exported, tmp_path):
    for name in ("a.png", "a.jpg"):
        cv2.imwrite(str(tmp_path / name), np.zeros((32, 32, 3), np.uint8))
    done = run("--model_dir", exported, "--image", tmp_path, "--save_dir", f"{tmp_path}/../{tmp_path.name}/")
    assert done.returncode == 2
    assert "holds the input itself" in done.stderr
    assert run("--model_dir", exported, "--image", tmp_path, "--save_dir", tmp_path / "out").returncode == 0
    assert {p.name for p in (tmp_path / "out").glob("*.png")} == {"a.png.png", "a.jpg.png"}


def test_a_damaged_model_is_not_run(run, exported, tmp_path):
    cv2.imwrite(str(tmp_path / "p.png"), np.zeros((32, 32, 3), np.uint8))
    model = altered(exported, tmp_path / "m")
    whole = (model / "model_x86.nb").read_bytes()
    for damaged in (b"", whole[:1000], whole[:500] + bytes([whole[500] ^ 1]) + whole[501:], whole + b"x"):
        (model / "model_x86.nb").write_bytes(damaged)
        done = run("--model_dir", model, "--image", tmp_path / "p.png", "--save_dir", tmp_path / "out")
        assert done.returncode == 2
        assert "is not the file that the manifest is of" in done.stderr


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        ({"export": "onnx"}, [], "is no export of format lite"),
        ({"files": {}}, [], "has no model_x86.nb; export again with --targets x86"),
        ({"labels": 3}, [], "is damaged"),
        ({"transforms": ["Blur"]}, [], "asks for 'Blur', which this client does not know"),
        ({"transforms": []}, ["--power_mode", "fast"], "--power_mode: 'fast' is not known; valid: high"),
        ({"input": {"shape": [1, 3, 16, 16]}}, [], "make 32x32, the network takes 16x16"),
        ({"input": {"shape": [1, 4, 32, 32]}}, [], "takes 4 channels, the manifest's transforms make others"),
        ({"input": {"shape": [1, 5, 32, 32]}}, [], "must be [1, 3, height, width], or 4 with a trimap"),
        ({}, ["--threads", "none"], "--threads: 'none' must be 1 or more, up to 1024"),
        ({}, ["--speed", "9"], "'--speed' is not known"),
        ({}, ["--image", "/nowhere.png"], "'/nowhere.png' is not a readable picture"),
        ({"task": "poetry"}, [], "the task 'poetry' is not known"),
    ],
)
def test_mistakes_are_one_line(run, exported, tmp_path, changes, options, words):
    cv2.imwrite(str(tmp_path / "p.png"), np.zeros((32, 32, 3), np.uint8))
    model = altered(exported, tmp_path / "m", **changes)
    done = run("--model_dir", model, "--image", tmp_path / "p.png", "--save_dir", tmp_path / "out", *options)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
