"""Verbs of the first step: sample data, training, what could be pruned."""

import shlex
from pathlib import Path
from typing import Any

from ..errors import UserError
from ._verb import Options, add_verb, config_options, overrides, ratios


def sample_data(verbs: Any) -> None:
    def run(options: Options) -> None:
        from ..data.sample_data import make

        print(f"sample data in {make(options.task, options.save_dir)}")

    verb = add_verb(verbs, run, "sample_data", "Make the embedded sample data, offline.",
                 "--task classification --save_dir data/sample_classification")  # fmt: skip
    verb.add_argument("--task", required=True, help="classification, detection, segmentation or matting")
    verb.add_argument("--save_dir", required=True, help="folder to write; sample data in it is replaced")


def _resume(options: Options) -> str:
    folder = Path(options.resume_checkpoint or options.save_dir or "output")
    state = folder / "latest" / "state.json"
    saved = state.is_file() and (not options.overwrite or state.stat().st_mtime >= options.begun)
    if saved:
        return f"go on with: python tools/train.py --resume_checkpoint {shlex.quote(str(folder))}"
    return "there was no checkpoint yet, so nothing is kept; the same command begins again"


def train(verbs: Any) -> None:
    def run(options: Options) -> None:
        from .. import pipeline
        from ..config import load_config
        from ..engine.start import resumed_config

        resume = options.resume_checkpoint is not None
        if resume:
            config = resumed_config(options.resume_checkpoint, options.config, overrides(options))
        elif options.config is None:
            raise UserError("--config: missing; give a file of configs/, or --resume_checkpoint")
        else:
            config = load_config(options.config, overrides(options))
        save_dir = options.save_dir or options.resume_checkpoint or "output"
        if resume and Path(save_dir).resolve() != Path(options.resume_checkpoint).resolve():
            raise UserError(f"--save_dir: '{save_dir}' is not the run to resume; leave it out")
        for name in ("pretrain_weights", "sensitivities_file", "eval_metric_loss") if resume else ():
            if getattr(options, name) is not None:
                raise UserError(f"--{name}: a resumed run has it already; leave it out")
        if resume and options.overwrite:
            raise UserError("--overwrite: --resume_checkpoint goes on with that run; leave one of them out")
        metrics = pipeline.train(
            config, save_dir, options.pretrain_weights, options.sensitivities_file,
            options.eval_metric_loss, resume, options.overwrite,
        )  # fmt: skip
        print(f"best {metrics['metric']} {metrics['value']:.4f} in {save_dir}/best_model")
        if "verdict" in metrics:
            print(metrics["verdict"])

    verb = add_verb(verbs, run, "train", "Train; with --sensitivities_file prune first, then retrain.",
                 "--config configs/classification/mobilenet_v2_sample.yml --save_dir output/dense", _resume)  # fmt: skip
    config_options(verb, required=False)
    verb.add_argument("--save_dir", help="the run's folder (default: output)")
    verb.add_argument(
        "--pretrain_weights",
        metavar="IMAGENET|PATH|MODEL_DIR",
        help="first weights: the library's ImageNet ones, a .pdparams file, or a best_model/ folder",
    )
    verb.add_argument(
        "--sensitivities_file",
        metavar="FILE|DEFAULT",
        help="prune by this table before training: a file of tools/sensitivity.py, PaddleSlim or PaddleX, or the built-in DEFAULT",
    )
    verb.add_argument(
        "--eval_metric_loss",
        type=float,
        help="largest relative loss of the metric allowed to each group on its own, in [0, 1) (default 0.05)",
    )
    verb.add_argument("--resume_checkpoint", metavar="SAVE_DIR", help="go on with a run that was broken off")
    verb.add_argument("--overwrite", action="store_true", help="lose the run that --save_dir holds already")


def sweep(verbs: Any) -> None:
    def run(options: Options) -> None:
        from .. import benchmark, report
        from ..config import load_config
        from ..files import write_json
        from ..sweep import sweep

        config = load_config(options.config, overrides(options))
        rows = sweep(config, options.model_dir, options.what, ratios(options.ratios), options.save_dir)
        target = Path(options.json or Path(options.save_dir) / f"{options.what}.json")
        write_json(target, {"command": options.command, **benchmark.machine(), "rows": rows})
        picture = Path(options.save_dir) / f"{options.what}.png"
        report.sweep_curve(rows, picture)
        print(report.sweep_table(rows), target, picture, sep="\n")

    verb = add_verb(verbs, run, "sweep", "Prune a model at several ratios, retrain each alike, and tabulate what is left of its metric.",
                    "--config configs/detection/yolov3_sample.yml --model_dir output/dense/best_model "
                    "--what filters --ratios 0.2,0.4,0.6,0.8 --save_dir output/sweep",
                    lambda o: f"finished runs are in {o.save_dir}; the same command goes on")  # fmt: skip
    config_options(verb, required=True)
    verb.add_argument("--model_dir", required=True, help="best_model/ of the run that was not pruned")
    verb.add_argument(
        "--what",
        required=True,
        help="filters: the same share of every group; percentile: of all filters together those below one threshold; "
        "weights: the smallest of all become zero",
    )
    verb.add_argument("--ratios", required=True, help="shares to remove, e.g. 0.2,0.4,0.6,0.8")
    verb.add_argument(
        "--save_dir", required=True, help="folder of the runs; finished ones are not made again"
    )
    verb.add_argument("--json", help="file for the rows (default: SAVE_DIR/WHAT.json)")


def anchors(verbs: Any) -> None:
    def run(options: Options) -> None:
        from .. import pipeline
        from ..config import load_config

        config = load_config(options.config, overrides(options))
        found, fit, usual = pipeline.find_anchors(config, options.count)
        print(f"mean IoU of a box with its best anchor: {fit:.3f}; with the config's anchors: {usual:.3f}")
        print(f"anchors: {found}")

    verb = add_verb(verbs, run, "anchors", "Find anchors for the boxes of a detection data set, by k-means; for model.args.anchors.",
                    "--config configs/detection/yolov3_bccd.yml")  # fmt: skip
    config_options(verb, required=True)
    verb.add_argument("--count", type=int, default=9, help="3, 6 or 9 (default: 9)")


def groups(verbs: Any) -> None:
    def run(options: Options) -> None:
        from .. import pipeline
        from ..config import load_config

        if (options.config is None) == (options.model_dir is None):
            raise UserError("--config, --model_dir: give one of them")
        if options.model_dir is not None and options.set:
            raise UserError("--set: it changes a config; leave it out beside --model_dir")
        of = options.model_dir or load_config(options.config, overrides(options))
        print(pipeline.describe_groups(of))

    verb = add_verb(verbs, run, "groups", "Print every convolution and linear layer: its group and size, or why it cannot be "
                 "pruned.", "--config configs/classification/mobilenet_v2_sample.yml")  # fmt: skip
    verb.add_argument("--model_dir", help="best_model/ of a run, in place of a config")
    config_options(verb, required=False)
