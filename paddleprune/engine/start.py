"""How a run begins: a new model with its first weights, a model to go on from, a broken run."""

import logging
from collections.abc import Sequence
from pathlib import Path

from .. import models, tasks
from ..config import Config, DataConfig, load_config
from ..data.dataset import Dataset, open_dataset
from ..errors import UserError
from ..files import recover_folder
from ..pruning.apply import apply
from ..tasks._base import Task
from . import checkpoint
from .checkpoint import SavedModel

MAY_CHANGE = (
    "train.epochs", "train.early_stop", "train.log_every", "train.save_every", "train.eval_every",
    "data.workers", "data.root",
)  # fmt: skip
log = logging.getLogger(__name__)


def new_model(config: Config, task: Task, pretrain_weights: str | None) -> SavedModel:
    """The config's model. `pretrain_weights`: None, IMAGENET, a weights file or a model directory.

    A pruned model directory gives a pruned model. Layers that do not fit are logged one by one.
    """
    args = task.model_args(config.model.args)
    saved = SavedModel(models.build(config.model.name, args), facts_of(config, task, args))
    if pretrain_weights is None:
        return saved
    path = Path(pretrain_weights)
    if pretrain_weights == "IMAGENET":
        path = models.imagenet_weights(config.model.name, args)
    elif path.is_dir():
        source = checkpoint.load_model(path)
        if source.facts["model"]["name"] != config.model.name:
            raise UserError(
                f"--pretrain_weights: '{path}' holds a {source.facts['model']['name']}, the config "
                f"asks for a {config.model.name}; use weights of the same model"
            )
        for what, there, here in (
            ("data.eval_transforms", source.facts["eval_transforms"], saved.facts["eval_transforms"]),
            ("model.args", source.facts["model"]["args"], saved.facts["model"]["args"]),
        ):
            if there != here:
                log.warning(
                    "%s: %s, but the model of --pretrain_weights was trained with %s", what, here, there
                )
        if source.plan is not None:
            apply(saved.network, source.plan, saved.image_shape)
            saved.plan, saved.facts["pruning"] = source.plan, source.facts.get("pruning", {})
        path = path / "model.pdparams"
    elif not path.is_file():
        raise UserError(
            f"--pretrain_weights: '{pretrain_weights}' does not exist; give IMAGENET, a .pdparams "
            "file or a model directory"
        )
    _load(saved, path)
    return saved


def _load(saved: SavedModel, path: Path) -> None:
    weights = checkpoint.read_weights(path)
    prefix = models.backbone_prefix(saved.facts["model"]["name"])
    if prefix and not any(name.startswith(prefix) for name in weights):  # of the backbone's classifier
        weights = {prefix + name: array for name, array in weights.items()}
    problems = checkpoint.put_weights(saved.network, weights)
    own = saved.network.state_dict()
    loaded = len(own) - len({problem.split(":")[0] for problem in problems} & set(own))
    if not loaded:
        raise UserError(
            f"--pretrain_weights: nothing in '{path}' fits {saved.facts['model']['name']} "
            f"({problems[0]}); it is of another model"
        )
    log.info("pretrained: %d of %d tensors from %s", loaded, len(own), path.name)
    for problem in problems:
        log.warning("not loaded: %s", problem)


def facts_of(config: Config, task: Task, args: dict) -> dict:
    """What `model.yml` says of a model: everything that its use needs besides the weights."""
    data = {k: v for k, v in config.as_dict()["data"].items() if k != "train_transforms"}
    return {
        "task": config.task,
        "model": {"name": config.model.name, "args": args},
        "labels": task.labels,
        "image_shape": list(config.data.image_shape),
        "eval_transforms": config.data.eval_transforms,
        "metric": task.metric.main,
        "higher_is_better": task.metric.higher_is_better,
        "data": data,
    }


def open_model(
    model_dir: str | Path,
    dataset: str | None = None,
    batch_size: int | None = None,
    list_file: str | None = None,
) -> tuple[SavedModel, Task, DataConfig, Dataset]:
    """A saved model, its task, and the validation data it was trained with, or those of another
    folder `dataset` or list of images."""
    saved = checkpoint.load_model(model_dir)
    facts = dict(saved.facts["data"])
    facts["root"] = dataset or facts["root"]
    facts["val_list"] = list_file or facts["val_list"]
    facts["batch_size"] = facts["batch_size"] if batch_size is None else batch_size
    if facts["batch_size"] < 1:
        raise UserError(f"--batch_size: {batch_size} is out of range; it must be 1 or more")
    data = DataConfig(**facts)
    eval_set = open_dataset(data, "val")
    task = tasks.of(saved.facts["task"], saved.facts["labels"])
    if eval_set.labels != task.labels:
        raise UserError(
            f"--dataset: labels.txt of '{data.root}' has other names ({eval_set.labels[:3]}...) "
            f"than the model ({task.labels[:3]}...); use the data it was trained for"
        )
    return saved, task, data, eval_set


def resumed_config(folder: str | Path, config: str | None, overrides: Sequence[str]) -> Config:
    """The config of a run that was broken off, with overrides.

    Raises UserError if there is nothing to resume, or if `config` is given and is another one.
    """
    folder = Path(folder)
    recover_folder(folder / "latest")
    if not (folder / "config.yml").is_file() or not (folder / "latest" / "state.json").is_file():
        raise UserError(
            f"--resume_checkpoint: '{folder}' has no checkpoint in latest/; pass the --save_dir of "
            "a run that saved at least one, or train again"
        )
    for override in overrides:
        if override.partition("=")[0].strip() not in MAY_CHANGE:
            raise UserError(
                f"--set {override}: cannot change in a run that goes on exactly; these can: "
                f"{', '.join(MAY_CHANGE)}"
            )
    saved = load_config(folder / "config.yml", overrides)
    if config is not None and load_config(config) != load_config(folder / "config.yml"):
        raise UserError(
            f"--config: '{config}' differs from {folder}/config.yml, which the run began with; "
            "leave --config out, or change single keys with --set"
        )
    return saved
