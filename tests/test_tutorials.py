"""The tutorials' scripts run as they say, on small data."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import LONG, knowing

import paddleprune as pp
from paddleprune.data.sample_data import make
from paddleprune.export import lite

ROOT = Path(__file__).resolve().parents[1]
TUTORIALS = ROOT / "tutorials/compress"
# task -> arguments that make it quick, the name of its metric in what step 1 prints
TASKS = {
    "classification": (["--size", "32", "--scale", "0.25"], "top-1"),
    "segmentation": (["--size", "32"], "mIoU"),
    "matting": (["--size", "64", "--width", "8"], "MSE"),
    "detection": (["--width", "0.0625"], "mAP"),
}


def script(task, name, cwd, *arguments):
    command = [sys.executable, str(TUTORIALS / name), "--task", task, *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def environment():
    import os

    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize("task", TASKS)
def test_the_three_scripts(task, tmp_path):
    if task != "classification" and not LONG:
        pytest.skip("the scripts differ by a table; PADDLEPRUNE_TEST_LONG=1 (make test-long) runs all tasks")
    settings, metric = TASKS[task]
    small = ["--data", str(make(task, tmp_path / "data", 64, 16)), *settings]
    first = ["--pretrain_weights", knowing(task), "--epochs", "0"] if knowing(task) else ["--epochs", "1"]
    assert metric in script(task, "1_train.py", tmp_path, *small, *first)
    pictures = script(task, "2_analyse.py", tmp_path, *small, "--ratios", "0.5").split()
    assert [Path(p).name for p in pictures[-2:]] == ["sensitivities.png", "budget.png"]
    assert all((tmp_path / p).stat().st_size > 10_000 for p in pictures[-2:])
    form = "lite" if lite.installed() else "inference"
    prune = ["--epochs", "1", "--eval_metric_loss", "0.5", "--export", form]
    text = script(task, "3_prune.py", tmp_path, *small, *prune)
    assert "best_model" in text
    save = tmp_path / f"output/tutorial_{task}"
    dense, pruned = (json.loads((save / run / "metrics.json").read_text()) for run in ("dense", "pruned"))
    assert pruned["macs"] < dense["macs"]
    assert (save / form / "manifest.json").exists()
    model = pp.load_model(save / "pruned/best_model")
    assert model.evaluate()[pruned["metric"]] == pytest.approx(pruned["value"])


def test_the_trimap_script(tmp_path):
    """Every step of it, on a few small pictures and for an epoch."""
    pytest.importorskip("openvino")
    if not LONG:
        pytest.skip("eight commands, a minute; PADDLEPRUNE_TEST_LONG=1 (make test-long) runs them")
    make("matting", tmp_path / "data", 32, 8)
    settings = ["train.epochs=1", "model.args.scale=0.0625", "data.batch_size=8", "data.workers=0"]
    places = {"PYTHON": sys.executable, "DATA": str(tmp_path / "data"), "OUT": str(tmp_path / "out")}
    command = ["sh", "tutorials/trimap/run.sh", *settings]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**environment(), **places})
    assert done.returncode == 0, done.stderr[-2000:]
    runs = {name: json.loads((tmp_path / "out" / name / "metrics.json").read_text())
            for name in ("teacher", "sparse", "student", "ours")}  # fmt: skip
    assert runs["sparse"]["params"] == runs["teacher"]["params"]
    assert runs["student"]["params"] < runs["teacher"]["params"]
    assert runs["ours"]["params"] <= 0.3 * runs["teacher"]["params"]
    assert (tmp_path / "out/report.html").stat().st_size > 50_000
    assert (tmp_path / "out/openvino/manifest.json").exists()


def test_errors_of_the_api_are_one_line(sample_data, tmp_path):
    data = pp.datasets.ImageNet(str(sample_data), "train_list.txt", "labels.txt", ["Normalize"])
    elsewhere = pp.datasets.ImageNet(str(tmp_path), "val_list.txt", "labels.txt")
    model = pp.cls.MobileNetV2(num_classes=10)
    with pytest.raises(pp.UserError, match="labels.txt. does not exist"):
        model.train(1, data, elsewhere)
    with pytest.raises(pp.UserError, match="not trained yet"):
        model.predict("x.jpg")
    with pytest.raises(AttributeError, match="did you mean 'RandomCrop'"):
        pp.transforms.RandomCorp(3)
    with pytest.raises(AttributeError, match="no attribute"):
        pp.detectors  # noqa: B018


def test_a_network_of_ones_own(tmp_path):
    folder = ROOT / "tutorials/own_network"
    done = subprocess.run(
        [sys.executable, str(folder / "prune.py")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "group attention.qkv.weight (16 channels)" in done.stdout
    assert "network.py" in done.stdout, "the line of the forward is named"
    assert (tmp_path / "plan.json").exists()


@pytest.mark.parametrize("task", TASKS)
def test_the_table_of_the_scripts_makes_data_and_networks(task, tmp_path):
    make(task, tmp_path / "data", 8, 4)
    code = "from common import *; given = options(0); print(network(given, datasets(given)[0]).evaluate.__name__)"
    command = [sys.executable, "-c", code, "--task", task, "--data", str(tmp_path / "data")]
    done = subprocess.run(command, cwd=TUTORIALS, capture_output=True, text=True, env=environment())
    assert done.stdout == "evaluate\n", done.stderr[-2000:]


def test_the_lines_of_the_readme_run(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=environment()
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "->" in done.stdout
