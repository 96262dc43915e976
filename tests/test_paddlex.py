"""Scripts as PaddleX 1.3's pruning tutorials are written run here; only the data, the epochs and the imports differ."""

import pytest
from conftest import knowing

import paddleprune as pdx
from paddleprune import models, paddlex_names
from paddleprune.data.sample_data import make
from paddleprune.errors import UserError


def test_a_classifiers_three_steps(tmp_path):
    data = make("classification", tmp_path / "vegetables_cls", 32, 16)
    transforms = pdx.cls.transforms
    train_transforms = transforms.Compose(
        [transforms.RandomCrop(crop_size=32), transforms.RandomHorizontalFlip(), transforms.Normalize()]
    )
    eval_transforms = transforms.Compose(
        [transforms.ResizeByShort(short_size=36), transforms.CenterCrop(crop_size=32), transforms.Normalize()]
    )
    lists = {"data_dir": str(data), "label_list": f"{data}/labels.txt"}
    train_dataset = pdx.datasets.ImageNet(
        file_list=f"{data}/train_list.txt", transforms=train_transforms, shuffle=True, **lists
    )
    eval_dataset = pdx.datasets.ImageNet(
        file_list=f"{data}/val_list.txt", transforms=eval_transforms, **lists
    )
    model = pdx.cls.MobileNetV2(num_classes=len(train_dataset.labels), scale=0.25)
    recipe = {
        "num_epochs": 1, "train_dataset": train_dataset, "train_batch_size": 8, "eval_dataset": eval_dataset,
        "lr_decay_epochs": [4, 6, 8], "learning_rate": 1e-5, "warmup_steps": 2, "save_interval_epochs": 1,
        "log_interval_steps": 1, "use_vdl": True, "early_stop": False, "early_stop_patience": 5,
    }  # fmt: skip
    model.train(save_dir=f"{tmp_path}/dense", pretrain_weights=knowing("classification"), **recipe)
    model = pdx.load_model(f"{tmp_path}/dense/best_model")
    sensitivities = f"{tmp_path}/mobilenetv2.sensitivities"
    curves = pdx.slim.prune.analysis(
        model, dataset=eval_dataset, batch_size=16, save_file=sensitivities, ratios=(0.5,), compensate=0,
        criterion="l1_norm",
    )  # fmt: skip
    assert curves
    model = pdx.cls.MobileNetV2(num_classes=len(train_dataset.labels), scale=0.25)
    metrics = model.train(
        save_dir=f"{tmp_path}/pruned", pretrain_weights=f"{tmp_path}/dense/best_model",
        sensitivities_file=sensitivities, eval_metric_loss=0.9, **recipe,
    )  # fmt: skip
    assert metrics["params"] <= metrics["pruning"]["dense"]["params"]


def test_a_detectors_and_a_segmenters_names(tmp_path):
    transforms = pdx.det.transforms
    found = transforms.Compose(
        [
            transforms.MixupImage(mixup_epoch=250), transforms.RandomDistort(), transforms.RandomExpand(),
            transforms.RandomCrop(), transforms.Resize(target_size=64, interp="RANDOM"),
            transforms.RandomHorizontalFlip(), transforms.Normalize(),
        ]
    )  # fmt: skip
    assert found == [
        {"Mixup": {}}, {"RandomDistort": {}}, {"RandomExpand": {}}, {"RandomBoxCrop": {}}, {"Resize": {"size": 64}},
        {"RandomHorizontalFlip": {}}, {"Normalize": {}},
    ]  # fmt: skip
    data = make("detection", tmp_path / "insect_det", 8, 4)
    lists = {"data_dir": str(data), "label_list": f"{data}/labels.txt"}
    train = pdx.datasets.VOCDetection(
        file_list=f"{data}/train_list.txt", transforms=found, shuffle=True, **lists
    )
    assert len(train) == 8
    seg = pdx.seg.transforms
    found = [
        seg.ResizeStepScaling(min_scale_factor=0.5, max_scale_factor=2.0),
        seg.RandomPaddingCrop(crop_size=32),
    ]
    assert found == [
        {"ResizeStepScaling": {"min_scale": 0.5, "max_scale": 2.0}},
        {"RandomPaddingCrop": {"size": 32}},
    ]
    assert pdx.cls.transforms.RandomCrop(crop_size=8) == {"RandomCrop": {"size": 8}}


@pytest.mark.parametrize("name", paddlex_names.CLASSIFIERS)
def test_every_classifier_of_the_shelf_is_there(name):
    model = getattr(pdx.cls, name)(num_classes=3)
    assert "classification" in models.card(model.name).heads
    if model.name != "classifier":
        assert callable(models.own._find(model.name))


@pytest.mark.parametrize(
    ("args", "said"),
    [({"backbone": "resnet19"}, "backbone 'resnet19' is not known; valid: mobilenet_v1"),
     ({"backbone": {"name": "os.system"}}, "model.name: 'os.system' is not known"),
     ({"backbone": {"depth": 3}}, "is not known; valid: "),
     ({"backbone": "resnet18", "scale": 0.5}, "has the widths that it has"),
     ({"backbone": {"name": "paddle.vision.resnet18"}}, "its maps")],
)  # fmt: skip
def test_what_is_no_backbone_is_said(args, said):
    with pytest.raises(UserError, match=said):
        models.build("classifier", {"num_classes": 3, **args})


@pytest.mark.parametrize("name", paddlex_names.SEGMENTERS)
def test_every_segmenter_of_the_shelf_is_built(name):
    pytest.importorskip("paddleseg")
    model = getattr(pdx.seg, name)(num_classes=3)
    assert models.build(model.name, model.args)


@pytest.mark.parametrize(
    ("shelf", "name", "said"),
    [("cls", "ResNet19", "did you mean 'ResNet1"),
     ("det", "FasterRCNN", "cannot be trained"), ("det", "PPYOLO", "PaddleX could not prune it")],
)  # fmt: skip
def test_what_is_not_here_is_said(shelf, name, said):
    with pytest.raises(AttributeError, match=said):
        getattr(getattr(pdx, shelf), name)


def test_what_has_no_effect_is_said(caplog):
    assert pdx.cls.transforms.ResizeByShort(short_size=8, max_size=16) == {"ResizeByShort": {"size": 8}}
    assert "transforms.ResizeByShort: max_size has no effect here" in caplog.text
    assert pdx.seg.transforms.ResizeByLong(long_size=8) == {"Resize": {"size": 8}}
    assert "their shape is not kept" in caplog.text
    paddlex_names.train_options({"warmup_start_lr": 0.1}, 20)
    assert "warmup_start_lr has no effect" in caplog.text


def test_options_of_train():
    found = paddlex_names.train_options(
        {"warmup_steps": 10, "lr_decay_epochs": [3], "use_vdl": True, "seed": 1}, 20
    )
    assert found == {"warmup_epochs": 0.5, "schedule": "step", "step_epochs": [3], "seed": 1}
    with pytest.raises(UserError, match="lr_decay_gamma"):
        paddlex_names.train_options({"lr_decay_gamma": 0.5}, 20)
