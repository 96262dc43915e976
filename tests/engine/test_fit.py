"""Training resumes exactly, stops on NaN, and schedules by formula."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import paddle
import pytest

from paddleprune import pipeline
from paddleprune.cli import main
from paddleprune.config import TrainConfig, load_config
from paddleprune.engine.checkpoint import load_model, read_weights
from paddleprune.engine.fit import rate_at
from paddleprune.engine.recalibrate import recalibrate
from paddleprune.errors import UserError
from paddleprune.pipeline import train

ROOT = Path(__file__).resolve().parents[2]
SMALL = [
    "model.args.scale=0.25",
    "data.image_shape=[3,32,32]",
    "data.eval_transforms=[{Resize: {size: 32}}, Normalize]",
    "data.train_transforms=[{RandomCrop: {size: 32}}, RandomHorizontalFlip, Normalize]",
    "data.batch_size=16",
    "train.epochs=2",
    "train.log_every=1",
    "train.save_every=1",
]


def command(data: Path, save_dir: Path) -> list[str]:
    return [
        sys.executable, str(ROOT / "tools/train.py"),
        "--config", str(ROOT / "configs/classification/mobilenet_v2_sample.yml"),
        "--save_dir", str(save_dir), "--set", f"data.root={data}", *SMALL,
    ]  # fmt: skip


SIGNALLED = """
import os, sys
sys.path.insert(0, {root!r})
from paddleprune.cli import main
from paddleprune.engine.hooks import Journal

write, lines = Journal.write, []

def write_and_die(self, *facts):
    write(self, *facts)
    lines.append(facts)
    if len(lines) == {line}:
        os.kill(os.getpid(), {number})

Journal.write = write_and_die
sys.exit(main(["train", *sys.argv[1:]]))
"""


def signalled(number: signal.Signals, line: int, *arguments: str) -> subprocess.CompletedProcess:
    """A training that sends itself a signal when that line of its log is written: of 6 steps an epoch and
    an evaluation the ninth is that of step 8, whose checkpoint is not there yet."""
    code = SIGNALLED.format(root=str(ROOT), line=line, number=int(number))
    return run_code(code, *arguments)


def run_code(code: str, *arguments: str) -> subprocess.CompletedProcess:
    quiet = {**os.environ, "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env=quiet,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # a job in the background is deaf to it
    )


def config_for(data: Path, *extra: str):
    path = ROOT / "configs/classification/mobilenet_v2_sample.yml"
    return load_config(path, [f"data.root={data}", *SMALL, *extra])


def journal(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.fixture
def one_thread():
    """Sums of several threads come in another order each time; one is Paddle's own choice."""
    threads = int(os.environ["OMP_NUM_THREADS"])  # Paddle has set it
    paddle.base.core.set_num_threads(1)
    yield
    paddle.base.core.set_num_threads(threads)


@pytest.mark.parametrize("optimizer", ["momentum", "adamw"])
def test_a_killed_run_goes_on_as_if_it_had_not_been(sample_data, tmp_path, optimizer, one_thread):
    """SIGKILL inside an epoch, then --resume_checkpoint: same log, same weights, bit for bit."""
    option = f"train.optimizer={optimizer}"
    assert main(["train", *command(sample_data, tmp_path / "a")[2:], option]) == 0
    killed = signalled(signal.SIGKILL, 9, *command(sample_data, tmp_path / "b")[2:], option)
    assert killed.returncode == -signal.SIGKILL
    assert json.loads((tmp_path / "b/latest/state.json").read_text())["step"] == 7
    assert main(["train", "--resume_checkpoint", str(tmp_path / "b")]) == 0
    assert journal(tmp_path / "a") == journal(tmp_path / "b")
    assert len([line for line in journal(tmp_path / "a") if line["kind"] == "train"]) == 12
    first, second = (read_weights(tmp_path / run / "latest/model.pdparams") for run in "ab")
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def test_a_run_leaves_what_the_next_step_needs(sample_data, tmp_path):
    metrics = train(config_for(sample_data), tmp_path)
    assert set(os.listdir(tmp_path)) >= {
        "config.yml", "log.jsonl", "vdl_log", "latest", "best_model", "metrics.json",
    }  # fmt: skip
    saved = load_model(tmp_path / "best_model")
    assert saved.facts["labels"] == [f"digit_{i}" for i in range(10)]
    assert saved.facts["metric"] == metrics["metric"] == "acc1"
    assert metrics["params"] < 400_000
    assert not [p for p in tmp_path.rglob("*") if ".tmp" in p.name or p.name.endswith(".old")]


def test_nan_stops_with_a_clear_message_and_keeps_the_checkpoint(sample_data, tmp_path):
    with pytest.raises(UserError, match=r"training stopped: .*learning rate"):
        train(config_for(sample_data, "train.learning_rate=1e30", "train.warmup_epochs=0"), tmp_path)
    kept = read_weights(tmp_path / "latest/model.pdparams")
    assert all(np.isfinite(array).all() for name, array in kept.items() if "_variance" not in name)


def test_a_run_that_is_told_to_stop_says_how_to_go_on(sample_data, tmp_path):
    folder = tmp_path / "a run"
    done = signalled(signal.SIGTERM, 9, *command(sample_data, folder)[2:])
    assert done.returncode == 143
    line = last_words(done)
    assert line.endswith(f"interrupted; go on with: python tools/train.py --resume_checkpoint '{folder}'")
    early = signalled(signal.SIGINT, 1, *command(sample_data, tmp_path / "b")[2:], "train.save_every=0")
    assert early.returncode == 130
    assert "there was no checkpoint yet, so nothing is kept" in last_words(early)


def last_words(done: subprocess.CompletedProcess) -> str:
    """What a command says on stderr besides its bars: one line."""
    assert "\x1b" not in done.stderr, "a log is no terminal"
    (line,) = [x for x in done.stderr.replace("\r", "\n").splitlines() if x.strip() and "%|" not in x]
    return line


WHILE_IMPORTING = """
import os, signal, sys
sys.path.insert(0, {root!r})

class Late:
    def find_spec(self, name, path=None, target=None):
        if name == "paddle.tensor":
            os.kill(os.getpid(), signal.SIGTERM)

sys.meta_path.insert(0, Late())
from paddleprune.cli import main
sys.exit(main(["groups", "--config", "none.yml"]))
"""


def test_a_signal_while_paddle_is_imported_waits():
    """A launcher ends all its processes when one fails, those that have just begun, too."""
    code = WHILE_IMPORTING.format(root=str(ROOT))
    done = run_code(code)
    assert done.returncode == 143
    assert last_words(done).startswith("paddleprune groups: interrupted; ")


def test_early_stopping(sample_data, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "score", lambda *_: {"acc1": 0.5, "acc5": 0.9})
    config = config_for(sample_data, "train.epochs=9", "train.early_stop=2")
    metrics = train(config, tmp_path)
    assert metrics["epochs"] == 3
    again = train(config, tmp_path, resume=True)  # what has stopped stays stopped
    assert again["epochs"] == metrics["epochs"]


def test_no_epoch_saves_the_network_as_it_is(sample_data, tmp_path):
    metrics = train(config_for(sample_data, "train.epochs=0"), tmp_path)
    assert 0 <= metrics["value"] <= 1
    assert load_model(tmp_path / "best_model").plan is None


def test_the_learning_rate_by_hand():
    plan = TrainConfig(epochs=10, warmup_epochs=1, schedule="cosine", step_epochs=[4, 8])
    assert rate_at(0, plan, 10) == pytest.approx(0.1)
    assert rate_at(9, plan, 10) == pytest.approx(1.0)
    assert rate_at(55, plan, 10) == pytest.approx(0.5)
    assert rate_at(100, plan, 10) == pytest.approx(0.0)
    linear = TrainConfig(epochs=10, schedule="linear")
    assert [rate_at(s, linear, 10) for s in (0, 25, 100)] == pytest.approx([1, 0.75, 0])
    step = TrainConfig(epochs=10, schedule="step", step_epochs=[4, 8])
    assert [rate_at(s, step, 10) for s in (39, 40, 80)] == pytest.approx([1, 0.1, 0.01])
    assert rate_at(99, TrainConfig(epochs=10, schedule="constant"), 10) == 1


def test_recalibration_takes_the_plain_mean_of_the_batches():
    norm = paddle.nn.BatchNorm2D(2)
    network = paddle.nn.Sequential(norm)
    network.eval()
    x = np.random.default_rng(0).normal(3, 2, (3, 4, 2, 5, 5)).astype("float32")
    recalibrate(network, [{"image": batch} for batch in x], 2)
    means = x[:2].mean(axis=(1, 3, 4))
    np.testing.assert_allclose(norm._mean.numpy(), means.mean(0), rtol=1e-5)
    assert norm._momentum == 0.9
    assert not network.training
