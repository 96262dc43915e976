"""PaddleX's faces over the pipeline: cls, det, seg, matting, datasets, transforms, slim, load_model.

    import paddleprune as pp

    train = pp.datasets.ImageNet("data/waste", "train_list.txt", "labels.txt", train_transforms)
    val = pp.datasets.ImageNet("data/waste", "val_list.txt", "labels.txt", eval_transforms)
    model = pp.cls.MobileNetV2(num_classes=5)
    model.train(num_epochs=20, train_dataset=train, eval_dataset=val, save_dir="output/dense")
    pp.slim.cal_params_sensitivities(model, "output/sensitivities.json", val)

Every call becomes a `Config` and a verb of pipeline.py; errors are `UserError`.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from . import paddlex_names, pipeline
from .analysis.job import Job
from .config import Config, parse_config
from .data_faces import Dataset, _Transforms
from .engine.checkpoint import load_model as _load
from .errors import UserError
from .infer import predict
from .lookup import suggest
from .pruning.sensitivity import RATIOS


class Model:
    """A network with its task. `model_dir` is where its best weights are, once it is trained."""

    def __init__(self, task: str, name: str, args: dict[str, Any], model_dir: str | Path | None = None):
        self.task, self.name, self.args = task, name, args
        self.model_dir = Path(model_dir) if model_dir else None

    def train(
        self,
        num_epochs: int,
        train_dataset: Dataset,
        eval_dataset: Dataset,
        train_batch_size: int = 32,
        save_dir: str = "output",
        pretrain_weights: str | None = None,
        optimizer: str = "momentum",
        learning_rate: float = 0.02,
        warmup_epochs: float = 1,
        early_stop_patience: int = 0,
        early_stop: bool | None = None,
        sensitivities_file: str | None = None,
        eval_metric_loss: float | None = None,
        resume: bool = False,
        resume_checkpoint: str | None = None,
        **train_options: Any,
    ) -> dict[str, Any]:
        """Train, or prune and retrain with `sensitivities_file`; see `pipeline.train`. A model that is trained
        already, or was loaded, goes on from its weights unless `pretrain_weights` names others.

        `train_options`: other keys of the config's `train` section, e.g. schedule="step"; PaddleX's own, as
        lr_decay_epochs and warmup_steps, are taken, too. `resume_checkpoint`: a run's folder, which goes on.
        Returns the metrics of the best model.
        """
        if resume_checkpoint is not None:
            save_dir, resume = str(resume_checkpoint), True
        if early_stop is not None:  # as PaddleX has it: after 5 evaluations
            early_stop_patience = (early_stop_patience or 5) if early_stop else 0
        counted = "warmup_steps" in train_options and type(train_batch_size) is int and train_batch_size > 0
        steps = len(train_dataset) // train_batch_size if counted else 1
        train_options = paddlex_names.train_options(train_options, steps)
        if pretrain_weights is None and self.model_dir is not None and not resume:
            pretrain_weights = str(self.model_dir)
        options = {
            "epochs": num_epochs,
            "optimizer": optimizer,
            "learning_rate": learning_rate,
            "warmup_epochs": warmup_epochs,
            "early_stop": early_stop_patience,
            **train_options,
        }
        config = self._config(train_dataset, eval_dataset, train_batch_size, options)
        metrics = pipeline.train(
            config, save_dir, pretrain_weights, sensitivities_file, eval_metric_loss, resume
        )
        self.model_dir = Path(save_dir) / "best_model"
        return metrics

    def evaluate(self, eval_dataset: Dataset | None = None) -> dict[str, float]:
        """All metrics on its validation data, or on another data set of the same classes."""
        if eval_dataset is None:
            return pipeline.evaluate_model(self.trained())
        return pipeline.evaluate_model(self.trained(), *self.source(eval_dataset))

    def predict(self, image: str | Path | np.ndarray, trimap: str | Path | None = None) -> dict[str, Any]:
        """The result for one picture: a path, or uint8 RGB [H, W, 3]; with a trimap's path where the model takes
        one."""
        return predict(self.trained(), image, trimap)

    def export(
        self, save_dir: str, format: str = "inference", targets: str | tuple[str, ...] = ("x86", "arm")
    ) -> dict:
        """Write an export that was checked against this model; returns its manifest. `targets`, of lite: x86,
        arm, or both."""
        return pipeline.export_model(self.trained(), save_dir, format, targets)

    def source(self, dataset: Dataset) -> tuple[str, str]:
        """(folder, list file) of a data set. Raises UserError if its transforms are not those that the
        model was trained with, which it is always evaluated with."""
        own = _load(self.trained()).facts["eval_transforms"]
        if dataset.transforms and _plain(dataset.transforms) != _plain(own):
            raise UserError(
                f"eval_dataset: its transforms {dataset.transforms} are not those of the training "
                f"({own}), which the model is evaluated with; leave them out"
            )
        return dataset.data_dir, dataset.file_list

    def trained(self) -> Path:
        """Its model directory. Raises UserError before it has one."""
        if self.model_dir is None:
            raise UserError(f"{self.name} is not trained yet; call train(), or load_model(dir)")
        return self.model_dir

    def _config(self, train: Dataset, val: Dataset, batch_size: int, options: dict) -> Config:
        data = {
            "reader": train.reader,
            "root": str(train.data_dir),
            "train_list": train.file_list,
            "val_list": val.file_list,
            "labels": train.label_list,
            "val_root": "" if _same(train.data_dir, val.data_dir) else val.data_dir,
            "train_transforms": train.transforms,
            "eval_transforms": val.transforms,
            "batch_size": batch_size,
            "image_shape": val.image_shape(),
        }
        model = {"name": self.name, "args": self.args}
        return parse_config({"task": self.task, "model": model, "data": data, "train": options})


def _same(first: str | Path, second: str | Path) -> bool:
    return Path(first).resolve() == Path(second).resolve()


def _plain(transforms: list) -> Any:
    return json.loads(json.dumps(transforms))  # a tuple in a script is a list in a model directory


def load_model(model_dir: str | Path) -> Model:
    """The model in a directory that training wrote."""
    facts = _load(model_dir).facts
    return Model(facts["task"], facts["model"]["name"], facts["model"]["args"], model_dir)


def _mobilenet_v2(num_classes: int, scale: float = 1.0) -> Model:
    """MobileNetV2 for `num_classes` classes; `scale` multiplies every width."""
    return Model("classification", "mobilenet_v2", {"num_classes": num_classes, "scale": scale})


def _mobilenet_v1(num_classes: int, scale: float = 1.0) -> Model:
    """MobileNetV1 for `num_classes` classes; `scale` multiplies every width."""
    return Model("classification", "mobilenet_v1", {"num_classes": num_classes, "scale": scale})


def _sensitivities(
    model: Model, save_file: str, eval_dataset: Dataset | None = None, batch_size: int = 8,
    criterion: str = "reconstruction", ratios: Sequence[float] = RATIOS, compensate: int = 256,
) -> dict[str, dict[float, float]]:  # fmt: skip
    """Analyse a trained model; {group: {ratio: relative loss}}, also in `save_file` (JSON).

    `compensate`: training pictures by which the layers behind removed channels make up for them; PaddleX has 0
    and criterion="l1_norm"."""
    if not isinstance(model, Model):
        raise UserError(
            f"model: a {type(model).__name__}; give what cls, det, seg, matting or load_model made, e.g. "
            "load_model('output/dense/best_model'); for a network of your own there is Pruner(network, example)"
        )
    source = model.source(eval_dataset) if eval_dataset else (None, None)
    how = {"batch_size": batch_size, "compensate": compensate}
    job = Job(model.trained(), *source, criterion, tuple(ratios), **how)
    return pipeline.analyse_model(job, save_file).curves


def _visualize(model: Model, sensitivities_file: str, save_dir: str = "./") -> list[Path]:
    """Pictures of the curves and of what each eval_metric_loss removes; their paths."""
    return pipeline.draw_sensitivities(sensitivities_file, model.trained(), save_dir)


def _unet(num_classes: int, scale: float = 1.0) -> Model:
    """UNet for `num_classes` classes; `scale` multiplies every width."""
    return Model("segmentation", "unet", {"num_classes": num_classes, "scale": scale})


def _modnet(scale: float = 1.0, width: int = 32) -> Model:
    """MODNet; `scale` multiplies the widths of its backbone, `width` is that of its other branches."""
    return Model("matting", "modnet", {"scale": scale, "width": width})


def _dim(scale: float = 1.0) -> Model:
    """Deep Image Matting, which takes a trimap; `scale` multiplies its widths."""
    return Model("matting", "dim", {"scale": scale})


def _yolov3(
    num_classes: int, backbone: str = "MobileNetV1", anchors: list | None = None, scale: float = 1.0,
    width: float = 1.0,
) -> Model:  # fmt: skip
    """YOLOv3 on MobileNetV1 or MobileNetV2. `anchors`: [width, height] in pixels of the network's input,
    from small to large (default: COCO's); `scale` multiplies the widths of the backbone, `width` those of
    what is behind it."""
    names = {"MobileNetV1": "mobilenet_v1", "MobileNetV2": "mobilenet_v2"}
    if backbone not in names:
        raise UserError(f"backbone: '{backbone}' is not known; {suggest(backbone, names)}")
    args: dict[str, Any] = {"backbone": names[backbone], "scale": scale, "width": width}
    more = {} if anchors is None else {"anchors": anchors}
    return Model("detection", "yolov3", {"num_classes": num_classes, **args, **more})


def _yolov2(num_classes: int, anchors: list | None = None, scale: float = 1.0) -> Model:
    """YOLOv2 on Darknet-19. `anchors`: [width, height] in pixels of the network's input (default: Pascal VOC's at
    416 px); `scale` multiplies its widths."""
    more = {} if anchors is None else {"anchors": anchors}
    return Model("detection", "yolov2", {"num_classes": num_classes, "scale": scale, **more})


class _Shelf:
    """Networks of a task by PaddleX's names: those of this package, and rows over other packages'."""

    def __init__(self, task: str, boxes: bool, own: dict[str, Any], rows: dict[str, tuple[str, dict]]):
        self._task, self._own, self._rows = task, own, rows
        self.transforms = _Transforms(boxes)

    def __getattr__(self, name: str) -> Any:
        if name in self._own:
            return self._own[name]
        if name not in self._rows:
            raise AttributeError(paddlex_names.missing(name, {**self._own, **self._rows}))
        path, usual = self._rows[name]
        return lambda num_classes, **args: Model(
            self._task, path, {"num_classes": num_classes, **usual, **args}
        )

    def __dir__(self) -> list[str]:
        return sorted([*self._own, *self._rows, "transforms"])


cls = _Shelf(
    "classification", False, {"MobileNetV2": _mobilenet_v2, "MobileNetV1": _mobilenet_v1},
    {name: (path, {}) for name, path in paddlex_names.CLASSIFIERS.items()},
)  # fmt: skip
det = _Shelf("detection", True, {"YOLOv3": _yolov3, "YOLOv2": _yolov2}, {})
seg = _Shelf("segmentation", False, {"UNet": _unet}, paddlex_names.SEGMENTERS)
matting = SimpleNamespace(MODNet=_modnet, DIM=_dim)


def _analysis(
    model: Model, dataset: Dataset, batch_size: int = 8, save_file: str = "./model.sensi.data", **more: Any
) -> dict[str, dict[float, float]]:
    """PaddleX's newer name for cal_params_sensitivities."""
    return _sensitivities(model, save_file, dataset, batch_size, **more)


slim = SimpleNamespace(
    cal_params_sensitivities=_sensitivities, visualize=_visualize, prune=SimpleNamespace(analysis=_analysis)
)
