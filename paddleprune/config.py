"""YAML -> frozen dataclasses. What is not a field here is an error, never ignored.

A config may name ONE base: `_base_: ../_base_/classification.yml`. Its keys are read first, the
file's own keys over them, then `--set train.epochs=5`. Mappings merge; lists are replaced whole.
`model.args` and the transforms are passed on as they are: their owner checks them.
"""

import dataclasses
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .errors import UserError
from .lookup import suggest


@dataclass(frozen=True)
class ModelConfig:
    name: str  # a file in paddleprune/models/
    args: dict = field(default_factory=dict)  # arguments of its build()


@dataclass(frozen=True)
class DataConfig:
    reader: str  # a file in paddleprune/data/readers/
    root: str  # the folder that the lists' paths start from
    image_shape: list[int]  # C, H, W of what the evaluation transforms make
    train_list: str = "train_list.txt"
    val_list: str = "val_list.txt"
    labels: str = "labels.txt"
    train_transforms: list = field(default_factory=list)
    eval_transforms: list = field(default_factory=list)
    batch_size: int = 32
    workers: int = 0  # threads that read training images ahead; 0 = none


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
    sizes: list[int] = field(default_factory=list)  # of detection: each batch gets one of these sides
    early_stop: int = 0  # evaluations without a better metric until the end; 0 = never
    eval_every: int = 1  # epochs between evaluations
    save_every: int = 0  # steps between checkpoints inside an epoch; 0 = only at its end
    log_every: int = 10  # steps between lines of log.jsonl
    seed: int = 0


@dataclass(frozen=True)
class TargetConfig:
    macs: float = 0.0  # fraction of the macs to keep, in (0, 1]; 0 = no target
    params: float = 0.0  # fraction of the parameters to keep
    latency: float = 0.0  # fraction of the latency to keep, measured on this machine
    runtime: str = "inference"  # for latency: inference | lite | openvino | onnx
    threads: int = 1  # for latency


@dataclass(frozen=True)
class PruneConfig:
    strategy: str = "under_budget"  # under_budget | uniform | for_target | adaptive_fixed | magnitude
    # for uniform and adaptive_fixed: fraction of channels removed from each group; for magnitude: of weights
    ratio: float = 0.5
    scope: str = ""  # the part of the model that is pruned, e.g. backbone or yolo_blocks; empty = all of it
    threshold: float = 0.6  # for adaptive_fixed: of the normalised L1 norm of the last filter that stays
    keep_backbone: bool = False  # for adaptive_fixed
    weights: str = "inherit"  # inherit | scratch: after pruning, train from new random weights
    target: TargetConfig = field(default_factory=TargetConfig)  # for for_target
    criterion: str = ""  # a function in pruning/criteria.py; empty = the sensitivities', or l1_norm
    align: int = 8  # kept channels are a multiple of this; 1 = PaddleX
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
    raw = _read_yaml(Path(path))
    base = raw.pop("_base_", None)
    if base is not None:
        parent = _read_yaml(Path(path).parent / str(base))
        if "_base_" in parent:
            raise UserError(f"{base}: a base cannot have a base of its own; copy its keys into it")
        raw = _merge(parent, raw)
    for override in overrides:
        raw = _merge(raw, _parse_override(override))
    return parse_config(raw)


def parse_config(raw: dict[str, Any]) -> Config:
    """A plain dict, as YAML reads it -> Config. Raises UserError that names the dotted key."""
    return check_ranges(_build(Config, raw, ""))


def dump_config(config: Config) -> str:
    return yaml.safe_dump(config.as_dict(), sort_keys=False, allow_unicode=True)


def check_ranges(config: Config) -> Config:
    """Values with the right type and no sense are refused here, before any work is done."""
    shape = config.data.image_shape
    rules = [
        ("data.image_shape", shape, len(shape) == 3 and min(shape) > 0, "[C, H, W], all above 0"),
        ("data.batch_size", config.data.batch_size, config.data.batch_size > 0, "above 0"),
        ("data.workers", config.data.workers, config.data.workers >= 0, "0 or more"),
        ("train.epochs", config.train.epochs, config.train.epochs >= 0, "0 or more"),
        ("train.seed", config.train.seed, config.train.seed >= 0, "0 or more"),
        ("train.early_stop", config.train.early_stop, config.train.early_stop >= 0, "0 or more"),
        ("train.learning_rate", config.train.learning_rate, config.train.learning_rate > 0, "above 0"),
        ("train.eval_every", config.train.eval_every, config.train.eval_every > 0, "above 0"),
        ("train.log_every", config.train.log_every, config.train.log_every > 0, "above 0"),
        ("train.label_smoothing", config.train.label_smoothing,
         0 <= config.train.label_smoothing < 1, "in [0, 1)"),
        ("prune.ratio", config.prune.ratio, 0 <= config.prune.ratio < 1, "in [0, 1)"),
        ("prune.threshold", config.prune.threshold, 0 <= config.prune.threshold <= 1, "in [0, 1]"),
        ("prune.align", config.prune.align, config.prune.align > 0, "1 or more"),
        ("prune.target.macs", config.prune.target.macs, 0 <= config.prune.target.macs <= 1, "in [0, 1]"),
        ("prune.target.params", config.prune.target.params,
         0 <= config.prune.target.params <= 1, "in [0, 1]"),
        ("prune.target.latency", config.prune.target.latency,
         0 <= config.prune.target.latency <= 1, "in [0, 1]"),
        ("prune.target.threads", config.prune.target.threads, config.prune.target.threads > 0, "1 or more"),
    ]  # fmt: skip
    for key, value, good, valid in rules:
        if not good:
            raise UserError(f"{key}: {value} is out of range; it must be {valid}")
    choices = [
        ("train.optimizer", config.train.optimizer, ("momentum", "adam", "adamw")),
        ("train.schedule", config.train.schedule, ("cosine", "linear", "step", "constant")),
        (
            "prune.strategy",
            config.prune.strategy,
            ("under_budget", "uniform", "for_target", "adaptive_fixed", "magnitude"),
        ),
        ("prune.weights", config.prune.weights, ("inherit", "scratch")),
        ("prune.target.runtime", config.prune.target.runtime, ("inference", "lite", "openvino", "onnx")),
    ]
    for key, value, valid_names in choices:
        if value not in valid_names:
            raise UserError(f"{key}: '{value}' is not known; {suggest(value, valid_names)}")
    return config


def _read_yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(f"config '{path}' does not exist; see the files in configs/")
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"config '{path}' is not valid YAML: {error}") from error
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
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise UserError(f"--set {text}: the value is not valid YAML") from error
    for part in reversed(key.strip().split(".")):
        parsed = {part: parsed}
    return parsed


def _build(cls: type, raw: Any, prefix: str) -> Any:
    if not isinstance(raw, dict):
        raise UserError(f"{prefix or 'config'}: expected a mapping of keys, got {raw!r}")
    hints = typing.get_type_hints(cls)
    for key in raw:
        if key not in hints:
            raise UserError(f"{_dotted(prefix, key)}: unknown key; {suggest(key, hints)}")
    values = {k: _convert(hints[k], v, _dotted(prefix, k)) for k, v in raw.items()}
    for f in dataclasses.fields(cls):
        required = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        if required and f.name not in values:
            raise UserError(f"{_dotted(prefix, f.name)}: missing; add it to the config or use --set")
    return cls(**values)


def _convert(hint: Any, value: Any, key: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast(type, hint), value, key)
    origin = typing.get_origin(hint) or hint
    if origin is float and isinstance(value, str):  # YAML 1.1 reads 1e-4 as a string
        try:
            return float(value)
        except ValueError:
            pass
    if origin is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    wrong = not isinstance(value, origin) or (origin is int and isinstance(value, bool))
    inner = typing.get_args(hint)
    if wrong or (inner and not all(isinstance(item, inner[0]) for item in value)):
        name = str(hint) if isinstance(hint, types.GenericAlias) else hint.__name__
        raise UserError(f"{key}: expected {name}, got {value!r}")
    return value


def _dotted(prefix: str, key: object) -> str:
    return f"{prefix}.{key}" if prefix else str(key)
