"""A network that takes a trimap: `infer` and the Python clients say the same, and say what is missing."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddleprune import pipeline
from paddleprune.cli import main
from paddleprune.config import load_config
from paddleprune.data.sample_data import make
from paddleprune.export import lite

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = {"lite": "lite/python/run.py", "openvino": "openvino/run.py"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A trained folder with data, two pictures of a size that is not the network's, and their trimaps."""
    folder = tmp_path_factory.mktemp("dim")
    data = make("matting", folder / "data", 16, 4)
    settings = [
        f"data.root={data}",
        "data.batch_size=8",
        "data.workers=0",
        "model.args.scale=0.0625",
        "train.epochs=1",
    ]
    settings.append(
        "data.eval_transforms=[{Resize: {size: 64}}, {Trimap: {width: 4, least: 4}}, Normalize, TrimapChannel]"
    )
    pipeline.train(load_config(str(ROOT / "configs/matting/dim_sample.yml"), settings), folder / "run")
    for place in ("pictures", "trimaps"):
        (folder / place).mkdir()
    for i in range(2):
        picture = cv2.resize(cv2.imread(str(data / f"images/val_000{i}.jpg")), (100, 70))
        alpha = cv2.resize(cv2.imread(str(data / f"alphas/val_000{i}.png"), cv2.IMREAD_GRAYSCALE), (100, 70))
        cv2.imwrite(str(folder / f"pictures/{i}.png"), picture)
        cv2.imwrite(
            str(folder / f"trimaps/{i}.png"),
            np.select([alpha < 3, alpha > 252], [0, 255], 128).astype(np.uint8),
        )
    return folder


def alphas(folder):
    return [cv2.imread(str(folder / f"{i}_alpha.png"), cv2.IMREAD_GRAYSCALE).astype(int) for i in range(2)]


@pytest.mark.parametrize("form", CLIENTS)
def test_the_clients_say_what_infer_says(run, tmp_path, form):
    if form == "lite" and not lite.installed():
        pytest.skip("Paddle Lite is not installed")
    model = f"{run}/run/best_model"
    assert main(["export", "--model_dir", model, "--format", form, "--save_dir", f"{tmp_path}/export"]) == 0
    given = ["--trimap", f"{run}/trimaps"]
    assert (
        main(
            [
                "infer",
                "--model_dir",
                model,
                "--image",
                f"{run}/pictures",
                "--save_dir",
                f"{tmp_path}/infer",
                *given,
            ]
        )
        == 0
    )
    client = [sys.executable, str(ROOT / "deploy" / CLIENTS[form]), "--model_dir", f"{tmp_path}/export"]
    client += ["--image", f"{run}/pictures", "--save_dir", f"{tmp_path}/client"]
    done = subprocess.run([*client, *given], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for mine, theirs, number in zip(
        alphas(tmp_path / "infer"), alphas(tmp_path / "client"), range(2), strict=True
    ):
        assert np.abs(mine - theirs).max() <= 1  # rounding
        trimap = cv2.imread(f"{run}/trimaps/{number}.png", cv2.IMREAD_GRAYSCALE)
        inside = cv2.erode((trimap == 255).astype(np.uint8), np.ones((9, 9))) > 0  # away from resizing's rims
        assert (mine[inside] >= 254).all(), "what the trimap knows is known"
    for wrong, said in (
        ([], "give a grey picture of it with --trimap"),
        (["--trimap", str(tmp_path)], "has no readable trimap"),
    ):
        done = subprocess.run([*client, *wrong], capture_output=True, text=True)
        assert done.returncode == 2
        assert said in done.stderr


def test_a_trimap_that_is_missing_is_one_line(run, tmp_path, capsys):
    command = [
        "infer",
        "--model_dir",
        f"{run}/run/best_model",
        "--image",
        f"{run}/pictures/0.png",
        "--save_dir",
        f"{tmp_path}/x",
    ]
    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((5, 5), np.uint8))
    for more, said in (
        ([], "--trimap: the model takes one with each picture"),
        (["--trimap", f"{tmp_path}/0.png"], "make them equal"),
        (["--trimap", str(run / "pictures/0.png")], "colour picture"),
    ):
        assert main([*command, *more]) == 2
        assert said in capsys.readouterr().err
