"""The commands: each user mistake is one line on stderr, exit code 2, and no traceback."""

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import paddle
import pytest

from paddleprune import models
from paddleprune.cli import main, parser
from paddleprune.config import load_config
from paddleprune.pipeline import train

ROOT = Path(__file__).resolve().parents[1]
CONFIG = str(ROOT / "configs/classification/mobilenet_v2_sample.yml")
SMALL = [
    "model.args.scale=0.25",
    "data.image_shape=[3,32,32]",
    "data.eval_transforms=[{Resize: {size: 32}}, Normalize]",
    "data.train_transforms=[{Resize: {size: 32}}, Normalize]",
    "train.epochs=0",
]


@pytest.fixture(scope="module")
def run(sample_data, tmp_path_factory):
    """A finished run on small data, not trained: {"data", "dir", "model"}."""
    folder = tmp_path_factory.mktemp("run")
    train(load_config(CONFIG, [f"data.root={sample_data}", *SMALL]), folder / "dense")
    pruned = [f"data.root={sample_data}", *SMALL, "prune.strategy=uniform", "prune.ratio=0.5"]
    train(load_config(CONFIG, pruned), folder / "pruned", str(folder / "dense/best_model"))
    return {"data": str(sample_data), "dir": folder, "model": str(folder / "dense/best_model"),
            "pruned": str(folder / "pruned/best_model")}  # fmt: skip


def fails(capsys, *arguments: str) -> str:
    """Run a command that must fail with one line; the line."""
    try:
        code = main(list(arguments))
    except SystemExit as stop:  # argparse
        code = stop.code
    captured = capsys.readouterr()
    lines = [line for line in captured.err.replace("\r", "\n").splitlines() if "paddleprune" in line]
    assert code == 2, captured
    assert "Traceback" not in captured.err
    assert len(lines) == 1, captured.err
    return lines[0]


def train_arguments(run, *extra):
    return ["train", "--config", CONFIG, "--overwrite", "--save_dir", str(run["dir"] / "out"),
            "--set", f"data.root={run['data']}", *SMALL, *extra]  # fmt: skip


MISTAKES = {
    "unknown verb": (["trian"], "invalid choice"),
    "no verb": ([], "required"),
    "missing option": (["train", "--save_dir", "x"], "--config: missing"),
    "no such config": (["train", "--config", "none.yml"], "'none.yml' does not exist"),
    "misspelt key": (["@train", "train.epoch=1"], "did you mean 'epochs'"),
    "misspelt model": (["@train", "model.name=mobilenet_v3"], "did you mean 'mobilenet_v2'"),
    "misspelt model argument": (["@train", "model.args.scael=1"], "scael"),
    "misspelt task": (["@train", "task=clasification"], "did you mean 'classification'"),
    "misspelt reader": (["@train", "data.reader=imagenetlist"], "did you mean 'imagenet_list'"),
    "no data": (["@train", "data.root=nowhere"], "folder 'nowhere' does not exist"),
    "wrong class count": (["@train", "model.args.num_classes=7"], "labels.txt has 10 names"),
    "wrong image shape": (["@train", "data.image_shape=[3,64,64]"], "make them agree"),
    "no such weights": (["@train", "--pretrain_weights", "none.pdparams"], "does not exist"),
    "weights of a folder that is no model": (["@train", "--pretrain_weights", "{data}"], "no model directory"),
    "weights of another model": (["@train", "--pretrain_weights", "{dir}/other.pdparams"], "nothing in"),
    "weights that are no weights": (["@train", "--pretrain_weights", CONFIG], "cannot be read"),
    "weights that would run code": (["@train", "--pretrain_weights", "{dir}/evil.pdparams"], "refused"),
    "ImageNet weights of an odd width": (["@train", "--pretrain_weights", "IMAGENET"], "no weights for mobilenet_v2"),
    "a run over the model it starts from": (
        ["train", "--config", CONFIG, "--pretrain_weights", "{pruned}", "--save_dir", "{dir}/pruned",
         "--set", "data.root={data}"], "would be replaced"),
    "no such sensitivities": (["@train", "--sensitivities_file", "none.json"], "does not exist"),
    "broken sensitivities": (["@train", "--sensitivities_file", "{dir}/broken.json"], "not valid JSON"),
    "other JSON": (["@train", "--sensitivities_file", "{model}/../metrics.json"], "not of format 1"),
    "sensitivities of another model": (["@train", "--sensitivities_file", "{dir}/short.pickle"], "cannot be matched"),
    "budget out of range": (["@train", "--sensitivities_file", "DEFAULT", "--eval_metric_loss", "5"], "in [0, 1)"),
    "budget that is no number": (["@train", "--eval_metric_loss", "much"], "invalid float"),
    "a budget that prunes nothing": (
        ["@train", "--sensitivities_file", "DEFAULT", "--eval_metric_loss", "0.0001", "prune.align=64"], "nothing would be pruned"),
    "strategy without sensitivities": (["@train", "prune.strategy=for_target", "prune.target.macs=0.5"], "needs sensitivities"),
    "budget without sensitivities": (["@train", "--eval_metric_loss", "0.1"], "needs --sensitivities_file"),
    "two targets": (["@train", "--sensitivities_file", "DEFAULT", "prune.strategy=for_target", "prune.target.macs=0.5",
                     "prune.target.params=0.5"], "set one of"),
    "target out of reach": (["@train", "--sensitivities_file", "DEFAULT", "prune.strategy=for_target",
                             "prune.target.macs=0.0001"], "cannot be reached"),
    "misspelt criterion": (["@train", "prune.strategy=uniform", "prune.criterion=l1"], "criterion: 'l1' is not known"),
    "pruning twice": (["@train", "--pretrain_weights", "{pruned}", "--sensitivities_file", "DEFAULT"], "pruned already"),
    "nothing to resume": (["train", "--resume_checkpoint", "{dir}"], "has no checkpoint"),
    "resume with another config": (["train", "--resume_checkpoint", "{dir}/dense", "--config", CONFIG], "differs from"),
    "into a finished run": (["train", "--config", CONFIG, "--save_dir", "{dir}/dense"], "holds a finished run"),
    "resume and overwrite": (["train", "--resume_checkpoint", "{dir}/dense", "--overwrite"], "leave one of them out"),
    "resume elsewhere": (["train", "--resume_checkpoint", "{dir}/dense", "--save_dir", "{dir}/x"], "is not the run to resume"),
    "resume with another optimizer": (
        ["train", "--resume_checkpoint", "{dir}/dense", "--set", "train.optimizer=adam"], "cannot change in a run"),
    "resume with other weights": (
        ["train", "--resume_checkpoint", "{dir}/dense", "--pretrain_weights", "{model}"], "has it already"),
    "sensitivities for uniform": (["@train", "prune.strategy=uniform", "--sensitivities_file", "DEFAULT"], "takes none"),
    "pictures over themselves": (
        ["infer", "--model_dir", "{model}", "--image", "{data}/images", "--save_dir", "{data}/images"], "choose another folder"),
    "a budget out of range of a search": (
        ["sensitivity", "--model_dir", "{model}", "--save_file", "{dir}/s.json", "--eval_metric_loss", "7"], "in [0, 1)"),
    "batches of nothing": (
        ["sensitivity", "--model_dir", "{model}", "--save_file", "{dir}/s.json", "--batch_size", "0"], "1 or more"),
    "results without rows": (["report", "--results", "{model}/../metrics.json", "--save_dir", "{dir}/r"], "no compression rows"),
    "a folder in the place of a file": (["eval", "--model_dir", "{model}", "--save_file", "{dir}"], "cannot write"),
    "a width of nothing": (["@train", "model.args.scale=0"], "must be above 0"),
    "a width that is no number": (["@train", "model.args.scale=wide"], "do not fit"),
    "an odd transform": (["@train", "data.eval_transforms=[{{Resize: {{size: big}}}}]"], "do not fit"),
    "no model directory": (["eval", "--model_dir", "{data}"], "no model directory"),
    "damaged model directory": (["eval", "--model_dir", "{dir}/damaged"], "does not fit"),
    "other classes": (["eval", "--model_dir", "{model}", "--dataset", "{dir}/renamed"], "has other names"),
    "no such list": (["eval", "--model_dir", "{model}", "--list", "none.txt"], "does not exist"),
    "ratios out of range": (["sensitivity", "--model_dir", "{model}", "--save_file", "{dir}/s.json", "--ratios", "0.5,1"], "--ratios"),
    "analysis of a pruned model": (["sensitivity", "--model_dir", "{pruned}", "--save_file", "{dir}/s.json"], "is pruned already"),
    "a subset of nothing": (["@sensitivity", "--subset", "0"], "--subset: 0 is out of range; the list has 48"),
    "a subset that is too large": (["@sensitivity", "--subset", "49"], "--subset: 49 is out of range"),
    "a subset that is no number": (["@sensitivity", "--subset", "half"], "a number of images, or auto"),
    "a shard beyond the last": (["@sensitivity", "--shard", "4/3"], "numbered 1/3 to 3/3"),
    "a shard that is none": (["@sensitivity", "--shard", "third"], "must be K/N"),
    "no worker": (["@sensitivity", "--workers", "0"], "--workers: 0 is out of range"),
    "merging a file that is not there": (
        ["merge-sensitivities", "{dir}/none.json", "--save_file", "{dir}/m.json"], "none.json' does not exist"),
    "merging what is no table": (
        ["merge_sensitivities", "{dir}/no_table.json", "--save_file", "{dir}/m.json"], "is not of format"),
    "settings that prune nothing": (["@train", "prune.scope=nonsense"], "have no effect without --sensitivities_file"),
    "a target without its strategy": (
        ["@train", "--sensitivities_file", "DEFAULT", "prune.target.macs=0.5"], "prune.target: is for prune.strategy=for_target"),
    "threads without a latency": (
        ["@train", "--sensitivities_file", "DEFAULT", "prune.strategy=for_target", "prune.target.macs=0.5",
         "prune.target.threads=2"], "are for prune.target.latency"),
    "a threshold beyond 1": (["@train", "prune.threshold=2"], "prune.threshold: 2"),
    "adaptive pruning of another model": (["@train", "prune.strategy=adaptive_fixed"], "not for mobilenet_v2"),
    "losses of another task": (["@train", "train.losses={{DiceLoss: 1}}"], "mobilenet_v2 takes none for 'classification'"),
    "misspelt engine": (["sensitivity", "--model_dir", "{model}", "--save_file", "{dir}/s.json", "--engine", "fast"], "valid: plain, replay"),
    "no picture": (["infer", "--model_dir", "{model}", "--image", "{dir}", "--save_dir", "{dir}/o"], "no picture"),
    "a score of what has none": (["infer", "--model_dir", "{model}", "--image", "{data}/images", "--save_dir", "{dir}/o", "--score", "0.5"], "--score: what this model finds has none"),
    "unreadable picture": (["infer", "--model_dir", "{model}", "--image", CONFIG, "--save_dir", "{dir}/o"], "not a readable image"),
    "a file in the place of a folder": (["infer", "--model_dir", "{model}", "--image", "{data}/images", "--save_dir", CONFIG], "cannot create"),
    "misspelt format": (["export", "--model_dir", "{model}", "--save_dir", "{dir}/e", "--format", "nb"], "inference, lite"),
    "misspelt target": (["export", "--model_dir", "{model}", "--save_dir", "{dir}/e", "--format", "lite", "--targets", "armv8"], "valid: arm, x86"),
    "an export checked on nothing": (["export", "--model_dir", "{model}", "--format", "onnx", "--save_dir", "{dir}/o", "--images", "0"], "--images: 0"),
    "misspelt runtime": (["benchmark", "--model_dir", "{model}", "--runtime", "tensorrt"], "inference, lite"),
    "threads of nothing": (["benchmark", "--model_dir", "{model}", "--threads", "0"], "1 or more"),
    "nothing to report": (["report", "--save_dir", "{dir}/r"], "nothing to draw"),
    "sample data of no task": (["sample_data", "--task", "poetry", "--save_dir", "{dir}/p"], "no sample data"),
}  # fmt: skip


@pytest.fixture(scope="module")
def broken(run):
    """Files with something wrong in them, beside the run."""
    folder = run["dir"]
    (folder / "broken.json").write_text("{")
    (folder / "no_table.json").write_text("{}")
    (folder / "short.pickle").write_bytes(pickle.dumps({"x": {0.1: 0.2}}))
    paddle.save({"nothing.like.it": paddle.ones([2])}, str(folder / "other.pdparams"))
    (folder / "evil.pdparams").write_bytes(
        b"cposix\nsystem\n(S'touch " + str(folder / "trap").encode() + b"'\ntR."
    )
    shutil.copytree(run["model"], folder / "damaged")
    shutil.copy(Path(run["pruned"]) / "model.pdparams", folder / "damaged/model.pdparams")
    shutil.copytree(run["data"], folder / "renamed")
    (folder / "renamed/labels.txt").write_text("".join(f"other_{i}\n" for i in range(10)))
    return run


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_2(broken, capsys, name):
    arguments, words = MISTAKES[name]
    arguments = [argument.format(**broken) for argument in arguments]
    if arguments[:1] == ["@train"]:
        settings = [a for a in arguments[1:] if "=" in a and not a.startswith("-")]
        options = [a for a in arguments[1:] if a not in settings]
        arguments = [*train_arguments(broken, *settings), *options]
    if arguments[:1] == ["@sensitivity"]:
        file = str(broken["dir"] / "s.json")
        arguments = ["sensitivity", "--model_dir", broken["model"], "--save_file", file, *arguments[1:]]
    line = fails(capsys, *arguments)
    assert words in line
    assert not (broken["dir"] / "trap").exists()
    assert not list(broken["dir"].rglob("*.tmp"))


def test_there_are_enough_mistakes():
    assert len(MISTAKES) >= 40


@pytest.mark.parametrize("verb", sorted(parser()._subparsers._group_actions[0].choices))
def test_help_of_every_script_teaches(verb):
    script = ROOT / "tools" / f"{verb}.py"
    done = subprocess.run([sys.executable, str(script), "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"example: python tools/{verb}.py" in " ".join(done.stdout.split())
    for action in parser()._subparsers._group_actions[0].choices[verb]._actions:
        assert action.help, (verb, action.dest)


def test_a_pruned_model_is_retrained_as_it_is(run, capsys):
    assert main(train_arguments(run, "--pretrain_weights", run["pruned"])) == 0
    before, after = (json.loads((Path(p) / "metrics.json").read_text()) for p in (
        Path(run["pruned"]).parent, run["dir"] / "out"))  # fmt: skip
    assert after["params"] == before["params"]
    assert (run["dir"] / "out/best_model/plan.json").exists()


def test_layers_that_do_not_fit_are_listed(run, tmp_path, capsys):
    other = models.build("mobilenet_v2", {"num_classes": 3, "scale": 0.25})
    paddle.save(other.state_dict(), str(tmp_path / "w.pdparams"))
    arguments = train_arguments(run)
    assert main([*arguments[:1], "--pretrain_weights", str(tmp_path / "w.pdparams"), *arguments[1:]]) == 0
    text = capsys.readouterr().out
    assert "pretrained: 260 of 262 tensors" in text
    for name in ("weight", "bias"):
        assert f"not loaded: classifier.1.{name}" in text


def test_groups_names_every_layer(run, capsys):
    assert main(["groups", "--config", CONFIG]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 53
    assert all("group " in line or "stays whole: " in line for line in lines)
    assert main(["groups", "--model_dir", run["model"]]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 53
    assert main(["groups"]) == 2
    assert "--config, --model_dir: give one of them" in capsys.readouterr().err


def test_pictures_are_drawn(run, tmp_path, capsys):
    images = Path(run["data"]) / "images"
    assert (
        main(["infer", "--model_dir", run["model"], "--image", str(images), "--save_dir", str(tmp_path)]) == 0
    )
    results = json.loads((tmp_path / "results.json").read_text())
    assert len(results) == len(list(images.iterdir())) == len(list(tmp_path.glob("*.png")))
    top = results["val_0000.jpg"]["top"]
    assert len(top) == 5
    assert [t["score"] for t in top] == sorted((t["score"] for t in top), reverse=True)
    assert cv2.imread(str(tmp_path / "val_0000.png")).shape[1] == 320
    assert np.ptp(cv2.imread(str(tmp_path / "val_0000.png"))) > 100
