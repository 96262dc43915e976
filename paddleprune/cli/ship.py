"""Verbs that take a model out of here."""

from typing import Any

from ..errors import UserError
from ._verb import Options, add_verb, config_options, overrides


def export(verbs: Any) -> None:
    def run(options: Options) -> None:
        from .. import pipeline

        if options.images < 1:
            raise UserError(f"--images: {options.images} is out of range; it must be 1 or more")
        images = _quant_images(options)
        manifest = pipeline.export_model(
            options.model_dir, options.save_dir, options.format, options.targets,
            options.dataset, options.images, options.quant, options.quant_algorithm or "", images,
        )  # fmt: skip
        parity = manifest["parity"]
        bound = "quantised" if options.quant else f"tolerance {parity['tolerance']:.0e}"
        print(
            f"parity: {parity['runtime']} on {parity['images']} images: max |difference| "
            f"{parity['max_abs_diff']:.2e} ({bound}), "
            f"{parity['metric']} {parity['trained']:.4f} trained, {parity['exported']:.4f} exported"
        )
        for name, facts in manifest["files"].items():
            print(f"{options.save_dir}/{name}  {facts['size_bytes'] / 1e6:.2f} MB")

    verb = add_verb(verbs, run, "export", "Export a model, and check the exported file against it.",
                 "--model_dir output/pruned/best_model --save_dir output/lite --format lite")  # fmt: skip
    verb.add_argument("--model_dir", required=True, help="best_model/ of a run")
    verb.add_argument("--save_dir", required=True, help="folder for the files and manifest.json")
    verb.add_argument(
        "--format",
        required=True,
        help="inference (Paddle Inference), lite (Paddle Lite), onnx, openvino, ncnn or mnn",
    )
    verb.add_argument("--targets", default="x86,arm", help="of lite: x86, arm or both (default: x86,arm)")
    verb.add_argument(
        "--quant",
        default="",
        help="lite: store the weights as int8 or int16; inference, onnx, openvino: int8, and calculate with it; the metric is checked",
    )
    verb.add_argument(
        "--quant_algorithm",
        help="how the ranges of what layers are fed are chosen: KL or min_max (default: min_max with inference, else KL)",
    )
    verb.add_argument("--quant_images", type=int, help="training pictures for these ranges (default: 64)")
    verb.add_argument("--dataset", help="folder of the data to check on (default: the training's)")
    verb.add_argument(
        "--images", type=int, default=200, help="about how many images to check on (default: 200)"
    )


def _quant_images(options: Options) -> int:
    """How many pictures ranges are seen on. Raises UserError where an option of quantisation is of no use."""
    from ..export import formats

    for name in ("quant_algorithm", "quant_images"):
        if getattr(options, name) is not None:
            used = formats.runtime(options.format, "--format") if options.quant else None
            formats.check_calibrates(used, f"--{name}")
    images = 64 if options.quant_images is None else options.quant_images
    if images < 1:
        raise UserError(f"--quant_images: {images} is out of range; it must be 1 or more")
    return images


def lite_check(verbs: Any) -> None:
    def run(options: Options) -> None:
        from .. import pipeline
        from ..config import load_config

        options.model_dir = options.model_dir or options.folder
        if (options.config is None) == (options.model_dir is None):
            raise UserError("--config, MODEL_DIR: give one of the two")
        config = load_config(options.config, overrides(options)) if options.config else None
        check = pipeline.check_lite(config, options.model_dir)
        print(check.table())
        if not check.good:
            raise UserError(
                "Paddle Lite cannot take this network; replace the operators marked NO in the model"
            )

    verb = add_verb(verbs, run, "lite_check", "Can Paddle Lite take this network? Every operator, before or after training.",
                    "--config configs/detection/yolov3_bccd.yml")  # fmt: skip
    config_options(verb, required=False)
    verb.add_argument(
        "folder", nargs="?", metavar="MODEL_DIR", help="best_model/ of a run, instead of a config"
    )
    verb.add_argument("--model_dir", help="the same, by name")
