"""The whole way through the commands: data, train, analyse, prune, export, measure, report."""

import json
from pathlib import Path

import cv2
import pytest
from test_cli import CONFIG, SMALL

from paddleprune.cli import main
from paddleprune.export import lite
from paddleprune.pruning.sensitivity import Sensitivities

SETTINGS = [s for s in SMALL if not s.startswith("train.epochs")]


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    """Every step once; the folder, and what each step printed on stdout is checked by its files."""
    folder = tmp_path_factory.mktemp("walk")
    data, dense, pruned = folder / "data", folder / "dense", folder / "pruned"
    settings = ["--set", f"data.root={data}", *SETTINGS]
    form = "lite" if lite.installed() else "inference"
    budget = ["--sensitivities_file", f"{folder}/s.json", "--eval_metric_loss", "0.2"]
    retrain = ["train", "--config", CONFIG, "--pretrain_weights", f"{dense}/best_model"]
    steps = [
        ["sample_data", "--task", "classification", "--save_dir", str(data)],
        ["train", "--config", CONFIG, "--save_dir", str(dense), *settings, "train.epochs=2"],
        ["sensitivity", "--model_dir", f"{dense}/best_model", "--save_file", f"{folder}/s.json",
         "--ratios", "0.25,0.5,0.75", "--verify", "3"],
        [*retrain, "--save_dir", str(pruned), *budget, *settings, "train.epochs=1", "prune.recalibrate=2"],
        ["eval", "--model_dir", f"{pruned}/best_model", "--save_file", f"{folder}/eval.json"],
        ["infer", "--model_dir", f"{pruned}/best_model", "--image", f"{data}/images/val_0000.jpg",
         "--save_dir", f"{folder}/drawn"],
        ["export", "--model_dir", f"{pruned}/best_model", "--format", form, "--save_dir", f"{folder}/{form}"],
        ["benchmark", "--model", f"{dense}/best_model", "--model", f"{pruned}/best_model",
         "--runtime", form, "--repeats", "3", "--json", f"{folder}/latency.json"],
        ["report", "--sensitivities_file", f"{folder}/s.json", "--model_dir", f"{dense}/best_model",
         "--before", f"{dense}/best_model", "--after", f"{pruned}/best_model", "--repeats", "3",
         "--threads", "1", "--save_dir", f"{folder}/report"],
    ]  # fmt: skip
    for step in steps:
        assert main(step) == 0, step
    return folder


def test_the_steps_leave_their_files(walked):
    metrics = {run: json.loads((walked / run / "metrics.json").read_text()) for run in ("dense", "pruned")}
    assert metrics["pruned"]["macs"] < metrics["dense"]["macs"]
    assert metrics["pruned"]["pruning"]["dense"]["macs"] == metrics["dense"]["macs"]
    assert metrics["pruned"]["pruning"]["criterion"] == "l1_norm"
    table = Sensitivities.read(walked / "s.json")
    assert table.baseline == pytest.approx(metrics["dense"]["value"])
    assert all(set(curve) == {0.25, 0.5, 0.75} for curve in table.curves.values())
    evaluated = json.loads((walked / "eval.json").read_text())
    assert evaluated["acc1"] == pytest.approx(metrics["pruned"]["value"])


def test_the_exported_file_says_what_the_network_says(walked):
    form = "lite" if lite.installed() else "inference"
    manifest = json.loads((walked / form / "manifest.json").read_text())
    assert manifest["parity"]["max_abs_diff"] < 1e-4
    assert manifest["parity"]["trained"] == manifest["parity"]["exported"]


def test_figures_come_with_their_machine_and_command(walked):
    latency = json.loads((walked / "latency.json").read_text())
    assert [Path(row["model"]).parent.name for row in latency["rows"]] == ["dense", "pruned"]
    assert all(0 < row["p50_ms"] <= row["p95_ms"] for row in latency["rows"])
    compression = json.loads((walked / "report/compression.json").read_text())
    for result in (latency, compression):
        assert result["command"].startswith("paddleprune ")
        assert result["machine"]
        assert result["versions"]["paddlepaddle"]
    before, after = compression["rows"]
    assert before["variant"] == "original"
    assert before["before_retrain"] is None
    assert after["size_bytes"] < before["size_bytes"]
    assert after["latency_ms"]["inference_t1"] > 0


def test_pictures_are_pictures(walked):
    for name in (
        "report/sensitivities.png",
        "report/budget.png",
        "report/before_after.png",
        "drawn/val_0000.png",
    ):
        picture = cv2.imread(str(walked / name))
        assert picture is not None, name
        assert min(picture.shape[:2]) > 200
        assert picture.std() > 5
    assert not list(walked.rglob("*.tmp"))
