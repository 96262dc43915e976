"""One command from a folder of pictures to a file for a phone: the other verbs in order, each of which it prints."""

import json
import math
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import UserError
from ._verb import Options, add_verb, apart, data_folder, data_options

TARGETS = ("size", "params", "macs", "latency", "loss")  # fractions
MEGABYTES = "mb"
# What it takes time to make.
MADE = ("dense/latest", "dense/metrics.json", "sensitivities.json", "pruned/latest", "pruned/metrics.json")
SHARES = {"dense": 0.5, "pruned": 0.4}  # of the minutes


def compress(verbs: Any) -> None:
    verb = add_verb(
        verbs, _run, "compress", "From a folder of pictures to a small, checked network and its report, in one go.",
        "--data DIR --target size=0.25 --save_dir output/small",
        lambda o: f"what is finished is in {o.save_dir}; the same command goes on",
    )  # fmt: skip
    data_options(verb, 30.0, "for both trainings together, about")
    verb.add_argument(
        "--target", default="size=0.25",
        help="size=0.25: a quarter of the parameters; mb=2: weights of 2 MB, in float32; macs=0.3, latency=0.5 (measured here); loss=0.01: as "
        "small as this loss of each group, by itself, allows (default: size=0.25)",
    )  # fmt: skip
    verb.add_argument("--save_dir", required=True, help="folder for everything that is made")
    verb.add_argument(
        "--weights",
        default="",
        help="to begin with: IMAGENET, a .pdparams file, or a trained model's directory",
    )
    verb.add_argument(
        "--format",
        default="",
        help="of the file (default: lite where Paddle Lite is installed, else inference)",
    )
    verb.add_argument(
        "--quant",
        default="",
        help="weights as integers, int8, of lite int16, too: smaller, and with inference, onnx and openvino faster",
    )


def _run(options: Options) -> None:
    what, value = _target(options.target)
    form = _format(options.format, options.quant)
    folder = _begun(options)
    dense = _dense(options, folder, what, value)
    pruned = folder / "pruned"
    if not (pruned / "metrics.json").is_file():
        if what == "loss":  # a table that is not finished is completed
            _step(
                None,
                ["sensitivity", "--model_dir", str(dense), "--save_file", f"{folder}/sensitivities.json"],
            )
        _train(pruned, folder / "pruned.yml", lambda: _pruned_config(options, folder, dense, what, value))
    model = pruned / "best_model"
    shipped = folder / "_".join(filter(None, (form, options.quant)))
    integers = ["--quant", options.quant] if options.quant else []
    _step(
        shipped / "manifest.json",
        ["export", "--model_dir", str(model), "--format", form, *integers, "--save_dir", str(shipped)],
    )
    page = folder / "report.html"
    _step(page, ["report", "--before", str(dense), "--after", str(model), "--names", "original", "small",
                 "--repeats", "30", "--threads", "1", "--save_file", str(page), "--json", str(folder / "report.json")])  # fmt: skip
    print("\n".join(_ending(folder, dense, shipped)))


def _target(text: str) -> tuple[str, float]:
    what, _, number = text.partition("=")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if what == MEGABYTES and 0 < value < math.inf:
        return "megabytes", value
    if what not in TARGETS or not 0 < value < 1:
        raise UserError(
            f"--target: '{text}' must be one of {', '.join(f'{t}=0.25' for t in TARGETS)}, in (0, 1), or {MEGABYTES}=2, megabytes"
        )
    return "params" if what == "size" else what, value


def _begun(options: Options) -> Path:
    """The folder, with what was asked for written down: it is one job's."""
    from ..files import checked_path, make_folder, write_json
    from ..texts import read_json

    data = data_folder(options)
    folder = make_folder(apart(checked_path(options.save_dir, "--save_dir"), data))
    asked = {key: getattr(options, key) for key in ("data", "task", "target", "model", "weights", "minutes")}
    begun = folder / "compress.json"
    something = any((folder / name).exists() for name in MADE)
    if something and begun.is_file() and (was := {"task": "", **read_json(begun, "job")}) != asked:
        changed = [key for key in asked if was.get(key) != asked[key]]
        raise UserError(
            f"--save_dir: '{folder}' was begun with another --{changed[0]}; choose another folder"
        )
    if not something:  # what was asked for before came to nothing
        for name in ("dense.yml", "pruned.yml"):
            (folder / name).unlink(missing_ok=True)
    write_json(begun, asked)
    return folder


def _dense(options: Options, folder: Path, what: str, value: float) -> Path:
    """The model directory of the dense network, trained if it is not given."""
    if (Path(options.weights) / "model.yml").is_file():
        return _given(Path(options.weights), Path(options.data))
    run = folder / "dense"
    if (run / "metrics.json").is_file():
        return run / "best_model"

    def config() -> str:
        from ..config import PruneConfig, dump_config
        from ..data.layouts import look
        from ..recipes import dense_config, groups_of
        from ..target import check_megabytes

        found = look(Path(options.data), folder / "data", options.task)
        made = dense_config(found, options.model, options.weights, SHARES["dense"] * options.minutes)
        if what == "megabytes":  # before it is trained
            groups = groups_of(made)
            check_megabytes(value, groups, groups, PruneConfig().align, f"--target {MEGABYTES}")
        size = made.data.image_shape[1]
        _say(f"{found.kind}: {found.task}, {made.model.name} {made.model.args or ''} at {size} px, {made.train.epochs} epochs"
             + ("" if options.weights else "; it begins with random weights: --weights IMAGENET is better where it can be had"))  # fmt: skip
        return dump_config(made)

    _train(run, folder / "dense.yml", config)
    return run / "best_model"


def _given(model: Path, data: Path) -> Path:
    """A trained model's directory. Raises UserError where its run, whose recipe is used again, is of other data."""
    from ..config import load_config

    run = model.parent / "config.yml"
    if not run.is_file():
        raise UserError(f"--weights: '{model}' is not in the folder of its run, whose config.yml is needed")
    root = Path(load_config(run).data.root)
    if root.resolve() != data.resolve():
        raise UserError(
            f"--data: '{data}', but the model of --weights was trained on '{root}'; give that folder"
        )
    _say(f"the model that is given, {model}, is not trained again")
    return model


def _pruned_config(options: Options, folder: Path, dense: Path, what: str, value: float) -> str:
    from dataclasses import replace

    from ..config import PruneConfig, TargetConfig, dump_config, load_config
    from ..engine.start import open_splits
    from ..recipes import with_epochs

    made = load_config(dense.parent / "config.yml")
    prune = (
        PruneConfig(strategy="under_budget", sensitivities=str(folder / "sensitivities.json"), loss=value)
        if what == "loss"
        else PruneConfig(strategy="least_loss", target=TargetConfig(**{what: value}))
    )
    train = replace(
        made.train,
        learning_rate=made.train.learning_rate / 2,
        warmup_epochs=1.0,  # AdamW begins with steps that are too large
        until="dense",
        distill=0.5,
        teacher=str(dense),
    )
    made = replace(made, model=replace(made.model, weights=str(dense)), train=train, prune=prune)
    return dump_config(with_epochs(made, open_splits(made)[0], SHARES["pruned"] * options.minutes))


def _train(run: Path, file: Path, config: Callable[[], str]) -> None:
    """A training by the config in `file`, which is made if it is not there; one that was broken off goes on."""
    from ..files import write_text

    if not file.is_file():
        write_text(file, config())
    _step(run / "metrics.json", ["train", "--config", str(file), "--save_dir", str(run)])


def _step(result: Path | None, command: list[str]) -> None:
    """One verb, unless its result is there. Raises what it raised."""
    from . import parser

    if result is not None and result.is_file():
        return
    line = shlex.join(["paddleprune", *command])
    _say(line)
    options = parser().parse_args(command)
    options.command, options.begun = line, 0.0
    options.run(options)


def _say(text: str) -> None:
    print(f"== {text}", flush=True)


def _format(name: str, quant: str) -> str:
    """The export's format: the one that is named, or the usual one. Raises UserError for an unknown one, or one that does
    not take these integers."""
    from ..export import formats, lite

    chosen = name or ("lite" if lite.installed() else "inference")
    used = formats.runtime(chosen, "--format")
    if quant:
        formats.check_quant(used, quant)
    return chosen


def _ending(folder: Path, dense: Path, shipped: Path) -> list[str]:
    """Ten lines for a person."""
    before, after = json.loads((folder / "report.json").read_text())["rows"]
    facts = json.loads((folder / "pruned/metrics.json").read_text())
    files = json.loads((shipped / "manifest.json").read_text())["files"]
    name, images = facts["metric"], facts["images"]
    lines = [
        "",
        f"{name}: {before['value']:.4f} -> {after['value']:.4f} on {images} validation pictures{_sure(after)}",
        *_worst_class(before, after),
    ]
    for what, unit in (("params", 1e6), ("macs", 1e6), ("size_bytes", 1e6)):
        word = {"params": "parameters, M", "macs": "multiplications, M", "size_bytes": "weights, MB"}[what]
        lines.append(
            f"{word}: {before[what] / unit:.2f} -> {after[what] / unit:.2f} ({before[what] / after[what]:.1f}x smaller)"
        )
    for key, ms in before["latency_ms"].items():
        lines.append(
            f"latency {key}, ms: {ms:.2f} -> {after['latency_ms'][key]:.2f} ({ms / after['latency_ms'][key]:.2f}x faster)"
        )
    lines += [
        *(f"file: {shipped / name} ({one['size_bytes'] / 1e6:.2f} MB)" for name, one in files.items()),
        f"report: {folder / 'report.html'}",
        f"verdict: {facts.get('verdict', '')}",
    ]
    trained = folder / "dense/metrics.json"
    own = json.loads(trained.read_text()) if trained.is_file() else {"epoch": 0, "epochs": 1}
    if own["epoch"] > 0.8 * own["epochs"]:
        lines.append(
            f"the original was still learning (its best epoch is {own['epoch']} of {own['epochs']}): with more --minutes "
            "both are better, and the comparison is fairer"
        )
    if _knows_nothing(name, before["value"], folder / "dense.yml"):
        lines.append(
            "but the original itself knows next to nothing: give it more --minutes, or --weights to begin with"
        )
    return lines


def _knows_nothing(metric: str, value: float, config: Path) -> bool:
    """Is the original's metric about that of guessing?"""
    if metric == "acc1" and config.is_file():
        from ..config import load_config
        from ..engine.start import open_splits

        return value < 2 / len(open_splits(load_config(config))[0].labels)
    return metric in ("map", "miou") and value < 0.1


def _sure(after: dict[str, Any]) -> str:
    """How far what was measured may be from what it is on other pictures of the kind."""
    if not after.get("interval") or not after.get("change"):
        return ""
    low, high = after["interval"]
    least, most = after["change"]
    return f"; 95 % sure: {low:.4f} to {high:.4f}, the change {least:+.4f} to {most:+.4f}"


def _worst_class(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The class that lost most, if one lost anything."""
    was, now = ((row.get("classes") or {}).get("values", {}) for row in (before, after))
    lost = {
        name: was[name] - now[name] for name in was if was[name] is not None and now.get(name) is not None
    }
    worst = max(lost, key=lambda name: lost[name], default="")
    if not worst or lost[worst] <= 0:
        return []
    return [
        f"the class that lost most: {worst}, {before['classes']['of']} {was[worst]:.3f} -> {now[worst]:.3f}"
    ]
