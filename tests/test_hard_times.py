"""Full disks, kills, folders that cannot be written, readers that go away: nothing finished is lost, nothing
is left over, and what there is to say is one line."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import SEED, knowing

from paddleprune.config import load_config
from paddleprune.pipeline import train

ROOT = Path(__file__).resolve().parents[1]
SMALL = [
    "model.args.scale=0.25", "data.batch_size=16", "train.epochs=1",
    "data.train_transforms=[{Resize: {size: 32}}, Normalize]", "data.eval_transforms=[{Resize: {size: 32}}, Normalize]",
]  # fmt: skip


@pytest.fixture(scope="module")
def model(sample_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    settings = [f"data.root={sample_data}", *SMALL, "train.epochs=0"]
    train(
        load_config("configs/classification/mobilenet_v2_sample.yml", settings),
        folder,
        knowing("classification"),
    )
    return folder / "best_model"


def commands(data, model, out):
    """The commands that write, by name, writing into `out`."""
    return {
        "train": ["train", "--config", "configs/classification/mobilenet_v2_sample.yml", "--save_dir", out / "run",
                  "--set", f"data.root={data}", *SMALL],
        "sensitivity": ["sensitivity", "--model_dir", model, "--save_file", out / "s.json", "--ratios", "0.5",
                        "--shard", "1/8"],
        "infer": ["infer", "--model_dir", model, "--image", data / "images", "--save_dir", out / "drawn"],
        "export": ["export", "--model_dir", model, "--save_dir", out / "export", "--format", "inference"],
        "report": ["report", "--before", model, "--after", model, "--names", "a", "b", "--repeats", "2", "--threads",
                   "1", "--runtimes", "inference", "--save_file", out / "report.html"],
        "sample_data": ["sample_data", "--task", "matting", "--save_dir", out / "data"],
    }  # fmt: skip


WRITING = ["train", "sensitivity", "infer", "export", "report", "sample_data"]


def run(arguments, **options):
    command = [sys.executable, "-m", "paddleprune", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, text=True, **{"capture_output": True, **options})


def left_over(folder):
    return [str(p) for p in folder.rglob("*") if ".tmp" in p.name or p.name.endswith(".old")]


def bare(text):
    """Lines that are no bar."""
    return [line for line in text.replace("\r", "\n").splitlines() if line.strip() and "%|" not in line]


@pytest.mark.parametrize("name", WRITING)
def test_a_disk_that_is_full_at_a_random_byte(name, sample_data, model, tmp_path):
    limit = int(10 ** np.random.default_rng([SEED, WRITING.index(name)]).uniform(2, 5.5))
    done = run(
        commands(sample_data, model, tmp_path)[name],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode in (0, 2), done.stderr
    assert len(bare(done.stderr)) == (done.returncode == 2), done.stderr
    assert not left_over(tmp_path)
    for file in tmp_path.rglob("*.json"):
        json.loads(file.read_text())  # whole


KILLED = """
import os, signal, sys
place = 0
rename = os.replace

def counted(*paths):
    global place
    place += 1
    if place == {place}:
        if {before}:
            os.kill(os.getpid(), signal.SIGKILL)
        rename(*paths)
        os.kill(os.getpid(), signal.SIGKILL)
    rename(*paths)

os.replace = counted
from paddleprune.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("name", "place", "before"), [("train", 4, True), ("sensitivity", 2, False), ("export", 2, True)]
)
def test_a_kill_while_a_file_gets_its_name(name, place, before, sample_data, model, tmp_path):
    """Killed just before or after a rename; the same command then does its work and leaves nothing of before."""
    arguments = list(map(str, commands(sample_data, model, tmp_path)[name]))
    code = KILLED.format(place=place, before=before)
    killed = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    for file in tmp_path.rglob("*.json"):
        json.loads(file.read_text())
    done = run(arguments)
    assert done.returncode == 0, done.stderr
    assert not left_over(tmp_path)


def test_one_damaged_picture_does_not_cost_the_others(sample_data, model, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i in (0, 1):
        (pictures / f"{i}.jpg").write_bytes((sample_data / f"images/val_000{i}.jpg").read_bytes())
    (pictures / "bad.jpg").write_bytes(b"no picture")
    done = run(["infer", "--model_dir", model, "--image", pictures, "--save_dir", tmp_path / "out"])
    assert done.returncode == 2
    (line,) = bare(done.stderr)
    assert "bad.jpg" in line
    assert "1 of 3 pictures could not be read; the results of the other 2 are in" in line
    assert set(json.loads((tmp_path / "out/results.json").read_text())) == {"0.jpg", "1.jpg"}


def test_values_are_shown_where_they_cannot_be_written(model, tmp_path):
    (tmp_path / "file").write_text("")
    done = run(["eval", "--model_dir", model, "--save_file", tmp_path / "file" / "eval.json"])
    assert done.returncode == 2
    assert done.stdout.startswith("acc1 0.")
    assert "cannot create the folder" in bare(done.stderr)[-1]


def test_a_reader_that_goes_away_and_a_full_device(model):
    command = [
        sys.executable,
        "-m",
        "paddleprune",
        "groups",
        "--config",
        "configs/classification/mobilenet_v2_sample.yml",
    ]
    lister = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lister.stdout.close()
    _, err = lister.communicate()
    assert (lister.returncode, err) == (0, "")
    if Path("/dev/full").exists():
        with open("/dev/full", "w") as full:
            done = run(command[3:], capture_output=False, stdout=full, stderr=subprocess.PIPE)
        assert done.returncode == 2
        (line,) = bare(done.stderr)
        assert "No space left on device" in line or "cannot write to the standard output" in line


def test_two_runs_into_one_folder(sample_data, model, tmp_path):
    import fcntl

    (tmp_path / "run").mkdir()
    handle = os.open(tmp_path / "run", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    done = run(commands(sample_data, model, tmp_path)["train"])
    os.close(handle)
    assert done.returncode == 2
    assert "another process is writing a run into" in bare(done.stderr)[-1]
    assert not list((tmp_path / "run").iterdir())


def test_an_export_does_not_touch_what_is_not_its_own(model, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (tmp_path / "victim.txt").write_text("mine")
    (folder / "notes.txt").write_text("mine")
    files = {"../victim.txt": {}, "notes.txt": {}, "model.onnx": {}}
    (folder / "manifest.json").write_text(json.dumps({"export": "inference", "files": files}))
    (folder / "model.onnx").write_text("of an older export")
    done = run(
        ["export", "--model_dir", model, "--save_dir", folder, "--format", "inference", "--images", "16"]
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "victim.txt").read_text() == (folder / "notes.txt").read_text() == "mine"
    assert not (folder / "model.onnx").exists()


def test_the_version():
    assert run(["--version"]).stdout.startswith("paddleprune 0.")
