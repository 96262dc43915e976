"""Configs: every file of ours loads and builds; every mistake has its line."""

from pathlib import Path

import pytest
import yaml

from paddleprune import models, tasks
from paddleprune.config import dump_config, load_config, parse_config
from paddleprune.data.transforms import Compose
from paddleprune.errors import UserError
from paddleprune.pruning.groups import find_groups

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted(p for p in (ROOT / "configs").rglob("*.yml") if "_base_" not in p.parts)
SAMPLE = ROOT / "configs/classification/mobilenet_v2_sample.yml"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_config_builds_a_model_that_can_be_pruned(path):
    config = load_config(path)
    labels = [str(i) for i in range(config.model.args.get("num_classes", 5))]
    args = tasks.make(config, labels).head.arguments(config.model.args)
    small = tuple(min(size, 64) for size in config.data.image_shape)  # channels do not depend on it
    groups = find_groups(models.build(config.model.name, args), small)
    assert len(groups) > 3
    Compose(config.data.train_transforms)
    Compose(config.data.eval_transforms)
    assert parse_config(yaml.safe_load(dump_config(config))) == config


def test_base_file_and_overrides_are_read_in_this_order(tmp_path):
    (tmp_path / "base.yml").write_text("train: {epochs: 3, seed: 7}\nprune: {align: 4}\n")
    (tmp_path / "c.yml").write_text(
        "_base_: base.yml\ntask: classification\nmodel: {name: mobilenet_v2}\n"
        "data: {reader: imagenet_list, root: d, image_shape: [3, 8, 8]}\ntrain: {epochs: 5}\n"
    )
    config = load_config(tmp_path / "c.yml", ["train.learning_rate=1e-3", "prune.target.macs=0.5"])
    assert (config.train.epochs, config.train.seed, config.prune.align) == (5, 7, 4)
    assert (config.train.learning_rate, config.prune.target.macs) == (0.001, 0.5)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.epoch=5", "train.epoch: unknown key; did you mean 'epochs'"),
        ("trian.epochs=5", "trian: unknown key; did you mean 'train'"),
        ("train.epochs=ten", "train.epochs: expected int, got 'ten'"),
        ("train.epochs=true", "train.epochs: expected int, got True"),
        ("train.epochs=-1", "train.epochs: -1 is out of range"),
        ("train.optimizer=sgdd", "train.optimizer: 'sgdd' is not known"),
        ("train.schedule=cosin", "did you mean 'cosine'"),
        ("prune.align=0", "prune.align: 0 is out of range"),
        ("prune.strategy=budget", "prune.strategy: 'budget' is not known"),
        ("prune.target.macs=1.5", "prune.target.macs: 1.5 is out of range"),
        ("data.image_shape=[3, 0, 8]", "data.image_shape"),
        ("data.image_shape=[3, a, 8]", "data.image_shape: expected list"),
        ("train=5", "train: expected a mapping"),
        ("train.epochs", "write key=value"),
        ("train.epochs=[", "not valid YAML"),
    ],
)
def test_a_wrong_key_or_value_is_named(override, words):
    with pytest.raises(UserError) as error:
        load_config(SAMPLE, [override])
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "not valid YAML"),
        ("- 1", "must be a mapping"),
        ("task: classification", "model: missing"),
        ("_base_: none.yml", "does not exist"),
    ],
)
def test_a_broken_file_is_named(tmp_path, text, words):
    (tmp_path / "c.yml").write_text(text)
    with pytest.raises(UserError, match=words):
        load_config(tmp_path / "c.yml")


def test_a_base_of_a_base_is_refused(tmp_path):
    (tmp_path / "a.yml").write_text("_base_: b.yml")
    (tmp_path / "b.yml").write_text("_base_: c.yml")
    with pytest.raises(UserError, match="cannot have a base"):
        load_config(tmp_path / "a.yml")


@pytest.mark.parametrize(
    ("specs", "words"),
    [
        (["RandomCrp"], "did you mean 'RandomCrop'"),
        ([{"RandomCrop": {"sise": 3}}], "RandomCrop"),
        ([{"RandomCrop": 3}], "must be a mapping"),
        ([{"CenterCrop": {"size": -1}}], "from 1 to"),
        ([{"a": {}, "b": {}}], "must be a name or one"),
        ([{"Normalize": {"mean": [0, 0, 0], "std": [0, 1, 1]}}], "std above 0"),
    ],
)
def test_a_wrong_transform_is_named(specs, words):
    with pytest.raises(UserError, match=words):
        Compose(specs)


def test_one_key_scales_all_that_is_in_pixels(tmp_path):
    config = load_config(ROOT / "configs/segmentation/unet_camvid.yml", ["size=48"])
    assert config.data.image_shape == [3, 48, 64]
    named = {next(iter(spec)): next(iter(spec.values())) for spec in config.data.train_transforms if isinstance(spec, dict)}  # fmt: skip
    assert (named["Resize"], named["RandomPaddingCrop"]) == ({"size": [60, 80]}, {"size": [48, 64]})
    assert named["ResizeStepScaling"] == {"min_scale": 0.75, "max_scale": 1.5, "step": 0.25}
    boxes = load_config(ROOT / "configs/detection/yolov3_bccd.yml", ["size=448"])
    assert boxes.train.sizes == [384, 448, 512]
    assert boxes.model.args["anchors"][:2] == [[28, 36], [50, 64]]
    assert {"DropSmallBoxes": {"size": 4}} in boxes.data.train_transforms
    for given in ("size=0", "size=big", "size=[64,64]"):
        with pytest.raises(UserError, match="whole number of pixels"):
            load_config(SAMPLE, [given])
    own = [p for p in CONFIGS if p.stem.endswith("_own")]
    assert {p.parent.name for p in own} == {"classification", "detection", "segmentation", "matting"}
    assert all(load_config(p, ["size=64"]).data.image_shape == [3, 64, 64] for p in own)
