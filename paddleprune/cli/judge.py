"""Verbs that judge a model: evaluate, look, time, compare."""

from pathlib import Path
from typing import Any

from ..errors import UserError
from ._verb import Options, add_verb


def evaluate(verbs: Any) -> None:
    def run(options: Options) -> None:
        from ..examine import examine
        from ..files import write_json

        found = examine(options.model_dir, options.dataset, options.list, options.save_dir, options.worst)
        print("  ".join(f"{name} {value:.4f}" for name, value in found.values.items()))
        for line in found.table():
            print(line)
        target = Path(options.save_file or Path(options.model_dir) / "eval.json")
        write_json(target, found.as_dict())
        print(f"in {target}" + (f"; pictures in {options.save_dir}" if options.save_dir else ""))

    verb = add_verb(verbs, run, "eval", "Evaluate a model directory: all metrics, by class, and where it fails.",
                 "--model_dir output/dense/best_model --save_dir output/eval")  # fmt: skip
    verb.add_argument("--model_dir", required=True, help="best_model/ of a run")
    verb.add_argument("--dataset", help="folder of the data (default: the one that the model was trained on)")
    verb.add_argument("--list", help="list file of the folder (default: its validation list)")
    verb.add_argument("--save_file", help="JSON with the values (default: MODEL_DIR/eval.json)")
    verb.add_argument("--save_dir", help="folder for pictures: what is taken for what (or precision over recall), and "
                      "the worst pictures, drawn")  # fmt: skip
    verb.add_argument("--worst", type=int, default=12, help="how many of those (default: 12)")


def infer(verbs: Any) -> None:
    def run(options: Options) -> None:
        from ..infer import infer as infer_pictures

        results = infer_pictures(
            options.model_dir, options.image, options.save_dir, options.trimap, options.score
        )
        print(f"{len(results)} pictures and results.json in {options.save_dir}")

    verb = add_verb(verbs, run, "infer", "Run a model on pictures; the results are drawn on them.",
                 "--model_dir output/dense/best_model --image PICTURE --save_dir output/drawn",
                 lambda o: f"pictures drawn so far are in {o.save_dir}; the same command begins again")  # fmt: skip
    verb.add_argument("--model_dir", required=True, help="best_model/ of a run")
    verb.add_argument("--image", required=True, help="a picture, or a folder of pictures")
    verb.add_argument("--trimap", help="for a model that takes one: a grey picture, or a folder of them named as the "
                      "pictures; 0 background, 128 unknown, 255 foreground")  # fmt: skip
    verb.add_argument("--score", type=float, help="of detection: boxes below it are left out (default: 0.3)")
    verb.add_argument("--save_dir", required=True, help="folder for the drawn pictures and results.json")


def benchmark(verbs: Any) -> None:
    def run(options: Options) -> None:
        from .. import benchmark
        from ..files import write_json

        rows = benchmark.measure(options.model_dir, [options.runtime], options.threads, options.repeats)
        for row in rows:
            print(
                f"{row['p50_ms']:8.2f} ms median  {row['p95_ms']:8.2f} ms 95 %  {row['threads']} threads  {row['model']}"
            )
        if options.json:
            write_json(options.json, {"command": options.command, **benchmark.machine(), "rows": rows})
            print(f"rows in {options.json}")

    verb = add_verb(verbs, run, "benchmark", "Latency of models side by side, taking turns, batch 1.",
                 "--model_dir output/dense/best_model --model_dir output/pruned/best_model --runtime lite")  # fmt: skip
    verb.add_argument(
        "--model_dir",
        action="append",
        required=True,
        metavar="DIR",
        help="best_model/ of a run; repeat to compare",
    )
    verb.add_argument(
        "--runtime",
        default="inference",
        help="inference (Paddle Inference, oneDNN), lite (Paddle Lite x86), onnx, openvino, ncnn or mnn",
    )
    verb.add_argument("--threads", type=int, nargs="+", default=[1], help="one or more counts (default: 1)")
    verb.add_argument("--repeats", type=int, default=50, help="timed runs of each model (default: 50)")
    verb.add_argument("--json", help="file to write the rows to")


def _write_page(options: Options, models: list, rows: list) -> Path:
    from .. import page
    from ..files import write_text
    from ..page.facts import collect

    facts = collect(
        models, rows, options.sensitivities_file, options.dataset, options.list, options.command,
        next(iter(options.eval_metric_loss), None),
    )  # fmt: skip
    write_text(options.save_file, page.html(facts))
    return Path(options.save_file)


def _run_report(options: Options) -> None:
    from .. import benchmark, pipeline, report
    from ..comparison import compare
    from ..engine.checkpoint import load_model
    from ..files import write_json
    from ..page.facts import check as check_page

    if options.save_file and not options.before:
        raise UserError("--save_file: the page compares models; give --before, and --after")
    if not options.save_dir and not options.save_file:
        raise UserError(
            "--save_dir, --save_file: missing; give a folder for pictures, or a file for the page"
        )
    models = [load_model(folder) for folder in (options.before, *options.after)] if options.before else []
    if options.save_file:
        check_page(models[0])
    options.save_dir = options.save_dir or Path(options.save_file).parent
    analysed = (
        options.model_dir if options.model_dir not in (None, options.before) else next(iter(models), None)
    )
    made: list[Path] = []
    results = options.results
    if options.sensitivities_file:
        if analysed is None:
            raise UserError("--model_dir: missing; give the model that the sensitivities are of")
        made += pipeline.draw_sensitivities(
            options.sensitivities_file, analysed, options.save_dir, options.eval_metric_loss
        )
    if options.before:
        rows = compare(
            models, options.names, options.dataset, options.list,
            options.threads, options.repeats, options.runtimes,
        )  # fmt: skip
        results = options.json or Path(options.save_dir) / "compression.json"
        write_json(results, {"command": options.command, **benchmark.machine(), "rows": rows})
        made.append(Path(results))
    if results:
        rows = report.read_rows(results)
        made.append(Path(options.save_dir) / "before_after.png")
        report.before_after(rows, made[-1])
        print(report.compression_table(rows))
        if options.save_file:
            made.append(_write_page(options, models, rows))
    if not made:
        raise UserError(
            "nothing to draw; give --sensitivities_file with --model_dir, --before with --after, or --results"
        )
    for path in made:
        print(path)


def report(verbs: Any) -> None:
    verb = add_verb(verbs, _run_report, "report", "Pictures and tables: sensitivities, budgets, before and after.",
                 "--before output/dense/best_model --after output/pruned/best_model --save_dir output/report")  # fmt: skip
    verb.add_argument("--save_dir", help="folder for the pictures (default: that of --save_file)")
    verb.add_argument(
        "--save_file", metavar="PAGE.html", help="one interactive page with everything, to open in a browser"
    )
    verb.add_argument(
        "--sensitivities_file", metavar="FILE|DEFAULT", help="draws the curves, and what each budget removes"
    )
    verb.add_argument("--model_dir", help="the model that the sensitivities are of")
    verb.add_argument(
        "--eval_metric_loss",
        type=float,
        nargs="*",
        default=[],
        help="budgets to mark in the picture; the page opens at the first (default: the one that was used)",
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
    verb.add_argument(
        "--runtimes",
        nargs="+",
        default=[],
        help="to time with: inference, lite, onnx, openvino, ncnn, mnn (default: inference, and lite if installed)",
    )
    verb.add_argument("--json", help="file for the rows (default: SAVE_DIR/compression.json)")
    verb.add_argument("--results", help="rows of an earlier comparison, to draw them again")
