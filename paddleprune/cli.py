"""The commands. `python tools/train.py ...` and `paddleprune train ...` are the same."""

import argparse
import logging
import os
import shlex
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from .errors import UserError

Options = argparse.Namespace


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb. Returns the exit code: 0, or 2 for a user's mistake (one line on stderr)."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    options = parser().parse_args(arguments)
    options.command = shlex.join(["paddleprune", *arguments])
    _quiet()
    try:
        options.run(options)
    except UserError as error:
        print(f"paddleprune {options.verb}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"paddleprune {options.verb}: interrupted; what was finished is saved", file=sys.stderr)
        return 130
    return 0


def console() -> None:
    """The installed command `paddleprune`."""
    sys.exit(main())


def _quiet() -> None:
    """Our log lines as they are; other packages' warnings not at all."""
    warnings.filterwarnings("ignore")
    os.environ.setdefault("GLOG_minloglevel", "2")
    logging.basicConfig(level=logging.ERROR, format="%(message)s", stream=sys.stdout, force=True)
    logging.getLogger("paddleprune").setLevel(logging.INFO)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line and exit code 2; argparse alone would print the usage before it."""
        print(f"{self.prog}: {message}; see {self.prog} --help", file=sys.stderr)
        sys.exit(2)


def parser() -> argparse.ArgumentParser:
    """The parser of all verbs; each has its function in `run`."""
    top = _Parser(
        prog="paddleprune",
        description="Make a vision network small: train, analyse, prune + retrain, export.",
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=_Parser)
    for add in (
        _sample_data,
        _train,
        _groups,
        _sensitivity,
        _eval,
        _infer,
        _export,
        _benchmark,
        _report,
    ):
        add(verbs)
    return top


def _verb(verbs: Any, run: Callable, name: str, text: str, example: str) -> argparse.ArgumentParser:
    verb = verbs.add_parser(
        name,
        help=text,
        description=text,
        epilog=f"example: python tools/{name}.py {example}",
    )
    verb.set_defaults(run=run)
    return verb


def _sample_data(verbs: Any) -> None:
    def run(options: Options) -> None:
        from .data.sample_data import make

        print(f"sample data in {make(options.task, options.save_dir)}")

    verb = _verb(verbs, run, "sample_data", "Make the embedded sample data, offline.",
                 "--task classification --save_dir data/sample_classification")  # fmt: skip
    verb.add_argument("--task", required=True, help="classification")
    verb.add_argument("--save_dir", required=True, help="folder to write; sample data in it is replaced")


def _config_options(verb: argparse.ArgumentParser, required: bool) -> None:
    verb.add_argument(
        "--config",
        required=required,
        help="a file in configs/, e.g. configs/classification/mobilenet_v2_sample.yml",
    )
    verb.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", nargs="+",
                      help="change keys of the config, e.g. --set train.epochs=5 data.root=DIR")  # fmt: skip


def _overrides(options: Options) -> list[str]:
    return [item for group in options.set for item in group]


def _train(verbs: Any) -> None:
    def run(options: Options) -> None:
        from . import pipeline
        from .config import load_config
        from .engine.start import resumed_config

        resume = options.resume_checkpoint is not None
        if resume:
            config = resumed_config(options.resume_checkpoint, options.config, _overrides(options))
        elif options.config is None:
            raise UserError("--config: missing; give a file of configs/, or --resume_checkpoint")
        else:
            config = load_config(options.config, _overrides(options))
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

    verb = _verb(verbs, run, "train", "Train; with --sensitivities_file prune first, then retrain.",
                 "--config configs/classification/mobilenet_v2_sample.yml --save_dir output/dense")  # fmt: skip
    _config_options(verb, required=False)
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


def _groups(verbs: Any) -> None:
    def run(options: Options) -> None:
        from . import pipeline
        from .config import load_config

        print(pipeline.describe_groups(load_config(options.config, _overrides(options))))

    verb = _verb(verbs, run, "groups", "Print every convolution: its group and size, or why it cannot be pruned.",
                 "--config configs/classification/mobilenet_v2_sample.yml")  # fmt: skip
    _config_options(verb, required=True)


def _sensitivity(verbs: Any) -> None:
    def run(options: Options) -> None:
        from . import pipeline

        table = pipeline.analyse_model(
            options.model_dir, options.save_file, options.dataset, options.list, options.criterion,
            _ratios(options.ratios), options.batch_size, options.engine, options.eval_metric_loss,
            options.verify, {"command": options.command},
        )  # fmt: skip
        print(
            f"baseline {table.provenance.metric} {table.baseline:.4f}; {len(table.curves)} groups in {options.save_file}"
        )

    verb = _verb(verbs, run, "sensitivity", "Measure how much each group's pruning hurts on validation data.",
                 "--model_dir output/dense/best_model --save_file output/sensitivities.json")  # fmt: skip
    verb.add_argument("--model_dir", required=True, help="best_model/ of a run that was not pruned")
    verb.add_argument("--save_file", required=True, help="JSON; an unfinished one is completed")
    verb.add_argument("--dataset", help="folder of the data (default: the one that the model was trained on)")
    verb.add_argument("--list", help="list file of the folder (default: its validation list)")
    verb.add_argument(
        "--criterion", default="l1_norm", help="l1_norm, l2_norm, fpgm or bn_scale (default: l1_norm)"
    )
    verb.add_argument(
        "--ratios", default="0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9", help="fractions of channels to try"
    )
    verb.add_argument("--batch_size", type=int, help="images per batch (default: that of the training)")
    verb.add_argument(
        "--engine", default="replay", help="replay (fast), or plain: a whole evaluation per point"
    )
    verb.add_argument(
        "--eval_metric_loss", type=float, help="only the points that decide the ratios under this budget"
    )
    verb.add_argument(
        "--verify", type=int, default=0, metavar="N", help="evaluate N random points again the plain way"
    )


def _ratios(text: str) -> list[float]:
    try:
        ratios = [float(part) for part in text.split(",")]
    except ValueError:
        ratios = []
    if not ratios or not all(0 < r < 1 for r in ratios):
        raise UserError(f"--ratios: '{text}' must be numbers in (0, 1) with commas, e.g. 0.1,0.3,0.5")
    return sorted(set(ratios))


def _eval(verbs: Any) -> None:
    def run(options: Options) -> None:
        from . import pipeline
        from .files import write_json

        values = pipeline.evaluate_model(options.model_dir, options.dataset, options.list)
        target = Path(options.save_file or Path(options.model_dir) / "eval.json")
        write_json(target, values)
        print("  ".join(f"{name} {value:.4f}" for name, value in values.items()), f"in {target}")

    verb = _verb(verbs, run, "eval", "Evaluate a model directory.", "--model_dir output/dense/best_model")
    verb.add_argument("--model_dir", required=True, help="best_model/ of a run")
    verb.add_argument("--dataset", help="folder of the data (default: the one that the model was trained on)")
    verb.add_argument("--list", help="list file of the folder (default: its validation list)")
    verb.add_argument("--save_file", help="JSON with the values (default: MODEL_DIR/eval.json)")


def _infer(verbs: Any) -> None:
    def run(options: Options) -> None:
        from . import pipeline

        results = pipeline.infer(options.model_dir, options.image, options.save_dir)
        print(f"{len(results)} pictures and results.json in {options.save_dir}")

    verb = _verb(verbs, run, "infer", "Run a model on pictures; the results are drawn on them.",
                 "--model_dir output/dense/best_model --image PICTURE --save_dir output/drawn")  # fmt: skip
    verb.add_argument("--model_dir", required=True, help="best_model/ of a run")
    verb.add_argument("--image", required=True, help="a picture, or a folder of pictures")
    verb.add_argument("--save_dir", required=True, help="folder for the drawn pictures and results.json")


def _export(verbs: Any) -> None:
    def run(options: Options) -> None:
        from . import pipeline

        manifest = pipeline.export_model(
            options.model_dir, options.save_dir, options.format, options.targets.split(","),
            options.dataset, options.images,
        )  # fmt: skip
        parity = manifest["parity"]
        print(
            f"parity: {parity['runtime']} on {parity['images']} images: max |difference| "
            f"{parity['max_abs_diff']:.2e} (tolerance {parity['tolerance']:.0e}), "
            f"{parity['metric']} {parity['trained']:.4f} trained, {parity['exported']:.4f} exported"
        )
        for name, facts in manifest["files"].items():
            print(f"{options.save_dir}/{name}  {facts['size_bytes'] / 1e6:.2f} MB")

    verb = _verb(verbs, run, "export", "Export a model, and check the exported file against it.",
                 "--model_dir output/pruned/best_model --save_dir output/lite --format lite")  # fmt: skip
    verb.add_argument("--model_dir", required=True, help="best_model/ of a run")
    verb.add_argument("--save_dir", required=True, help="folder for the files and manifest.json")
    verb.add_argument("--format", required=True, help="inference (Paddle Inference) or lite (Paddle Lite)")
    verb.add_argument("--targets", default="x86,arm", help="of lite: x86, arm or both (default: x86,arm)")
    verb.add_argument("--dataset", help="folder of the data to check on (default: the training's)")
    verb.add_argument(
        "--images", type=int, default=200, help="about how many images to check on (default: 200)"
    )


def _benchmark(verbs: Any) -> None:
    def run(options: Options) -> None:
        from . import benchmark
        from .files import write_json

        rows = []
        for count in options.threads:
            rows += benchmark.measure(options.model, options.runtime, count, options.repeats)
        for row in rows:
            print(
                f"{row['p50_ms']:8.2f} ms median  {row['p95_ms']:8.2f} ms 95 %  {row['threads']} threads  {row['model']}"
            )
        if options.json:
            write_json(options.json, {"command": options.command, **benchmark.machine(), "rows": rows})
            print(f"rows in {options.json}")

    verb = _verb(verbs, run, "benchmark", "Latency of models side by side, taking turns, batch 1.",
                 "--model output/dense/best_model --model output/pruned/best_model --runtime lite")  # fmt: skip
    verb.add_argument(
        "--model",
        action="append",
        required=True,
        metavar="MODEL_DIR",
        help="best_model/ of a run; repeat to compare",
    )
    verb.add_argument(
        "--runtime",
        default="inference",
        help="inference (Paddle Inference, oneDNN) or lite (Paddle Lite x86)",
    )
    verb.add_argument("--threads", type=int, nargs="+", default=[1], help="one or more counts (default: 1)")
    verb.add_argument("--repeats", type=int, default=50, help="timed runs of each model (default: 50)")
    verb.add_argument("--json", help="file to write the rows to")


def _run_report(options: Options) -> None:
    from . import benchmark, pipeline, report
    from .files import write_json

    made: list[Path] = []
    results = options.results
    if options.sensitivities_file:
        if not options.model_dir:
            raise UserError("--model_dir: missing; give the model that the sensitivities are of")
        made += pipeline.draw_sensitivities(
            options.sensitivities_file, options.model_dir, options.save_dir, options.eval_metric_loss
        )
    if options.before:
        rows = pipeline.compare(
            [options.before, *options.after], options.names, options.dataset, options.list,
            options.threads, options.repeats,
        )  # fmt: skip
        results = options.json or Path(options.save_dir) / "compression.json"
        write_json(results, {"command": options.command, **benchmark.machine(), "rows": rows})
        made.append(Path(results))
    if results:
        rows = report.read_rows(results)
        made.append(Path(options.save_dir) / "before_after.png")
        report.before_after(rows, made[-1])
        print(report.compression_table(rows))
    if not made:
        raise UserError(
            "nothing to draw; give --sensitivities_file with --model_dir, --before with --after, or --results"
        )
    for path in made:
        print(path)


def _report(verbs: Any) -> None:
    verb = _verb(verbs, _run_report, "report", "Pictures and tables: sensitivities, budgets, before and after.",
                 "--before output/dense/best_model --after output/pruned/best_model --save_dir output/report")  # fmt: skip
    verb.add_argument("--save_dir", required=True, help="folder for the pictures")
    verb.add_argument(
        "--sensitivities_file", metavar="FILE|DEFAULT", help="draws the curves, and what each budget removes"
    )
    verb.add_argument("--model_dir", help="the model that the sensitivities are of")
    verb.add_argument(
        "--eval_metric_loss", type=float, nargs="*", default=[], help="budgets to mark in the picture"
    )
    verb.add_argument(
        "--before",
        metavar="MODEL_DIR",
        help="the model that was not pruned; it and --after are evaluated and timed",
    )
    verb.add_argument(
        "--after",
        metavar="MODEL_DIR",
        action="append",
        default=[],
        help="a pruned model; repeat to compare several",
    )
    verb.add_argument("--names", nargs="+", default=[], help="names of the models, the one before first")
    verb.add_argument("--dataset", help="folder of the data to evaluate on (default: the training's)")
    verb.add_argument("--list", help="list file of the folder (default: its validation list)")
    verb.add_argument(
        "--threads", type=int, nargs="+", default=[1, 2], help="thread counts to time with (default: 1 2)"
    )
    verb.add_argument("--repeats", type=int, default=50, help="timed runs of each model (default: 50)")
    verb.add_argument("--json", help="file for the rows (default: SAVE_DIR/compression.json)")
    verb.add_argument("--results", help="rows of an earlier comparison, to draw them again")
