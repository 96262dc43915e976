"""From a folder of pictures to a checked file in one command, which goes on where it was broken off."""

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from test_cli import CONFIG

from paddleprune import pipeline
from paddleprune.cli import main
from paddleprune.config import dump_config, load_config
from paddleprune.data.images import write_image
from paddleprune.data.layouts import look
from paddleprune.data.readers import find_reader
from paddleprune.data.sample_data import make
from paddleprune.errors import UserError
from paddleprune.export import lite, parity
from paddleprune.recipes import MODELS, dense_config


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A folder a class."""
    folder = tmp_path_factory.mktemp("digits")
    data = make("classification", folder / "sample", 48, 16)
    labels = (data / "labels.txt").read_text().split()
    for name in ("train_list.txt", "val_list.txt"):
        for line in (data / name).read_text().splitlines():
            file, index = line.split()
            target = folder / "data" / labels[int(index)] / Path(file).name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(data / file, target)
    return folder / "data"


def interrupted(*args):
    raise KeyboardInterrupt


@pytest.mark.parametrize("task", MODELS)
def test_a_recipe_fits_the_data(task, tmp_path):
    """The size is one that the pictures fill, half of it where time is short; a config comes of it that can be read."""
    found = look(make(task, tmp_path / "data", 24, 8), tmp_path / "made")
    side = {"classification": 48, "detection": 96, "segmentation": 64, "matting": 64}[task]
    if task == "classification":
        assert dense_config(found, "", "", minutes=1e6).data.image_shape == [3, side, side]
        side = 32
    config = dense_config(found, "", "", minutes=1e-6)
    assert config.data.image_shape == [3, side, side]
    assert config.train.epochs == 2, "the fewest, however short the time"
    assert config.data.batch_size == 2, "so that an epoch has steps"
    resized = [
        spec["Resize"]["size"]
        for spec in config.data.eval_transforms
        if isinstance(spec, dict) and "Resize" in spec
    ]
    assert not resized or resized == [side]


def test_a_config_for_data_of_ones_own(digits, tmp_path, capsys):
    """`init` writes what `train` takes, says the commands, and never writes over what is there."""
    command = ["init", "--data", str(digits), "--save_dir", str(tmp_path / "my own"), "--minutes", "0.001"]
    assert main(command) == 0
    said = capsys.readouterr().out
    file = tmp_path / "my own/config.yml"
    assert load_config(file).train.epochs == 2
    (line,) = [
        shlex.split(line)[1:]
        for line in said.splitlines()
        if line.startswith("  paddleprune train") and "pretrain" not in line
    ]
    assert main([*line, "--set", "train.epochs=0"]) == 0
    assert (tmp_path / "my own/dense/best_model/model.yml").is_file()
    capsys.readouterr()
    new = ["--save_dir", str(tmp_path / "x")]
    for wrong, words in (
        (command, "is there already"),
        ([*command[:3], *new, "--minutes", "0"], "--minutes: 0"),
        (
            [*command[:3], *new, "--weights", "imagenet"],
            "--weights: 'imagenet' does not exist; give IMAGENET",
        ),
        ([*command[:3], *new, "--model", "mobilnet_v2"], "did you mean 'mobilenet_v2'"),
        ([*command[:3], *new, "--model", "yolov3"], "yolov3"),
        (["init", "--data", str(tmp_path / "none"), *new], "there is no folder"),
    ):
        assert main(wrong) == 2
        assert words in capsys.readouterr().err
        assert not (tmp_path / "x").exists(), "nothing is left of what was refused"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a.txt": "nan 0.5 0.5 0.1 0.1"}, "in none of the layouts"),
        ({"a.txt": "0 0.5 0.5 0.1 0.1\n99999999 0.5 0.5 0.1 0.1"}, "a.txt:2: .* the class below 10000"),
        ({"t.json": '{"images": [1], "annotations": [], "categories": []}'}, r"images\[0\] is 1, without a valid"),
        ({"t.json": '{"images": [{"id": 1, "file_name": 5}], "annotations": [], "categories": []}'}, "'file_name'"),
        ({"t.json": '{"images": [], "annotations": [{"image_id": [1]}], "categories": []}'}, "'image_id'"),
    ],
)  # fmt: skip
def test_odd_layouts_are_one_line(files, words, tmp_path):
    write_image(tmp_path / "data/a.png", np.zeros((32, 32, 3), np.uint8))
    for name, text in files.items():
        (tmp_path / "data" / name).write_text(text)
    with pytest.raises(UserError, match=words):
        look(tmp_path / "data", tmp_path / "made")


def test_names_that_no_list_can_hold(tmp_path):
    for name in ("cat/a.png", "cat/b.png", "dog/a.png", "dog/b.png", ".ipynb_checkpoints/a.png"):
        write_image(tmp_path / "data" / name, np.zeros((32, 32, 3), np.uint8))
    (tmp_path / "data/cat/b.png").rename(
        tmp_path / "data/cat/at 10.00\u202fAM \u3000.png"
    )  # no ASCII, and no fault
    found = look(tmp_path / "data", tmp_path / "made")
    assert Path(found.labels).read_text().split() == ["cat", "dog"]
    assert len(find_reader(found.reader)(found.root, found.train_list, found.labels)) == 2
    (tmp_path / "data/cat/a.png").rename(tmp_path / "data/cat/a\tb.png")
    with pytest.raises(UserError, match=r"'cat/a.tb.png' has signs in its name"):
        look(tmp_path / "data", tmp_path / "made")
    (tmp_path / "data/cat/a\tb.png").rename(tmp_path / "data/cat/\udce9.png")  # not UTF-8
    with pytest.raises(UserError, match=r"has signs in its name"):
        look(tmp_path / "data", tmp_path / "made")


def test_the_whole_way(digits, tmp_path, capsys, monkeypatch):
    """Broken off behind both trainings, the same command goes on and does not train again."""
    out = tmp_path / "out"
    command = [
        "compress",
        "--data",
        str(digits),
        "--target",
        "size=0.5",
        "--save_dir",
        str(out),
        "--minutes",
        "0.0001",
    ]
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "export_model", interrupted)
        assert main(command) == 130
    assert f"what is finished is in {out}" in capsys.readouterr().err
    trained = (out / "dense/best_model/model.pdparams").stat().st_mtime_ns
    assert main(command) == 0
    said = capsys.readouterr().out
    assert (out / "dense/best_model/model.pdparams").stat().st_mtime_ns == trained
    assert "paddleprune train" not in said
    assert "== paddleprune export" in said
    assert "validation pictures; 95 % sure: " in said
    form = "lite" if lite.installed() else "inference"
    assert json.loads((out / form / "manifest.json").read_text())["parity"]["max_abs_diff"] < 1e-3
    assert (out / "report.html").stat().st_size > 100_000
    pruned = load_config(out / "pruned.yml")
    assert pruned.prune.target.params == 0.5
    monkeypatch.setattr(parity, "LOSS", 1.0)  # it knows next to nothing, so chance decides
    assert main([*command, "--format", "onnx", "--quant", "int8"]) == 0
    assert f"file: {out}/onnx_int8/model.onnx" in capsys.readouterr().out
    assert main(["compress", "--data", str(digits), "--target", "size=0.3", "--save_dir", str(out)]) == 2
    assert "was begun with another --target" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--target", "size=2"], "--target: 'size=2' must be one of size=0.25"),
        (["--target", "mb=-1"], "in (0, 1), or mb=2, megabytes"),
        (["--target", "mb=900"], "--target mb: 900 is out of range; the network has "),
        (["--target", "speed=0.5"], "--target: 'speed=0.5' must be"),
        (["--format", "nothing"], "--format: 'nothing' is not known"),
        (["--format", "mnn", "--quant", "int8"], "--quant: the format 'mnn' takes none"),
        (["--format", "onnx", "--quant", "int4"], "--quant: 'int4' is not known"),
        (["--minutes", "0"], "--minutes: 0.0 is out of range"),
        (["--data", "nowhere"], "--data: there is no folder 'nowhere'"),
    ],
)
def test_a_mistake_is_one_line(digits, tmp_path, capsys, arguments, said):
    usual = ["--data", str(digits), "--save_dir", str(tmp_path / "out")]
    assert main(["compress", *usual, *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "out/dense.yml").exists()


def test_a_folder_in_which_nothing_was_begun_takes_another_word(digits, tmp_path, capsys):
    usual = ["compress", "--data", str(digits), "--save_dir", str(tmp_path / "out"), "--minutes", "0.01"]
    assert main([*usual, "--model", "mobilenet_v9"]) == 2
    assert main([*usual, "--model", "mobilenet_v8"]) == 2
    assert "'mobilenet_v8' is not known" in capsys.readouterr().err
    assert main([*usual, "--weights", "nowhere.pdparams"]) == 2
    assert main([*usual, "--weights", "elsewhere.pdparams"]) == 2
    assert "elsewhere.pdparams" in capsys.readouterr().err, (
        "what it planned with the other file is planned anew"
    )


def test_a_trained_model_belongs_to_its_data(digits, tmp_path, capsys):
    run = tmp_path / "run"
    (run / "best_model").mkdir(parents=True)
    (run / "best_model/model.yml").write_text("format: 1\n")
    command = [
        "compress",
        "--data",
        str(digits),
        "--save_dir",
        str(tmp_path / "out"),
        "--weights",
        str(run / "best_model"),
    ]
    assert main(command) == 2
    assert "is not in the folder of its run" in capsys.readouterr().err
    config = load_config(CONFIG)
    (run / "config.yml").write_text(dump_config(config))
    assert main(command) == 2
    assert f"was trained on '{config.data.root}'; give that folder" in capsys.readouterr().err
