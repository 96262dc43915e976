"""Verbs of the first step: sample data, training, what could be pruned."""

from pathlib import Path
from typing import Any

from ..errors import UserError
from ._verb import Options, add_verb, config_options, overrides


def sample_data(verbs: Any) -> None:
    def run(options: Options) -> None:
        from ..data.sample_data import make

        print(f"sample data in {make(options.task, options.save_dir)}")

    verb = add_verb(verbs, run, "sample_data", "Make the embedded sample data, offline.",
                 "--task classification --save_dir data/sample_classification")  # fmt: skip
    verb.add_argument("--task", required=True, help="classification, detection, segmentation or matting")
    verb.add_argument("--save_dir", required=True, help="folder to write; sample data in it is replaced")


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
        metrics = pipeline.train(
            config, save_dir, options.pretrain_weights, options.sensitivities_file,
            options.eval_metric_loss, resume,
        )  # fmt: skip
        print(f"best {metrics['metric']} {metrics['value']:.4f} in {save_dir}/best_model")

    verb = add_verb(verbs, run, "train", "Train; with --sensitivities_file prune first, then retrain.",
                 "--config configs/classification/mobilenet_v2_sample.yml --save_dir output/dense")  # fmt: skip
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


def groups(verbs: Any) -> None:
    def run(options: Options) -> None:
        from .. import pipeline
        from ..config import load_config

        print(pipeline.describe_groups(load_config(options.config, overrides(options))))

    verb = add_verb(verbs, run, "groups", "Print every convolution: its group and size, or why it cannot be pruned.",
                 "--config configs/classification/mobilenet_v2_sample.yml")  # fmt: skip
    config_options(verb, required=True)
