"""How a run begins: a new model with its first weights, a model to go on from, a broken run."""

import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from .. import models, tasks
from ..config import Config, DataConfig, dump_config, load_config, parse_data
from ..data.dataset import Dataset, open_dataset
from ..errors import UserError
from ..files import checked_path, exists, recover_folder
from ..pruning.narrow import narrow
from ..tasks._base import Task
from ..texts import parse_yaml
from . import checkpoint, ranks
from .checkpoint import SavedModel

MAY_CHANGE = (
    "train.epochs", "train.early_stop", "train.log_every", "train.save_every", "train.eval_every",
    "data.workers", "data.root", "data.val_root",
)  # fmt: skip
PLACES = ("model.weights", "prune.sensitivities", "train.teacher")  # whose spelling does not matter
log = logging.getLogger(__name__)


def open_splits(config: Config) -> tuple[Dataset, Dataset]:
    """The training and the validation pictures. Raises UserError where they are not of the same classes."""
    train_set, eval_set = (
        open_dataset(config.data, "train", config.train.seed),
        open_dataset(config.data, "val"),
    )
    if eval_set.labels != train_set.labels:
        raise UserError(
            f"data.val_list: its classes ({eval_set.labels[:3]}...) are not those of data.train_list "
            f"({train_set.labels[:3]}...); give both files the same categories"
        )
    return train_set, eval_set


def refuse_own_weights(folder: Path, config: Config) -> None:
    """Raises UserError where a run would replace the model that it begins with."""
    weights = config.model.weights
    if weights and folder.resolve() in Path(weights).resolve().parents:
        raise UserError(
            f"--save_dir: '{folder}' holds the model of --pretrain_weights, which would be replaced; "
            "choose another folder"
        )


def new_model(config: Config, task: Task) -> SavedModel:
    """The config's model with its first weights: random ones, IMAGENET, of a weights file or a model directory.

    A pruned model directory gives a pruned model. Layers that do not fit are logged one by one.
    """
    args = task.head.arguments(config.model.args)
    saved = SavedModel(models.build(config.model.name, args), facts_of(config, task, args))
    if not config.model.weights:
        return saved
    path = checked_path(config.model.weights, "--pretrain_weights")
    if config.model.weights == "IMAGENET":
        path = models.imagenet_weights(config.model.name, args)
    elif exists(path, "folder"):
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
            narrow(saved.network, source.plan, saved.image_shape, check=False)
            saved.plan, saved.facts["pruning"] = source.plan, source.facts.get("pruning", {})
        path = path / "model.pdparams"
    elif not exists(path):
        raise UserError(
            f"--pretrain_weights: '{config.model.weights[:300]}' does not exist; give IMAGENET, a .pdparams "
            "file or a model directory"
        )
    _load(saved, path)
    return saved


def _load(saved: SavedModel, path: Path) -> None:
    reads = models.card(saved.facts["model"]["name"]).reads
    read = reads.get(path.suffix)
    weights = checkpoint.read_weights(path) if read is None else read(path, saved.network)
    checkpoint.refuse_not_finite(weights, path)
    prefix = models.card(saved.facts["model"]["name"]).backbone
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
    model_dir: checkpoint.ModelDir,
    dataset: str | None = None,
    batch_size: int | None = None,
    list_file: str | None = None,
) -> tuple[SavedModel, Task, DataConfig, Dataset]:
    """A saved model, its task, and the validation data it was trained with, or those of another
    folder `dataset` or list of images."""
    saved = checkpoint.load_model(model_dir)
    if batch_size is not None and (type(batch_size) is not int or batch_size < 1):
        raise UserError(f"--batch_size: {batch_size!r} is out of range; it must be a whole number, 1 or more")
    facts = {**saved.facts["data"], "eval_transforms": saved.facts["eval_transforms"]}
    if dataset is not None:
        facts["val_root"] = str(checked_path(dataset, "--dataset"))
    facts["val_list"] = list_file or facts.get("val_list")
    facts["batch_size"] = facts.get("batch_size") if batch_size is None else batch_size
    data = parse_data(facts, f"{saved.place}/model.yml: data")
    eval_set = open_dataset(data, "val")
    task = tasks.of_facts(saved.facts)
    if eval_set.labels != task.labels:
        raise UserError(
            f"--dataset: labels.txt of '{data.val_root or data.root}' has other names ({eval_set.labels[:3]}...) "
            f"than the model ({task.labels[:3]}...); use the data it was trained for"
        )
    return saved, task, data, eval_set


def resumed_config(folder: str | Path, config: str | None, overrides: Sequence[str]) -> Config:
    """The config of a run that was broken off, with overrides.

    Raises UserError if there is nothing to resume, or if `config` is given and is another one.
    """
    folder = checked_path(folder, "--resume_checkpoint")
    if exists(folder, "folder"):
        recover_folder(folder / "latest")
    if not exists(folder / "config.yml") or not exists(folder / "latest" / "state.json"):
        raise UserError(
            f"--resume_checkpoint: '{folder}' has no checkpoint in latest/; pass the --save_dir of "
            "a run that saved at least one, or train again"
        )
    begun = load_config(folder / "config.yml")
    for override in overrides:
        may = override.partition("=")[0].strip() in MAY_CHANGE
        if not may and load_config(folder / "config.yml", [override]) != begun:
            raise UserError(
                f"--set {override}: cannot change in a run that goes on exactly; these can: "
                f"{', '.join(MAY_CHANGE)}"
            )
    saved = load_config(folder / "config.yml", overrides)
    if config is not None and as_begun(load_config(config), folder) != begun:
        raise UserError(
            f"--config: '{config}' differs from {folder}/config.yml, which the run began with; "
            "leave --config out, or change single keys with --set"
        )
    return saved


def as_begun(config: Config, folder: Path) -> Config:
    """The config with the first weights, and the sensitivities, that the run in `folder` began with, where it names none."""
    begun = load_config(folder / "config.yml")
    if not config.model.weights:
        config = replace(config, model=replace(config.model, weights=begun.model.weights))
    if not config.prune.sensitivities:
        known = {"sensitivities": begun.prune.sensitivities, "loss": begun.prune.loss}
        config = replace(config, prune=replace(config.prune, **known))
    return config


def refuse_other_run(folder: Path, config: Config, saved: SavedModel, train: Dataset, val: Dataset) -> None:
    """A run goes on exactly only with the settings and the data that it began with. Raises UserError that
    names the first of them which is another."""
    for key, begun, now in _changes(folder, config):
        raise UserError(
            f"{key}: {now!r}, but the run in '{folder}' began with {begun!r}; a run that goes on "
            f"may change {', '.join(MAY_CHANGE)} alone"
        )
    if train.labels != saved.facts["labels"]:
        raise UserError(
            f"data.labels: the classes are {train.labels[:5]} now, the run in '{folder}' began with "
            f"{saved.facts['labels'][:5]}; put labels.txt back as it was, or train anew"
        )
    if (before := saved.facts.get("lists")) is not None and before != fingerprints(train, val):
        what = "train_list" if before["train"] != train.reader.fingerprint else "val_list"
        raise UserError(
            f"data.{what}: its lines or files are not those that the run in '{folder}' began with; put them back, or "
            "begin a new run with --pretrain_weights"
        )


def _changes(folder: Path, config: Config) -> Iterator[tuple[str, object, object]]:
    """Keys that may not change in the run in a folder, but are others in a config: key, value begun with, value now."""
    begun = dict(_flat(load_config(folder / "config.yml").as_dict()))
    now = dict(_flat(parse_yaml(dump_config(config), "config")))  # a tuple of a script is a list in the file
    others = (key for key in begun if key not in MAY_CHANGE and begun[key] != now[key])
    return (
        (key, begun[key], now[key])
        for key in others
        if not (key in PLACES and _same_place(begun[key], now[key]))
    )


def _same_place(one: str, other: str) -> bool:
    return bool(one and other) and Path(one).resolve() == Path(other).resolve()


def fingerprints(train: Dataset, val: Dataset) -> dict[str, str]:
    """Of the two lists and the files that they name."""
    return {"train": train.reader.fingerprint, "val": val.reader.fingerprint}


def _flat(raw: dict, before: str = "") -> Iterator[tuple[str, object]]:
    for key, value in raw.items():
        if isinstance(value, dict) and not before.count("."):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def goes_on(folder: Path, config: Config) -> bool:
    """Does a folder hold this very run, broken off? Raises UserError where it holds a finished run, or another
    one: the new one would take its place."""
    recover_folder(folder / "latest")
    lose = "choose another folder, or pass --overwrite to lose it"
    if exists(folder / "metrics.json"):
        raise UserError(
            f"--save_dir: '{folder}' holds a finished run; {lose} (--resume_checkpoint gives it more train.epochs)"
        )
    if not exists(folder / "latest" / "state.json"):
        return False
    for key, begun, now in _changes(folder, config):
        raise UserError(
            f"--save_dir: '{folder}' holds a run that was broken off, of another {key} ({begun!r}, now {now!r}); {lose}"
        )
    log.info("%s holds this run, broken off: it goes on (--overwrite begins anew)", folder)
    return True


def clear(folder: Path) -> None:
    """What an earlier run into the same folder left goes when the new one begins."""
    if ranks.rank() == 0:
        if exists(folder / "metrics.json") or exists(folder / "latest" / "state.json"):
            log.warning("the run that %s held is replaced", folder)
        for name in ("latest", "best_model"):
            shutil.rmtree(folder / name, ignore_errors=True)
        for name in ("metrics.json", "log.jsonl"):
            (folder / name).unlink(missing_ok=True)


def beside(weights: str, folder: Path) -> Path:
    """Where latency tables are kept: in the run of the model that is pruned, so that they serve the next
    target, too; in the new run where that cannot be."""
    if weights and Path(weights).is_dir():
        run = Path(weights).resolve().parent
        if os.access(run, os.W_OK):
            return run
    return folder
