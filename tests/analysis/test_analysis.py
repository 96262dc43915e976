"""A whole analysis: the same file however many processes found it, and whatever died on the way."""

import dataclasses
import json
import multiprocessing
import os
import signal
from pathlib import Path

import numpy as np
import psutil
import pytest
from conftest import LONG, knowing

from paddleprune.analysis import run, workers
from paddleprune.analysis.decoded import Decoded
from paddleprune.analysis.job import Job, Prepared
from paddleprune.analysis.run import RunOptions, analyse, analyse_enough
from paddleprune.cli import main
from paddleprune.config import load_config
from paddleprune.data.dataset import Batches, stratified_order
from paddleprune.errors import UserError
from paddleprune.pipeline import train
from paddleprune.pruning.sensitivity import Sensitivities

CONFIG = Path(__file__).parents[2] / "configs/classification/mobilenet_v2_sample.yml"
SMALL = [
    "model.args.scale=0.25", "data.image_shape=[3,32,32]", "train.epochs=0", "data.batch_size=16",
    "data.eval_transforms=[{Resize: {size: 32}}, Normalize]",
    "data.train_transforms=[{Resize: {size: 32}}, Normalize]",
]  # fmt: skip
PART = (1, 8)  # four groups are enough


@pytest.fixture(scope="module")
def job(sample_data, tmp_path_factory):
    """An analysis of a small model at three ratios."""
    folder = tmp_path_factory.mktemp("run")
    train(load_config(CONFIG, [f"data.root={sample_data}", *SMALL]), folder, knowing("classification"))
    return Job(str(folder / "best_model"), ratios=(0.2, 0.5, 0.8), threads=1)


@pytest.fixture(scope="module")
def whole(job, tmp_path_factory):
    """The file that one process makes."""
    file = tmp_path_factory.mktemp("whole") / "s.json"
    analyse(job, file, RunOptions(shard=PART))
    return file


def test_a_killed_worker_costs_its_unfinished_group(job, whole, tmp_path):
    """One of two workers is killed in mid-flight: the file is the one that a single process makes."""
    events, killed = [], []

    def listen(event):
        events.append(event)
        if not killed and event["groups_done"] == 2:
            victim = multiprocessing.active_children()[0]
            os.kill(victim.pid, signal.SIGKILL)
            killed.append(victim.pid)

    analyse(job, tmp_path / "s.json", RunOptions(shard=PART, workers=2, listener=listen))
    assert killed
    assert (tmp_path / "s.json").read_bytes() == whole.read_bytes()
    found = sum(len(event["points"]) for event in events)
    points = sum(map(len, Sensitivities.read(whole).curves.values()))
    assert points <= found <= points + 3  # at most one group's points twice


def test_a_group_that_kills_every_worker_ends_the_analysis(job, whole, tmp_path, monkeypatch):
    real = workers._Worker
    victim = list(Sensitivities.read(whole).curves)[-1]

    class Doomed(real):
        def give(self, group, curves):
            super().give(group, curves)
            if group == victim:
                self.process.kill()

    monkeypatch.setattr(workers, "_Worker", Doomed)
    with pytest.raises(UserError, match=f"{victim} killed 3 worker processes"):
        analyse(job, tmp_path / "s.json", RunOptions(shard=PART, workers=2))
    assert Sensitivities.read(tmp_path / "s.json").baseline > 0


@pytest.mark.skipif(
    not LONG, reason="a cluster takes a minute to start; PADDLEPRUNE_TEST_LONG=1 (make test-long)"
)
def test_a_cluster_makes_the_same_bytes_though_an_actor_is_killed(job, whole, tmp_path):
    ray = pytest.importorskip("ray")
    killed = []

    def listen(event):
        if not killed and event["groups_done"] >= 2:
            named = psutil.process_iter(["cmdline"])
            actors = [p for p in named if (p.info["cmdline"] or [""])[0].startswith("ray::_Actor")]
            killed.append(actors[0].pid)
            actors[0].kill()

    analyse(job, tmp_path / "s.json", RunOptions(shard=PART, workers=2, ray="local", listener=listen))
    assert killed
    assert not ray.is_initialized()
    assert (tmp_path / "s.json").read_bytes() == whole.read_bytes()


def test_no_cluster_is_one_line(job, tmp_path):
    pytest.importorskip("ray")
    with pytest.raises(UserError, match="no cluster answers at 'auto'"):
        analyse(job, tmp_path / "s.json", RunOptions(ray="auto", workers=0))


def test_what_does_not_fit_into_memory_goes_to_disk(job):
    ready = Prepared(job)
    one = 16 * 3 * 32 * 32 * 4
    spilled = Decoded(Batches(ready.images, 16, train=False), limit=one)
    again = [list(spilled), list(spilled)]
    assert len(spilled.kept) == 1
    assert len(spilled.places) == 2
    for batches in again:
        for found, expected in zip(batches, Batches(ready.images, 16, train=False).epoch(), strict=True):
            np.testing.assert_array_equal(found["image"], expected["image"])
            np.testing.assert_array_equal(found["label"], expected["label"])


def test_replay_says_the_same_when_nothing_is_kept_between_cuts(job, whole, tmp_path, monkeypatch):
    monkeypatch.setattr("paddleprune.pruning.replay.CACHE_BYTES", 0)
    analyse(job, tmp_path / "s.json", RunOptions(shard=PART))
    assert (tmp_path / "s.json").read_bytes() == whole.read_bytes()


def test_a_stratified_order_begins_with_all_classes_in_proportion(job):
    images = Prepared(job).images
    labels = np.array([images.reader.stratum(i) for i in stratified_order(images, seed=3)])
    assert sorted(stratified_order(images, seed=3)) == list(range(len(images)))
    share = np.bincount(labels, minlength=10) / len(labels)
    for n in (12, 24, 36):
        assert np.abs(np.bincount(labels[:n], minlength=10) - n * share).max() <= 1


def test_a_subset_says_how_sure_it_is(job, tmp_path):
    table = analyse(dataclasses.replace(job, subset=24), tmp_path / "s.json", RunOptions(shard=PART))
    assert table.provenance.images == 24
    assert table.note["subset"] == "24 of 48 images, stratified, seed 0"
    for name, curve in table.curves.items():
        for ratio, loss in curve.items():
            low, high = table.intervals[name][ratio]
            assert low <= loss <= high
    assert Sensitivities.read(tmp_path / "s.json") == table
    with pytest.raises(UserError, match=r"another (data set|number)"):
        analyse(job, tmp_path / "s.json", RunOptions(shard=PART))


def test_all_images_leave_open_what_others_would_say(job, whole):
    table = Sensitivities.read(whole)
    widths = []
    for name, curve in table.curves.items():
        for ratio, loss in curve.items():
            low, high = table.intervals[name][ratio]
            assert low <= loss <= high
            widths.append(high - low)
    assert max(widths) > 0.02  # 48 pictures are few


def test_an_automatic_subset_grows_until_it_is_sure(job, whole, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(run, "FIRST", 12)
    table = analyse_enough(job, tmp_path / "s.json", RunOptions(shard=PART))
    if table.provenance.images == 48:  # the data came to their end: the file of a full analysis
        assert (tmp_path / "s.json").read_bytes() == whole.read_bytes()
    sizes = []
    monkeypatch.setattr(run, "undecided", lambda intervals, budget: sizes.append(budget) or [])
    table = analyse_enough(job, tmp_path / "t.json", RunOptions(shard=PART))
    assert table.provenance.images == 12


def test_progress_for_programs(job, tmp_path, capfd):
    file = str(tmp_path / "s.json")
    arguments = ["--model_dir", job.model_dir, "--save_file", file, "--ratios", "0.2,0.8"]
    assert main(["sensitivity", *arguments, "--json", "--shard", "2/8"]) == 0
    events = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert events[-1]["event"] == "done"
    last = events[-2]
    groups = Sensitivities.read(file).curves
    assert last["groups_done"] == last["groups"] == len(groups)
    assert last["points_done"] == last["points_total"] == 2 * len(groups)
    means = {name: sum(curve.values()) for name, curve in groups.items()}
    assert means[last["most_sensitive"]] == max(means.values())
    assert means[last["least_sensitive"]] == min(means.values())
    assert last["eta_seconds"] == 0
