"""PaddleX's faces over the pipeline: cls, det, seg, matting, datasets, transforms, slim, load_model.

    import paddleprune as pp

    train = pp.datasets.ImageNet("data/waste", "train_list.txt", "labels.txt", train_transforms)
    val = pp.datasets.ImageNet("data/waste", "val_list.txt", "labels.txt", eval_transforms)
    model = pp.cls.MobileNetV2(num_classes=5)
    model.train(num_epochs=20, train_dataset=train, eval_dataset=val, save_dir="output/dense")
    pp.slim.cal_params_sensitivities(model, "output/sensitivities.json", val)

Every call becomes a `Config` and a verb of pipeline.py; errors are `UserError`.
"""

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from . import models, paddlex_names, pipeline
from .analysis.job import Job
from .config import Config, parse_config
from .data_faces import Dataset, _Transforms
from .engine.checkpoint import load_model as _load
from .errors import UserError
from .export import formats
from .infer import predict
from .models import own
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
        overwrite: bool = True,
        prune: Mapping[str, Any] | None = None,
        **train_options: Any,
    ) -> dict[str, Any]:
        """Train, or prune and retrain with `sensitivities_file`; see `pipeline.train`. A model that is trained
        already, or was loaded, goes on from its weights unless `pretrain_weights` names others.

        `train_options`: other keys of the config's `train` section, e.g. schedule="step"; PaddleX's own, as
        lr_decay_epochs and warmup_steps, are taken, too. `resume_checkpoint`: a run's folder, which goes on. `overwrite`:
        may a run in `save_dir` be lost? As in PaddleX, it is. `prune`: keys of the config's `prune` section;
        {"compensate": 0, "align": 1} prunes exactly as PaddleX does.
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
        config = self._config(train_dataset, eval_dataset, train_batch_size, options, dict(prune or {}))
        metrics = pipeline.train(
            config, save_dir, pretrain_weights, sensitivities_file, eval_metric_loss, resume, overwrite
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

    def source(self, dataset: Dataset, name: str = "eval_dataset") -> tuple[str, str]:
        """(folder, list file) of a data set. Raises UserError if its transforms are not those that the
        model was trained with, which it is always evaluated with."""
        own = _load(self.trained()).facts["eval_transforms"]
        if dataset.transforms and _plain(dataset.transforms) != _plain(own):
            raise UserError(
                f"{name}: its transforms {dataset.transforms} are not those of the training "
                f"({own}), which the model is evaluated with; leave them out"
            )
        return dataset.data_dir, dataset.file_list

    def trained(self) -> Path:
        """Its model directory. Raises UserError before it has one."""
        if self.model_dir is None:
            raise UserError(f"{self.name} is not trained yet; call train(), or load_model(dir)")
        return self.model_dir

    def _config(self, train: Dataset, val: Dataset, batch_size: int, options: dict, prune: dict) -> Config:
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
        return parse_config(
            {"task": self.task, "model": model, "data": data, "train": options, "prune": prune}
        )


def _same(first: str | Path, second: str | Path) -> bool:
    return Path(first).resolve() == Path(second).resolve()


def _plain(transforms: list) -> Any:
    return json.loads(json.dumps(transforms))  # a tuple in a script is a list in a model directory


def load_model(model_dir: str | Path) -> Model:
    """The model in a directory that training wrote."""
    facts = _load(model_dir).facts
    return Model(facts["task"], facts["model"]["name"], facts["model"]["args"], model_dir)


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


class _Shelf:
    """Networks of a task by PaddleX's names: those of this package, from their cards, and rows over other packages'."""

    def __init__(self, task: str, rows: Mapping[str, tuple[str, dict]] | None = None):
        cards = {name: models.card(name) for name in models.names()}
        own = {card.face: (name, {}) for name, card in cards.items() if task in card.heads}
        self._task, self._networks = task, {**own, **(rows or {})}
        self.transforms = _Transforms(boxes=task == "detection")

    def __getattr__(self, name: str) -> Callable[..., Model]:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._networks:
            raise AttributeError(paddlex_names.missing(name, self._networks))
        return _face(self._task, *self._networks[name])

    def __dir__(self) -> list[str]:
        return sorted([*self._networks, "transforms"])


def _face(task: str, name: str, usual: Mapping[str, Any]) -> Callable[..., Model]:
    """A function with the arguments of the network `name`, which makes a Model of it."""
    build = None if own.is_own(name) else models.card(name).build

    def face(*given: Any, **options: Any) -> Model:
        if build is not None:
            options = paddlex_names.network_options(_arguments(name, build, given, options))
        elif len(given) + ("num_classes" in options) != 1:
            raise UserError(f"{name}: give num_classes, once, and its other arguments by name")
        else:
            options = {**dict(zip(["num_classes"], given, strict=False)), **options}
        return Model(
            task, name, {**usual, **{key: value for key, value in options.items() if value is not None}}
        )

    face.__name__ = name
    face.__doc__ = build.__doc__ if build is not None else f"{name}, for `num_classes` classes."
    if build is not None:
        face.__signature__ = inspect.signature(build).replace(return_annotation=Model)  # type: ignore[attr-defined]
    return face


def _arguments(name: str, build: Callable, given: tuple, options: dict[str, Any]) -> dict[str, Any]:
    """By name. Raises UserError for those that `build` does not take."""
    signature = inspect.signature(build)
    try:
        return dict(signature.bind(*given, **options).arguments)
    except TypeError as error:
        raise UserError(f"{name}: {error}; it takes {', '.join(signature.parameters)}") from error


cls = _Shelf("classification", paddlex_names.CLASSIFIERS)
det = _Shelf("detection")
seg = _Shelf("segmentation", paddlex_names.SEGMENTERS)
matting = _Shelf("matting")


def _analysis(
    model: Model, dataset: Dataset, batch_size: int = 8, save_file: str = "./model.sensi.data", **more: Any
) -> dict[str, dict[float, float]]:
    """PaddleX's newer name for cal_params_sensitivities."""
    return _sensitivities(model, save_file, dataset, batch_size, **more)


def _export_quant_model(
    model: Model, test_dataset: Dataset, batch_size: int = 2, batch_num: int = 10, save_dir: str = "./quant_model",
    cache_dir: str | None = None, *, algo: str = "", export_format: str = "inference",
) -> dict[str, Any]:  # fmt: skip
    """Post-training quantisation to 8-bit integers, of weights and of what layers are fed; the manifest of the export.

    Ranges are seen on `batch_size` x `batch_num` pictures of `test_dataset`. `algo`: KL, as PaddleX has it, or
    min_max, the usual one of inference; `export_format`: inference, whose files PaddleX wrote, onnx or openvino. `cache_dir` is not
    needed. Raises UserError, with nothing written, where the metric loses more than 5 % of itself."""
    formats.check_quant(formats.runtime(export_format, "export_format"), "int8", algo, "algo")
    folder, list_file = model.source(test_dataset, "test_dataset")
    for name, value in (("batch_size", batch_size), ("batch_num", batch_num)):
        if type(value) is not int or value < 1:
            raise UserError(f"{name}: {value!r} is out of range; it must be a whole number, 1 or more")
    return pipeline.export_model(
        model.trained(), save_dir, export_format, quant="int8", algorithm=algo,
        calibration=batch_size * batch_num, source=(str(folder), str(list_file)),
    )  # fmt: skip


slim = SimpleNamespace(
    cal_params_sensitivities=_sensitivities, visualize=_visualize, export_quant_model=_export_quant_model,
    prune=SimpleNamespace(analysis=_analysis),
)  # fmt: skip
