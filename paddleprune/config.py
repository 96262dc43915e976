"""YAML -> frozen dataclasses. What is not a field here is an error, never ignored.

A config may name ONE base: `_base_: ../_base_/classification.yml`. Its keys are read first, the
file's own keys over them, then `--set train.epochs=5`. Mappings merge; lists are replaced whole. `size: 160` scales all
that is in pixels.
`model.args` and the transforms are passed on as they are: their owner checks them.
"""

import dataclasses
import re
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .building import build
from .errors import UserError
from .files import checked_path, exists, shipped
from .lookup import suggest
from .scaled import scaled
from .texts import parse_yaml, read_yaml

STRATEGIES = ("under_budget", "uniform", "for_target", "least_loss", "slimming", "percentile", "adaptive_fixed",
              "magnitude")  # fmt: skip
RUNTIMES = ("inference", "lite", "onnx", "openvino", "ncnn", "mnn")  # a file each in paddleprune/export/
SIDE = 8192  # longest side of a network's input, pixels
MANY = 1_000_000  # of what is counted


@dataclass(frozen=True)
class ModelConfig:
    name: str  # a file in paddleprune/models/
    args: dict = field(default_factory=dict)  # arguments of its build()
    weights: str = ""  # the first ones: IMAGENET, a .pdparams file or a model directory; empty = random


@dataclass(frozen=True)
class DataConfig:
    reader: str  # a file in paddleprune/data/readers/
    root: str  # the folder that the lists' paths start from
    image_shape: list[int]  # C, H, W of what the evaluation transforms make
    train_list: str = "train_list.txt"
    val_list: str = "val_list.txt"
    labels: str = "labels.txt"
    val_root: str = ""  # the folder of the validation list's paths, where it is another one
    train_transforms: list = field(default_factory=list)
    eval_transforms: list = field(default_factory=list)
    batch_size: int = 32
    workers: int = 0  # threads that read training images ahead; 0 = none
    mask_values: dict = field(
        default_factory=dict
    )  # of segmentation: {value or "#rrggbb" in the masks: class}


@dataclass(frozen=True)
class TrainConfig:
    epochs: int = 10  # 0 = evaluate and save the network as it is
    optimizer: str = "momentum"  # momentum | adam | adamw
    learning_rate: float = 0.01  # the largest; reached after the warm-up
    schedule: str = "cosine"  # cosine | linear | step | constant
    warmup_epochs: float = 0.0
    step_epochs: list[int] = field(default_factory=list)  # for step: where the rate falls to a tenth
    momentum: float = 0.9
    weight_decay: float = 4e-5
    clip_norm: float = 0.0  # largest global norm of the gradient; 0 = no clipping
    label_smoothing: float = 0.0  # of classification
    losses: dict = field(default_factory=dict)  # of segmentation: PaddleSeg's, {name: weight}
    distill: float = 0.0  # the teacher's share of the loss when a pruned network is trained again; 0 = none
    teacher: str = ""  # a model directory; empty = the model that is pruned
    match: str = ""  # the teacher's feature maps, too: nst | ofd | spkd
    match_weight: float = 1.0  # of theirs beside what is said
    match_layers: list[str] = field(default_factory=list)  # names; empty = those of the model's card
    sparsity: dict = field(default_factory=dict)  # {part, or all: weight of L1 on batch norms' scales}
    scales: float = 0.0  # with sparsity: where the scales begin, their shifts frozen at 0; 0 = as they are
    sizes: list[int] = field(default_factory=list)  # of detection: each batch gets one of these sides
    region: str = "divided"  # of yolov2: how its loss is written, divided | original | later
    until: str = (
        ""  # dense: a pruned network is trained until it has the metric of the dense one, or gains no more
    )
    early_stop: int = 0  # evaluations without a better metric until the end; 0 = never
    eval_every: int = 1  # epochs between evaluations
    save_every: int = 0  # steps between checkpoints inside an epoch; 0 = only at its end
    log_every: int = 10  # steps between lines of log.jsonl
    seed: int = 0


@dataclass(frozen=True)
class TargetConfig:
    macs: float = 0.0  # fraction of the macs to keep, in (0, 1]; 0 = no target
    params: float = 0.0  # fraction of the parameters to keep
    megabytes: float = 0.0  # of weights in float32; 0 = no target
    latency: float = 0.0  # fraction of the latency to keep, measured on this machine
    runtime: str = "inference"  # for latency: a name of RUNTIMES
    threads: int = 1  # for latency


@dataclass(frozen=True)
class PruneConfig:
    strategy: str = "under_budget"  # a name of STRATEGIES
    sensitivities: str = ""  # a file, or DEFAULT; for the strategies that need it
    loss: float = 0.05  # for under_budget: the largest sensitivity allowed to each group
    # for uniform and adaptive_fixed: fraction of channels removed from each group; for slimming and percentile:
    # from all together;
    # for magnitude: of weights
    ratio: float = 0.5
    scope: str = ""  # the part of the model that is pruned, e.g. backbone or yolo_blocks; empty = all of it
    apart: list[str] = field(default_factory=list)  # for slimming: parts that get a threshold each
    threshold: float = 0.5  # for adaptive_fixed: of the normalised L1 norm of the last filter that stays
    keep_backbone: bool = False  # for adaptive_fixed
    residuals: str = (
        "tied"  # for adaptive_fixed: tied | untied, where each layer has its own width; needs weights=scratch
    )
    weights: str = "inherit"  # inherit | scratch: after pruning, train from new random weights
    target: TargetConfig = field(default_factory=TargetConfig)  # for for_target and least_loss
    criterion: str = ""  # of pruning/criteria.py; empty = reconstruction, or the sensitivities' where nothing is made up for
    compensate: int = 256  # training pictures by which readers make up for what goes; 0 = they do not
    align: int = 8  # kept channels are a multiple of this; 1 = PaddleX
    rounds: int = 1  # of pruning and retraining; for uniform and least_loss, without sensitivities
    recalibrate: int = 0  # training batches to re-estimate batch-norm statistics with; 0 = none


@dataclass(frozen=True)
class Config:
    task: str  # a file in paddleprune/tasks/
    model: ModelConfig
    data: DataConfig
    train: TrainConfig = field(default_factory=TrainConfig)
    prune: PruneConfig = field(default_factory=PruneConfig)

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def load_config(path: str | Path, overrides: typing.Sequence[str] = ()) -> Config:
    """Read a config file, its base and `a.b=value` overrides. Raises UserError."""
    path = checked_path(path, "--config")
    if not exists(path) and not path.is_absolute():  # one of those that come with the package
        path = next((place for place in shipped(path) if exists(place)), path)
    raw = _read_yaml(path)
    base = raw.pop("_base_", None)
    if base is not None:
        parent = _read_yaml(path.parent / checked_path(base, f"config '{path}': _base_"))
        if "_base_" in parent:
            raise UserError(f"{base}: a base cannot have a base of its own; copy its keys into it")
        raw = _merge(parent, raw)
    for override in overrides:
        raw = _merge(raw, _parse_override(override))
    return parse_config(scaled(raw, raw.pop("size")) if "size" in raw else raw)


def parse_config(raw: dict[str, Any]) -> Config:
    """A plain dict, as YAML reads it -> Config. Raises UserError that names the dotted key."""
    return check_ranges(build(Config, raw, ""))


def parse_data(raw: dict[str, Any], where: str) -> DataConfig:
    """The `data` section alone, of a model file; `where` begins the dotted keys of errors."""
    return _check_data(build(DataConfig, raw, where), where)


def _lists(value: Any) -> Any:
    """The value with lists for tuples, as YAML writes them."""
    if isinstance(value, dict):
        return {key: _lists(part) for key, part in value.items()}
    return [_lists(part) for part in value] if isinstance(value, (list, tuple)) else value


def dump_config(config: Config) -> str:
    return yaml.safe_dump(_lists(config.as_dict()), sort_keys=False, allow_unicode=True)


def check_ranges(config: Config) -> Config:
    """Values with the right type and no sense are refused here, before any work is done."""
    _check_data(config.data, "data")
    train = config.train
    rules = [
        ("train.epochs", train.epochs, 0 <= train.epochs <= MANY, f"0 to {MANY}"),
        ("train.seed", train.seed, 0 <= train.seed < 2**32, "0 to 2^32 - 1"),
        ("train.early_stop", train.early_stop, train.early_stop >= 0, "0 or more"),
        ("train.learning_rate", train.learning_rate, train.learning_rate > 0, "above 0"),
        ("train.warmup_epochs", train.warmup_epochs, 0 <= train.warmup_epochs <= MANY, "0 or more"),
        ("train.momentum", train.momentum, 0 <= train.momentum < 1, "in [0, 1)"),
        ("train.weight_decay", train.weight_decay, 0 <= train.weight_decay <= 1, "in [0, 1]"),
        ("train.clip_norm", train.clip_norm, train.clip_norm >= 0, "0 or more"),
        ("train.eval_every", train.eval_every, train.eval_every > 0, "above 0"),
        ("train.save_every", train.save_every, train.save_every >= 0, "0 or more"),
        ("train.log_every", train.log_every, train.log_every > 0, "above 0"),
        ("train.step_epochs", train.step_epochs, all(n > 0 for n in train.step_epochs), "above 0"),
        ("train.distill", train.distill, 0 <= train.distill <= 1, "in [0, 1]"),
        ("train.match_weight", train.match_weight, train.match_weight >= 0, "0 or more"),
        ("train.sparsity", train.sparsity, _weights(train.sparsity), "{part: weight}, weights above 0"),
        ("train.scales", train.scales, 0 <= train.scales <= 10, "in [0, 10]"),
        ("train.label_smoothing", train.label_smoothing, 0 <= train.label_smoothing < 1, "in [0, 1)"),
        ("prune.loss", config.prune.loss, 0 <= config.prune.loss < 1, "in [0, 1)"),
        ("prune.compensate", config.prune.compensate, 0 <= config.prune.compensate <= MANY, f"0 to {MANY}"),
        ("prune.rounds", config.prune.rounds, 1 <= config.prune.rounds <= 100, "1 to 100"),
        ("prune.recalibrate", config.prune.recalibrate, config.prune.recalibrate >= 0, "0 or more"),
        ("prune.ratio", config.prune.ratio, 0 <= config.prune.ratio < 1, "in [0, 1)"),
        ("prune.threshold", config.prune.threshold, 0 <= config.prune.threshold <= 1, "in [0, 1]"),
        ("prune.align", config.prune.align, 0 < config.prune.align <= MANY, f"1 to {MANY}"),
        ("prune.target.macs", config.prune.target.macs, 0 <= config.prune.target.macs <= 1, "in [0, 1]"),
        ("prune.target.params", config.prune.target.params, 0 <= config.prune.target.params <= 1, "in [0, 1]"),
        ("prune.target.megabytes", config.prune.target.megabytes,
         0 <= config.prune.target.megabytes < MANY, f"0 to {MANY}"),
        ("prune.target.latency", config.prune.target.latency,
         0 <= config.prune.target.latency <= 1, "in [0, 1]"),
        ("prune.target.threads", config.prune.target.threads, 0 < config.prune.target.threads <= 1024, "1 to 1024"),
    ]  # fmt: skip
    _refuse_first(rules)
    choices = [
        ("train.until", config.train.until, ("", "dense")),
        ("train.match", config.train.match, ("", "nst", "ofd", "spkd")),
        ("train.optimizer", config.train.optimizer, ("momentum", "adam", "adamw")),
        ("train.schedule", config.train.schedule, ("cosine", "linear", "step", "constant")),
        ("prune.strategy", config.prune.strategy, STRATEGIES),
        ("prune.weights", config.prune.weights, ("inherit", "scratch")),
        ("prune.residuals", config.prune.residuals, ("tied", "untied")),
        ("prune.target.runtime", config.prune.target.runtime, RUNTIMES),
    ]
    for key, value, valid_names in choices:
        if value not in valid_names:
            raise UserError(f"{key}: '{value}' is not known; {suggest(value, valid_names)}")
    return config


def _weights(given: dict) -> bool:
    """Numbers above 0, also as YAML reads 1e-4: as a text."""
    try:
        return all(type(w) is not bool and 0 < float(w) < 1000 for w in given.values())
    except (TypeError, ValueError):
        return False


def _numbers_or_colours(values: dict) -> bool:
    """{number: class} or {colour: class}, all keys of one sort."""
    numbers = all(type(key) is int for key in values)
    colours = all(isinstance(key, str) and re.fullmatch("#[0-9a-fA-F]{6}", key) for key in values)
    return (numbers or colours) and all(type(label) is int for label in values.values())


def _check_data(data: DataConfig, key: str) -> DataConfig:
    shape = data.image_shape
    good = len(shape) == 3 and shape[0] in (3, 4) and all(0 < n <= SIDE for n in shape[1:])
    _refuse_first([
        (f"{key}.image_shape", shape, good, f"[3, H, W], or [4, H, W] with a trimap, H and W from 1 to {SIDE}"),
        (f"{key}.batch_size", data.batch_size, 0 < data.batch_size <= MANY, f"1 to {MANY}"),
        (f"{key}.workers", data.workers, 0 <= data.workers <= 256, "0 to 256"),
        (f"{key}.mask_values", data.mask_values, _numbers_or_colours(data.mask_values),
         "{value in the masks: class}, whole numbers, or for colours {'#rrggbb': class}"),
    ])  # fmt: skip
    for name in ("root", "train_list", "val_list", "labels", "val_root"):
        value = getattr(data, name)
        if value or name in ("root", "train_list", "val_list"):
            checked_path(value, f"{key}.{name}")
    return data


def _refuse_first(rules: list[tuple[str, Any, bool, str]]) -> None:
    for key, value, good, valid in rules:
        if not good:
            raise UserError(f"{key}: {str(value)[:80]} is out of range; it must be {valid}")


def _read_yaml(path: Path) -> dict[str, Any]:
    if not exists(path):
        raise UserError(f"config '{str(path)[:300]}' does not exist; see the files in configs/")
    raw = read_yaml(path, "config")
    if not isinstance(raw, dict):
        raise UserError(f"config '{path}' must be a mapping of keys; see the files in configs/")
    return raw


def _merge(base: dict, over: dict) -> dict:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _parse_override(text: str) -> dict:
    """'train.epochs=5' -> {'train': {'epochs': 5}}; the value is read as YAML."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UserError(f"--set {text}: write key=value, e.g. --set train.epochs=5")
    parsed = _parse_value(value, f"--set {text[:80]}: the value")
    for part in reversed(key.strip().split(".")):
        parsed = {part: parsed}
    return parsed


def _parse_value(text: str, what: str) -> Any:
    """A value as YAML reads it; but a '#' in it begins no comment, as it would in a file."""
    plain = text.strip()
    if " #" in plain and plain[0] not in "\"'[{":
        return plain
    return parse_yaml(text, what)
