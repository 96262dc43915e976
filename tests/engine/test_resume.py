"""A run goes on exactly, with what it began with, or not at all."""

import json
import os
import shutil

import numpy as np
import pytest
from conftest import knowing

from paddleprune import pipeline
from paddleprune.config import dump_config, load_config
from paddleprune.data.sample_data import make
from paddleprune.engine.checkpoint import load_model, read_weights
from paddleprune.engine.start import goes_on
from paddleprune.errors import UserError

SMALL = [
    "model.args.scale=0.25", "data.image_shape=[3,32,32]", "data.batch_size=8", "train.log_every=1",
    "data.train_transforms=[{Resize: {size: 32}}, Normalize]", "data.eval_transforms=[{Resize: {size: 32}}, Normalize]",
]  # fmt: skip


def config(data, *settings):
    return load_config(
        "configs/classification/mobilenet_v2_sample.yml", [f"data.root={data}", *SMALL, *settings]
    )


class Ended(BaseException):
    """As if the process had been killed."""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make("classification", tmp_path_factory.mktemp("data") / "digits", 32, 16)


@pytest.fixture(scope="module")
def begun(data, tmp_path_factory):
    """A run of one epoch of two, that was ended while the epoch was judged."""
    folder = tmp_path_factory.mktemp("run")
    real = pipeline.score

    def ended(*_):
        raise Ended

    pipeline.score = ended
    try:
        with pytest.raises(Ended):
            pipeline.train(config(data, "train.epochs=2"), folder)
    finally:
        pipeline.score = real
    return folder


def test_a_run_is_lost_only_where_that_is_asked_for(begun, data, tmp_path, caplog):
    run, other = shutil.copytree(begun, tmp_path / "run"), config(data, "train.epochs=2", "train.seed=5")
    with pytest.raises(UserError, match=r"broken off, of another train.seed \(0, now 5\).* --overwrite"):
        pipeline.train(other, run)
    assert json.loads((run / "latest/state.json").read_text())["epoch"] == 1
    pipeline.train(config(data, "train.epochs=2"), run)  # the same command goes on
    assert [line["kind"] for line in map(json.loads, (run / "log.jsonl").read_text().splitlines())].count(
        "eval"
    ) == 2
    with pytest.raises(UserError, match="holds a finished run"):
        pipeline.train(other, run)
    pipeline.train(other, run, overwrite=True)
    assert "held is replaced" in caplog.text
    assert load_config(run / "config.yml").train.seed == 5


@pytest.mark.parametrize(
    ("now", "same"),
    [("models/a", True), ("./models/a/", True), ("{here}/models/a", True), ("models/b", False), ("", False)],
)
def test_a_place_may_be_spelt_otherwise_when_a_run_goes_on(begun, data, tmp_path, monkeypatch, now, same):
    run = shutil.copytree(begun, tmp_path / "run")
    again = config(data, "train.epochs=2", f"model.weights='{now.format(here=tmp_path)}'")
    (run / "config.yml").write_text(dump_config(config(data, "train.epochs=2", "model.weights=models/a")))
    monkeypatch.chdir(tmp_path)
    if same:
        assert goes_on(run, again)
    else:
        with pytest.raises(UserError, match=r"of another model.weights \('models/a', now"):
            goes_on(run, again)


def test_an_epoch_is_saved_before_it_is_judged(begun, data, tmp_path):
    state = json.loads((begun / "latest/state.json").read_text())
    assert (state["epoch"], state["judged"], state["best"]) == (1, 0, None)
    whole = tmp_path / "whole"
    pipeline.train(config(data, "train.epochs=2"), whole)
    resumed = shutil.copytree(begun, tmp_path / "resumed")
    pipeline.train(config(data, "train.epochs=2"), resumed, resume=True)
    assert (resumed / "log.jsonl").read_text() == (whole / "log.jsonl").read_text()
    for part in ("latest", "best_model"):
        mine, other = (read_weights(run / part / "model.pdparams") for run in (resumed, whole))
        for name in mine:
            np.testing.assert_array_equal(mine[name], other[name])


def altered(data, tmp_path, change):
    """A copy of the data with a change."""
    copy = shutil.copytree(data, tmp_path / "data")
    change(copy)
    return copy


def swapped(copy):
    lines = (copy / "labels.txt").read_text().splitlines()
    (copy / "labels.txt").write_text("\n".join([lines[1], lines[0], *lines[2:]]))


def added(copy):
    (copy / "labels.txt").write_text((copy / "labels.txt").read_text() + "another\n")


def shortened(copy):
    lines = (copy / "train_list.txt").read_text().splitlines(keepends=True)
    (copy / "train_list.txt").write_text("".join(lines[:-1]))


@pytest.mark.parametrize(
    ("change", "words"),
    [(swapped, "data.labels: the classes are"), (added, "data.labels: the classes are"),
     (shortened, "data.train_list: its lines or files are not those")],
)  # fmt: skip
def test_other_data_are_refused(begun, data, tmp_path, change, words):
    run = shutil.copytree(begun, tmp_path / "run")
    with pytest.raises(UserError, match=words):
        pipeline.train(config(altered(data, tmp_path, change), "train.epochs=2"), run, resume=True)
    moved = altered(data, tmp_path / "elsewhere", lambda copy: None)  # the same data under another path
    pipeline.train(config(moved, "train.epochs=1"), run, resume=True)


def test_other_settings_are_refused(begun, data, tmp_path):
    run = shutil.copytree(begun, tmp_path / "run")
    for setting, words in (
        ("train.learning_rate=0.5", "train.learning_rate: 0.5, but the run"),
        ("data.batch_size=4", "data.batch_size: 4, but the run"),
        ("model.args.scale=0.35", "model.args: .* but the run"),
    ):
        with pytest.raises(UserError, match=words):
            pipeline.train(config(data, "train.epochs=2", setting), run, resume=True)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("latest/state.json", '{"epoch": -1}'), ("latest/state.json", '{"epoch": "1"}'), ("latest/state.json", "[]"),
        ("latest/state.json", '{"epoch": 1, "best": NaN}'), ("latest/optimizer.pdopt", "x"),
        ("latest/model.yml", "format: 1\nlabels: 5\n"), ("latest/model.yml", ""), ("config.yml", "task: [1]"),
    ],
)  # fmt: skip
def test_edited_files_are_one_line(begun, data, tmp_path, file, text):
    run = shutil.copytree(begun, tmp_path / "run")
    (run / file).write_text(text)
    with pytest.raises(UserError):
        pipeline.train(config(data, "train.epochs=2"), run, resume=True)


def test_a_new_run_does_not_wear_the_old_ones_clothes(data, tmp_path, monkeypatch):
    pipeline.train(config(data, "train.epochs=0"), tmp_path / "run", knowing("classification"))
    assert (tmp_path / "run/best_model").is_dir()

    def ended(*_):
        raise Ended

    monkeypatch.setattr(pipeline, "score", ended)
    with pytest.raises(Ended):
        pipeline.train(config(data, "train.epochs=1"), tmp_path / "run", overwrite=True)
    left = set(os.listdir(tmp_path / "run"))
    assert not left & {"best_model", "metrics.json"}
    assert "latest" in left


def test_weights_that_are_no_numbers_are_refused(data, tmp_path):
    import paddle

    pipeline.train(config(data, "train.epochs=0"), tmp_path / "run", knowing("classification"))
    file = tmp_path / "run/best_model/model.pdparams"
    weights = read_weights(file)
    weights["classifier.1.bias"][3] = np.nan
    paddle.save({name: paddle.to_tensor(array) for name, array in weights.items()}, str(file))
    with pytest.raises(UserError, match=r"values that are no numbers \(in classifier\.1\.bias\)"):
        load_model(tmp_path / "run/best_model")
    with pytest.raises(UserError, match="values that are no numbers"):
        pipeline.train(config(data, "train.epochs=0"), tmp_path / "other", str(file))


def test_random_weights_are_not_pruned(data, tmp_path):
    settings = ["train.epochs=0", "prune.strategy=uniform", "prune.ratio=0.5"]
    with pytest.raises(UserError, match="--pretrain_weights: missing"):
        pipeline.train(config(data, *settings), tmp_path / "run")
    pipeline.train(config(data, *settings, "prune.weights=scratch"), tmp_path / "run")


def test_a_run_with_first_weights_goes_on_by_its_config_alone(data, tmp_path):
    """The command names neither the weights nor the sensitivities again."""
    from paddleprune.engine.start import as_begun, resumed_config

    file = tmp_path / "c.yml"
    file.write_text(dump_config(config(data, "train.epochs=1")))
    pipeline.train(load_config(file), tmp_path / "run", knowing("classification"))
    assert resumed_config(tmp_path / "run", str(file), []).model.weights == knowing("classification")
    assert as_begun(load_config(file), tmp_path / "run") == load_config(tmp_path / "run/config.yml")
    pipeline.train(load_config(file), tmp_path / "run", resume=True)
    assert load_config(tmp_path / "run/config.yml").model.weights == knowing("classification")
