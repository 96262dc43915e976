"""The first steps with data of one's own: what it is, a config for it, and the data in the form that commands take."""

import shlex
import shutil
from typing import Any

from ..errors import UserError
from ._verb import Options, add_verb, apart, data_folder, data_options, folder_options


def init(verbs: Any) -> None:
    verb = add_verb(
        verbs, _run, "init", "Look at a folder of pictures, and write a config that trains on it, to be read and changed.",
        "--data DIR --save_dir output/waste",
    )  # fmt: skip
    data_options(verb, 15.0, "that a training may take")
    verb.add_argument(
        "--save_dir", required=True, help="folder for config.yml, and for lists where the data has none"
    )
    verb.add_argument("--weights", default="", help="to begin with: IMAGENET, or a .pdparams file")


def _run(options: Options) -> None:
    from ..config import dump_config
    from ..data.layouts import look
    from ..files import checked_path, exists, make_folder, write_text
    from ..models import card
    from ..recipes import dense_config

    data = data_folder(options)
    weights = options.weights and checked_path(options.weights, "--weights")
    if weights and options.weights != "IMAGENET" and not exists(weights):
        raise UserError(
            f"--weights: '{options.weights}' does not exist; give IMAGENET, a .pdparams file, or nothing"
        )
    if options.model:
        card(options.model)
    folder = apart(checked_path(options.save_dir, "--save_dir"), data)
    file = folder / "config.yml"
    if file.exists():
        raise UserError(
            f"--save_dir: '{file}' is there already, perhaps changed by hand; choose another folder"
        )
    fresh = not folder.exists()
    try:
        found = look(data, folder / "data", options.task)
        make_folder(folder)
        made = dense_config(found, options.model, options.weights, options.minutes)
    except UserError:
        if fresh:  # nothing is left of what was refused
            shutil.rmtree(folder, ignore_errors=True)
        raise
    write_text(file, dump_config(made))
    side, dense, table = made.data.image_shape[1], f"{folder}/dense", f"{folder}/sensitivities.json"
    rate = f"train.learning_rate={made.train.learning_rate / 2:.2g}"
    print(
        f"{found.kind}: {found.task}, {made.model.name} at {side} px, {made.train.epochs} epochs; in {file}"
    )
    if not options.weights:
        print("it begins with random weights; --weights IMAGENET is better where it can be had")
    print("next:")
    for line in (
        ["train", "--config", str(file), "--save_dir", dense],
        ["sensitivity", "--model_dir", f"{dense}/best_model", "--save_file", table],
        ["train", "--config", str(file), "--pretrain_weights", f"{dense}/best_model", "--sensitivities_file", table,
         "--save_dir", f"{folder}/pruned", "--set", rate, "train.warmup_epochs=1"],
    ):  # fmt: skip
        print(f"  {shlex.join(['paddleprune', *line])}")


def convert(verbs: Any) -> None:
    verb = add_verb(
        verbs, _convert, "convert",
        "Copy a folder of pictures in any layout to a new one in the form that the commands take: lists, or COCO tables for "
        "boxes, and masks of class indices. Where there is no split, a fifth is for validation.",
        "--data DIR --task segmentation --save_dir data/mine",
    )  # fmt: skip
    folder_options(verb)
    verb.add_argument("--save_dir", required=True, help="folder that is made; it must not be there yet")


def _convert(options: Options) -> None:
    from ..data.layouts import look
    from ..data.layouts.gathered import gather
    from ..files import atomic_folder, checked_path

    data = data_folder(options)
    folder = apart(checked_path(options.save_dir, "--save_dir"), data)
    if folder.exists() or folder.is_symlink():
        raise UserError(f"--save_dir: '{folder}' is there already; choose another folder")
    with atomic_folder(folder) as temporary:
        found = look(data, temporary, options.task)
        counts = gather(found, temporary)
    print(
        f"{found.kind}: {found.task}, {counts['train']} pictures to train with, {counts['val']} to validate; in {folder}"
    )
    print(
        f"next:\n  {shlex.join(['paddleprune', 'init', '--data', str(folder), '--save_dir', 'output/own'])}"
    )
