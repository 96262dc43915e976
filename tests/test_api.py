"""The faces take what scripts give: paths of every kind, folders apart, pictures of every shape."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import knowing

import paddleprune as pp
from paddleprune import models
from paddleprune.data.sample_data import make
from paddleprune.engine.checkpoint import fingerprint, load_model

SIZE = [{"Resize": {"size": 32}}, "Normalize"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make("classification", tmp_path_factory.mktemp("data") / "digits", 24, 12)


def sets(train, val, lists=("train_list.txt", "val_list.txt"), labels="labels.txt"):
    return [
        pp.datasets.ImageNet(folder, name, labels, SIZE)
        for folder, name in zip((train, val), lists, strict=True)
    ]


def trained(folder, *datasets, **options):
    model = pp.cls.MobileNetV2(num_classes=10, scale=0.25)
    model.train(0, *datasets, save_dir=str(folder), pretrain_weights=knowing("classification"), **options)
    return model


def test_a_loaded_model_goes_on_from_its_weights(data, tmp_path):
    datasets = sets(data, data)
    trained(tmp_path / "a", *datasets)
    pp.load_model(tmp_path / "a/best_model").train(0, *datasets, save_dir=str(tmp_path / "b"))
    first, second = (fingerprint(load_model(tmp_path / run / "best_model").network) for run in "ab")
    assert first == second


def test_paths_of_every_kind_are_the_same(data, tmp_path, monkeypatch):
    monkeypatch.chdir(data.parent)
    kinds = [
        (Path("digits"), "digits/", ("train_list.txt", Path("val_list.txt")), "labels.txt"),
        (str(data), data, ("digits/train_list.txt", str(data / "val_list.txt")), "digits/labels.txt"),
    ]
    for i, (train, val, lists, labels) in enumerate(kinds):
        model = trained(tmp_path / f"{i}", *sets(train, val, lists, labels))
        monkeypatch.chdir(tmp_path)
        assert load_model(model.model_dir).facts["data"]["val_list"] == "val_list.txt"
        monkeypatch.chdir(data.parent)
        assert model.evaluate()["acc1"] > 0.3


def test_folders_apart(data, tmp_path):
    for name in ("train", "val"):
        (tmp_path / name / "images").mkdir(parents=True)
        for file in (data / "images").glob(f"{name}_*"):
            shutil.copy(file, tmp_path / name / "images")
        shutil.copy(data / f"{name}_list.txt", tmp_path / name)
    shutil.copy(data / "labels.txt", tmp_path / "train")
    train, val = tmp_path / "train", tmp_path / "val"
    datasets = [
        pp.datasets.ImageNet(train, "train_list.txt", "labels.txt", SIZE),
        pp.datasets.ImageNet(val, "val_list.txt", train / "labels.txt", SIZE),
    ]
    model = trained(tmp_path / "run", *datasets)
    assert model.evaluate()["acc1"] > 0.3
    assert model.evaluate(datasets[1])["acc1"] > 0.3
    table = pp.slim.cal_params_sensitivities(model, str(tmp_path / "s.json"), datasets[1], ratios=[0.5])
    assert table


def test_every_network_here_has_its_face():
    shelves = {"classification": pp.cls, "detection": pp.det, "segmentation": pp.seg, "matting": pp.matting}
    for name in models.names():
        card = models.card(name)
        for task in card.heads:
            face = getattr(shelves[task], card.face)
            assert face(**card.args).name == name
            assert face.__doc__ == card.build.__doc__
    assert pp.det.YOLOv3(3, "MobileNetV2", None).args == {"num_classes": 3, "backbone": "mobilenet_v2"}
    assert pp.cls.ResNet18(3).args == pp.cls.ResNet18(num_classes=3).args == {"num_classes": 3}
    for call, words in (
        (
            lambda: pp.det.YOLOv3(3, "DarkNet54"),
            "backbone: 'DarkNet54' is not known; did you mean 'DarkNet53'",
        ),
        (lambda: pp.matting.MODNet(widht=8), "modnet: .*'widht'; it takes scale, width"),
        (lambda: pp.det.YOLOv3(), "yolov3: missing a required argument: 'num_classes'"),
        (lambda: pp.cls.ResNet18(), "resnet18: give num_classes, once"),
        (lambda: pp.cls.ResNet18(3, 99), "resnet18: give num_classes, once"),
        (lambda: pp.cls.ResNet18(3, num_classes=5), "resnet18: give num_classes, once"),
    ):
        with pytest.raises(pp.UserError, match=words):
            call()


def test_pictures_of_a_program(data, tmp_path):
    model = trained(tmp_path / "run", *sets(data, data))
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    label = model.predict(picture)["top"][0]["label"]
    assert model.predict(np.dstack([picture, picture[..., 0]]))["top"][0]["label"] == label
    assert model.predict(picture[..., 0])["top"]
    for wrong in (np.zeros((0, 5, 3), np.uint8), picture / 255, "none.jpg", ""):
        with pytest.raises(pp.UserError):
            model.predict(wrong)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda d, m: m.train("ten", *d, save_dir="x"), "train.epochs: expected int, got 'ten'"),
        (lambda d, m: m.train(1, *d, save_dir="x", train_batch_size="8"), "data.batch_size: expected int"),
        (
            lambda d, m: m.train(1, *d, save_dir="x", learning_rate="fast"),
            "train.learning_rate: expected float",
        ),
        (lambda d, m: m.train(1, *d, save_dir=""), "--save_dir: '' is no path"),
        (lambda d, m: pp.cls.MobileNetV2(num_classes="3").train(1, *d, save_dir="x"), "num_classes"),
        (lambda d, m: pp.slim.cal_params_sensitivities(object(), "s.json"), "model: a object; give what cls"),
        (
            lambda d, m: pp.slim.cal_params_sensitivities(m, "s.json", d[1], batch_size="8"),
            "--batch_size: '8'",
        ),
        (lambda d, m: m.export("x", "lite", targets="arm64"), "--targets: 'arm64' is not known"),
        (lambda d, m: pp.datasets.ImageNet("none", "a.txt", "b.txt").labels, "folder 'none' does not exist"),
        (lambda d, m: pp.datasets.ImageNet("", "a.txt", "b.txt"), "data_dir: '' is no path"),
        (lambda d, m: pp.load_model(""), "is no path"),
    ],
)
def test_mistakes_are_one_line(data, tmp_path, monkeypatch, call, words):
    monkeypatch.chdir(tmp_path)
    datasets = sets(data, data)
    with pytest.raises(pp.UserError) as error:
        call(datasets, trained(tmp_path / "run", *datasets))
    assert words in str(error.value)
