"""The whole way through the commands: data, train, analyse, prune, export, measure, report."""

import json
from pathlib import Path

import cv2
import pytest
from conftest import knowing
from test_cli import CONFIG, SMALL

from paddleprune.cli import main
from paddleprune.data.sample_data import make
from paddleprune.export import lite
from paddleprune.pruning.sensitivity import Sensitivities

ROOT = Path(__file__).resolve().parents[1]
# task -> config, settings that make it quick, and names of outputs' files
WALKS = {
    "classification": (CONFIG, [s for s in SMALL if not s.startswith("train.epochs")], []),
    "detection": (
        str(ROOT / "configs/detection/yolov3_sample.yml"),
        ["data.batch_size=8", "model.args.width=0.0625", "data.workers=0"],
        [],
    ),
    "segmentation": (
        str(ROOT / "configs/segmentation/unet_sample.yml"),
        ["train.losses={CrossEntropyLoss: 0.8, DiceLoss: 0.2}"],
        ["val_0000_mask.png"],
    ),
    "matting": (
        str(ROOT / "configs/matting/modnet_sample.yml"),
        ["model.args.width=8"],
        ["val_0000_alpha.png"],
    ),
}


# Of these networks a part of the groups is enough.
PARTS = {"classification": "1/4", "detection": "1/4", "segmentation": "1/3", "matting": "1/10"}


@pytest.fixture(scope="module", params=WALKS)
def walked(request, tmp_path_factory):
    """Every step once; the folder, and what each step printed on stdout is checked by its files."""
    task, (config, settings, _) = request.param, WALKS[request.param]
    folder = tmp_path_factory.mktemp("walk")
    data, dense, pruned = make(task, folder / "data", 64, 16), folder / "dense", folder / "pruned"
    settings = ["--set", f"data.root={data}", *settings]
    form = "lite" if lite.installed() else "inference"
    budget = ["--sensitivities_file", f"{folder}/s.json", "--eval_metric_loss", "0.2"]
    retrain = ["train", "--config", config, "--pretrain_weights", f"{dense}/best_model"]
    gently = ["train.learning_rate=1e-5", "train.warmup_epochs=0", "--pretrain_weights", knowing(task)]
    gently = gently if knowing(task) else []
    steps = [
        ["train", "--config", config, "--save_dir", str(dense), *settings, "train.epochs=1", *gently],
        ["sensitivity", "--model_dir", f"{dense}/best_model", "--save_file", f"{folder}/s.json",
         "--ratios", "0.25,0.5,0.75", "--verify", "2", "--shard", PARTS[task]],
        [*retrain, "--save_dir", str(pruned), *budget, *settings, "train.epochs=1", "prune.recalibrate=2"],
        ["eval", "--model_dir", f"{pruned}/best_model", "--save_file", f"{folder}/eval.json"],
        ["infer", "--model_dir", f"{pruned}/best_model", "--image", f"{data}/images/val_0000.jpg",
         "--save_dir", f"{folder}/drawn"],
        ["export", "--model_dir", f"{pruned}/best_model", "--format", form, "--save_dir", f"{folder}/{form}"],
        ["benchmark", "--model_dir", f"{dense}/best_model", "--model_dir", f"{pruned}/best_model",
         "--runtime", form, "--repeats", "3", "--json", f"{folder}/latency.json"],
        ["report", "--sensitivities_file", f"{folder}/s.json", "--model_dir", f"{dense}/best_model",
         "--before", f"{dense}/best_model", "--after", f"{pruned}/best_model", "--repeats", "3",
         "--threads", "1", "--save_dir", f"{folder}/report"],
    ]  # fmt: skip
    for step in steps:
        assert main(step) == 0, step
    for name in WALKS[task][2]:
        assert cv2.imread(str(folder / "drawn" / name)) is not None
    return folder


def test_the_sample_data_command(tmp_path):
    assert main(["sample_data", "--task", "segmentation", "--save_dir", str(tmp_path / "data")]) == 0
    assert len((tmp_path / "data/train_list.txt").read_text().splitlines()) == 600


def test_the_steps_leave_their_files(walked):
    metrics = {run: json.loads((walked / run / "metrics.json").read_text()) for run in ("dense", "pruned")}
    assert metrics["pruned"]["macs"] < metrics["dense"]["macs"]
    assert metrics["pruned"]["pruning"]["dense"]["macs"] == metrics["dense"]["macs"]
    assert metrics["pruned"]["pruning"]["criterion"] == "reconstruction"
    assert metrics["pruned"]["pruning"]["compensated"] > 0
    assert "fewer params" in metrics["pruned"]["verdict"]
    table = Sensitivities.read(walked / "s.json")
    assert table.baseline == pytest.approx(metrics["dense"]["value"], abs=1e-5)
    assert all(set(curve) == {0.25, 0.5, 0.75} for curve in table.curves.values())
    evaluated = json.loads((walked / "eval.json").read_text())
    assert evaluated[metrics["pruned"]["metric"]] == pytest.approx(metrics["pruned"]["value"])


def test_the_exported_file_says_what_the_network_says(walked):
    form = "lite" if lite.installed() else "inference"
    parity = json.loads((walked / form / "manifest.json").read_text())["parity"]
    assert parity["max_abs_diff"] < 5e-4  # of values up to 1, float32 through up to a hundred layers
    # a pixel at a tie may turn, or a box that another one just hides
    assert parity["same_decisions"] is None or parity["same_decisions"] > 0.995
    # the metric may move by a decision: boxes whose scores are equal but for rounding change places
    assert parity["trained"] == pytest.approx(parity["exported"], abs=0.02)


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
