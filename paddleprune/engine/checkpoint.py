"""What is on disk: weights, model directories, and the state that a run resumes from.

    best_model/   model.yml  model.pdparams  [plan.json]      everything `load_model` needs
    latest/       the same, and optimizer.pdopt  state.json   everything `--resume_checkpoint` needs

A model is config + plan + weights: the dense network is built, the plan applied, the weights put in.
"""

import os
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import yaml
from paddle import nn

from .. import models, pickles
from ..errors import UserError
from ..files import atomic_folder, checked_path, exists, recover_folder, write_json, write_text
from ..pruning.narrow import narrow
from ..pruning.plan import Plan
from ..texts import finite, read_json, read_yaml  # fmt: skip
from ..weights import fingerprint

FORMAT = 1
HELPERS = "helpers.pdparams"  # what methods train along


@dataclass
class SavedModel:
    """A model directory in memory: the network and the facts of `model.yml`."""

    network: nn.Layer
    facts: dict[str, Any]
    plan: Plan | None = None
    folder: Path | None = field(default=None, compare=False)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        channels, height, width = self.facts["image_shape"]
        return channels, height, width

    @property
    def place(self) -> Path:
        """The folder that it was read from."""
        assert self.folder is not None
        return self.folder


ModelDir = str | Path | SavedModel  # a model directory: where it is, or as it was read


def save_weights(network: nn.Layer, path: Path) -> None:
    paddle.save(network.state_dict(), str(path))


def read_weights(path: str | Path) -> dict[str, np.ndarray]:
    """Arrays by structured name from a `.pdparams`, without running anything from the file."""
    raw = pickles.load(path, "weights")
    if not isinstance(raw, dict):
        raise UserError(f"weights '{path}' hold no dict of arrays; pass a .pdparams state dict")
    arrays = {
        name: value[1] if isinstance(value, tuple) and len(value) == 2 else value
        for name, value in raw.items()
        if name != "StructuredToParameterName@@"
    }
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise UserError(f"weights '{path}' hold no dict of arrays; pass a .pdparams state dict")
    return arrays


def put_weights(network: nn.Layer, weights: dict[str, np.ndarray]) -> list[str]:
    """Copy what fits by name and shape. Returns one line for each that did not."""
    own = network.state_dict()
    problems = [f"{name}: not in the network" for name in weights if name not in own]
    fitting = {}
    for name, tensor in own.items():
        if name not in weights:
            problems.append(f"{name}: not in the file")
        elif list(weights[name].shape) != list(tensor.shape):
            problems.append(f"{name}: {list(weights[name].shape)} in the file, {tensor.shape} here")
        else:
            fitting[name] = weights[name].astype(tensor.numpy().dtype)
    network.set_state_dict(fitting)
    return problems


def save_model(folder: Path, network: nn.Layer, facts: dict[str, Any], plan: Plan | None) -> None:
    """Write the files of a model directory into `folder`, which must exist."""
    facts = {"format": FORMAT, **facts, "weights": fingerprint(network), "versions": versions()}
    write_text(folder / "model.yml", yaml.safe_dump(facts, sort_keys=False, allow_unicode=True))
    save_weights(network, folder / "model.pdparams")
    if plan is not None:
        write_json(folder / "plan.json", plan.as_dict())


def load_model(folder: ModelDir) -> SavedModel:
    """Read a model directory; one that has been read is given back. Raises UserError if a file is missing, damaged or
    does not fit."""
    if isinstance(folder, SavedModel):
        return folder
    folder = checked_path(folder, "model directory")
    if exists(folder.parent, "folder") and os.access(folder.parent, os.W_OK):
        recover_folder(folder)
    if not exists(folder / "model.yml"):
        raise UserError(
            f"'{str(folder)[:300]}' is no model directory (it has no model.yml); pass the best_model/ of a run"
        )
    facts = _facts(folder / "model.yml")
    name, args, shape = facts["model"]["name"], facts["model"]["args"], facts["image_shape"]
    if facts["task"] not in models.card(name).heads:
        raise UserError(f"'{folder}/model.yml' says that {name} is for {facts['task']!r:.80}; train again")
    network = models.build(name, args)
    plan = None
    if (folder / "plan.json").exists():
        plan = Plan.from_dict(read_json(folder / "plan.json", "plan"))
        narrow(network, plan, tuple(shape), check=False)
    weights = read_weights(folder / "model.pdparams")
    refuse_not_finite(weights, folder / "model.pdparams")
    problems = put_weights(network, weights)
    if problems:
        raise UserError(
            f"'{folder}/model.pdparams' does not fit model.yml and plan.json: {problems[0]} "
            f"({len(problems)} in all); the files are not of one run"
        )
    network.eval()
    return SavedModel(network, facts, plan, folder)


def _facts(path: Path) -> dict[str, Any]:
    """The facts of a `model.yml`. Raises UserError for one that says less, or something else, than is used."""
    facts = read_yaml(path, "model file")
    kinds = {"task": str, "model": dict, "labels": list, "image_shape": list, "eval_transforms": list,
             "metric": str, "data": dict}  # fmt: skip
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        there = facts.get("format") if isinstance(facts, dict) else None
        raise UserError(f"'{path}' has format {there}; {FORMAT} is read here")
    wrong = [key for key, kind in kinds.items() if not isinstance(facts.get(key), kind)]
    model, shape = facts.get("model"), facts.get("image_shape")
    if not wrong and not (isinstance(model.get("name"), str) and isinstance(model.get("args"), dict)):
        wrong = ["model"]
    if not wrong and not (len(shape) == 3 and all(type(n) is int and n > 0 for n in shape)):
        wrong = ["image_shape"]
    if not wrong and not all(isinstance(name, str) for name in facts["labels"]):
        wrong = ["labels"]
    if wrong:
        raise UserError(f"'{path}' is damaged ({wrong[0]}: {str(facts.get(wrong[0]))[:80]!r}); train again")
    return facts


def refuse_not_finite(weights: dict[str, np.ndarray], path: Path) -> None:
    """Raises UserError for weights with NaN or infinity: whatever they compute means nothing."""
    for name, array in weights.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise UserError(
                f"'{path}' holds values that are no numbers (in {name}): the training went wrong, or the file is "
                "damaged; use weights of before that"
            )


@dataclass
class State:
    """Where a run is. `step` counts batches over all epochs; `batch` those of `epoch` done."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    judged: int = 0  # epochs after which the metric is known
    best: float | None = None
    best_epoch: int = -1
    evaluations_since_best: int = 0
    seconds: float = 0.0


def save_state(
    folder: Path, saved: SavedModel, optimizer: Any, state: State, helpers: nn.LayerList | None = None
) -> None:
    """Write a resumable checkpoint; `folder` is replaced as a whole."""
    with atomic_folder(folder) as temporary:
        save_model(temporary, saved.network, saved.facts, saved.plan)
        arrays = _optimizer_arrays(_named(saved.network, helpers), optimizer)
        if helpers:
            save_weights(helpers, temporary / HELPERS)
        paddle.save(arrays, str(temporary / "optimizer.pdopt"))
        write_json(temporary / "state.json", state.__dict__)


def load_state(folder: Path, network: nn.Layer, optimizer: Any, helpers: nn.LayerList | None = None) -> State:
    """Put a checkpoint's weights and optimizer state into `network`, what methods train along, and `optimizer`."""
    put_weights(network, read_weights(folder / "model.pdparams"))
    if helpers and (problems := put_weights(helpers, read_weights(folder / HELPERS))):
        raise UserError(f"'{folder}/{HELPERS}' does not fit the run ({problems[0]}); train again")
    arrays = pickles.load(folder / "optimizer.pdopt", "optimizer")
    try:
        _put_optimizer_arrays(_named(network, helpers), optimizer, arrays)
    except Exception as error:  # Paddle raises what it likes for arrays of another shape
        raise UserError(
            f"'{folder}/optimizer.pdopt' does not fit the model ({type(error).__name__}); train again"
        ) from error
    return _state(read_json(folder / "state.json", "training state"), folder / "state.json")


def _state(raw: Any, path: Path) -> State:
    try:
        state = State(**{"judged": raw["epoch"], **raw})
        for name in ("epoch", "batch", "step", "judged", "evaluations_since_best"):
            value = getattr(state, name)
            if type(value) is not int or value < 0:
                raise ValueError(f"{name}: {value!r}")
        finite(state.seconds, "seconds")
        if state.best is not None:
            finite(state.best, "best")
        return state
    except (TypeError, ValueError, KeyError) as error:
        raise UserError(f"'{path}' is damaged ({error}); train again") from error


def _named(network: nn.Layer, helpers: nn.LayerList | None) -> dict[str, Any]:
    """All parameters by names of their own."""
    along = [] if helpers is None else helpers.named_parameters(prefix="helpers")
    return dict([*network.named_parameters(), *along])


def _optimizer_arrays(parameters: dict[str, Any], optimizer: Any) -> dict[str, Any]:
    """Moments by structured name ('conv.weight/_velocity_0'): the framework's own names come from
    a process-wide counter and differ in the next process."""
    state = optimizer.state_dict()
    return {
        f"{name}/{key[len(parameter.name) :]}": value
        for name, parameter in parameters.items()
        for key, value in state.items()
        if key.startswith(f"{parameter.name}_")
    }


def _put_optimizer_arrays(parameters: dict[str, Any], optimizer: Any, arrays: dict) -> None:
    state = {}
    for key, array in arrays.items():
        if "/" in key:  # not the framework's own table of names
            name, suffix = key.rsplit("/", 1)
            array = array[1] if isinstance(array, tuple) else array
            state[parameters[name].name + suffix] = paddle.to_tensor(array)
    optimizer.set_state_dict(state)


def versions() -> dict[str, str]:
    """Versions of the packages whose numbers a result depends on."""
    found = {}
    for package in (
        "paddleprune", "paddlepaddle", "paddlelite", "openvino", "onnxruntime", "paddle2onnx", "ncnn", "MNN", "numpy",
        "opencv-python-headless",
    ):  # fmt: skip
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
