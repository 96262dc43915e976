"""Training in two processes is training in one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import knowing

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "configs/classification/mobilenet_v2_sample.yml"


def launch(tmp_path, *command, ranks=2):
    """Run a script in so many processes; the finished process."""
    start = [
        "-m",
        "paddle.distributed.launch",
        "--nproc_per_node",
        str(ranks),
        "--log_dir",
        str(tmp_path / "log"),
    ]
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "PADDLE_DISTRI_BACKEND": "gloo",
    }  # fmt: skip
    command = [sys.executable, *(start if ranks > 1 else []), *command]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_two_processes_train_the_network_of_one(tmp_path):
    script = str(Path(__file__).parent / "ranks_worker.py")
    for ranks in (1, 2):
        done = launch(tmp_path, script, str(tmp_path / f"of{ranks}"), ranks=ranks)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    alone, *both = (np.load(tmp_path / name) for name in ("of1.0.npz", "of2.0.npz", "of2.1.npz"))
    for name in alone.files:
        np.testing.assert_array_equal(both[0][name], both[1][name])
        if name == "acc":  # one decision may be a tie
            assert float(both[0][name]) == pytest.approx(float(alone[name]), abs=1 / 32 + 1e-6)
            continue
        np.testing.assert_allclose(both[0][name], alone[name], atol=1e-4)
        if name.endswith("weight"):
            assert np.abs(alone[name] - alone[f"{name} before"]).max() > 1e-3, "it was trained"


def test_one_of_two_processes_writes(sample_data, tmp_path):
    small = [
        "model.args.scale=0.25", "data.image_shape=[3,32,32]", "train.epochs=1", "data.batch_size=16",
        "train.learning_rate=0.0001",
        "data.eval_transforms=[{Resize: {size: 32}}, Normalize]", f"data.root={sample_data}",
        "data.train_transforms=[{Resize: {size: 32}}, Normalize]",
    ]  # fmt: skip
    run = tmp_path / "run"
    # Of a network that knows its data no decision is a tie, which rounding would decide.
    weights = ["--pretrain_weights", knowing("classification")]
    arguments = ["tools/train.py", "--config", CONFIG, "--save_dir", str(run), *weights, "--set", *small]
    done = launch(tmp_path, *arguments)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines].count("eval") == 1
    metrics = json.loads((run / "metrics.json").read_text())
    evaluated = launch(tmp_path, "tools/eval.py", "--model_dir", str(run / "best_model"), ranks=1)
    assert evaluated.returncode == 0, evaluated.stderr[-3000:]
    values = json.loads((run / "best_model" / "eval.json").read_text())
    assert values["acc1"] > 0.5
    assert values["acc1"] == pytest.approx(metrics["value"], abs=1e-9)  # all images, whoever saw them
    assert not list(run.glob("**/*.tmp"))


def test_a_batch_that_cannot_be_shared_is_one_line(sample_data, tmp_path):
    arguments = ["tools/train.py", "--config", CONFIG, "--save_dir", str(tmp_path / "run")]
    done = launch(tmp_path, *arguments, "--set", f"data.root={sample_data}", "data.batch_size=15")
    assert done.returncode != 0
    # whichever process ends first says it; the launcher then ends the other
    logs = "".join(path.read_text() for path in (tmp_path / "log").glob("workerlog.*"))
    assert "data.batch_size: 15 images cannot be shared equally by 2 processes" in logs
    assert "Traceback" not in logs
