"""A saved model on pictures: what it finds, and drawn copies."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from . import tasks
from .data.dataset import to_chw
from .data.images import as_picture, find_images, read_image, write_image
from .data.readers.matting_trimaps import read_trimap
from .data.transforms import Compose
from .engine import checkpoint
from .engine.evaluate import forward_of
from .errors import UserError
from .files import checked_path, make_folder, write_json
from .progress import bar
from .tasks._base import Task


def infer(
    model_dir: str | Path, image: str | Path, save_dir: str | Path, trimap: str | Path | None = None,
    score: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Run a model on a picture or a folder of pictures: drawn copies and `results.json`. `trimap`: a grey picture,
    or a folder of such with the pictures' names, for a model that takes one. `score`: the least one of a box.

    Returns {file name: result}.
    """
    files = find_images(image)
    folder = make_folder(save_dir)
    if any(path.parent.resolve() == folder.resolve() for path in files):
        raise UserError(f"--save_dir: '{folder}' holds the pictures themselves; choose another folder")
    task, run = predictor(model_dir)
    if trimap is not None and task.head.channels != 4:
        raise UserError("--trimap: this model takes none; leave it out")
    if score is not None:
        if task.shown is None:
            raise UserError("--score: what this model finds has none; leave it out")
        if not 0 <= score <= 1:
            raise UserError(f"--score: {score} is out of range; it must be 0 to 1")
        task.shown = score
    stems = [path.stem for path in files]
    results, faults = {}, []
    for path in bar(files, "infer", len(files), "image"):
        try:
            picture = read_image(path, "--image")
        except UserError as fault:
            faults.append(str(fault))
            continue
        found = run({"image": picture, **trimap_for(trimap, path)})
        name = path.stem if stems.count(path.stem) == 1 else path.name
        write_image(folder / f"{name}.png", task.draw(picture, found))
        for key, value in found.items():
            if isinstance(value, np.ndarray):
                found[key] = f"{name}_{key}.png"
                write_image(folder / found[key], value)
        results[path.name] = found
    write_json(folder / "results.json", results)
    if faults:
        others = f"; the results of the other {len(results)} are in '{folder}'" if results else ""
        raise UserError(f"{faults[0]} ({len(faults)} of {len(files)} pictures could not be read{others})")
    return results


def trimap_for(place: str | Path | None, picture: Path) -> dict[str, np.ndarray]:
    """{"trimap": float32 [H, W]} for a picture file, from a file or a folder; {} if none is given."""
    if place is None:
        return {}
    files = find_images(place, "--trimap")
    named = files if Path(place).is_file() else [path for path in files if path.stem == picture.stem]
    if not named:
        raise UserError(
            f"--trimap: '{place}' has no picture named {picture.stem}; give each picture its trimap"
        )
    return {"trimap": read_trimap(named[0], "--trimap")}


def predict(
    model_dir: str | Path, image: str | Path | np.ndarray, trimap: str | Path | None = None
) -> dict[str, Any]:
    """The result of a model for one picture: a path, or uint8 RGB [H, W, 3]. `trimap`: a file of the same size, for a
    model that takes one."""
    if isinstance(image, (str, Path)):
        picture = read_image(find_images(checked_path(image, "image"), "image")[0], "image")
    else:
        picture = as_picture(image, "image")
    return predictor(model_dir)[1]({"image": picture, **trimap_for(trimap, Path())})


def predictor(
    model_dir: checkpoint.ModelDir,
) -> tuple[Task, Callable[[dict[str, np.ndarray]], dict[str, Any]]]:
    """The task of a saved model, and a function from a sample, {"image": uint8 RGB [H, W, 3]} and what else its
    transforms need, to its result."""
    saved = checkpoint.load_model(model_dir)
    task = tasks.of_facts(saved.facts)
    transforms = Compose(saved.facts["eval_transforms"], "eval_transforms")
    forward = forward_of(task.head.deployed(saved.network))

    def run(sample: dict[str, np.ndarray]) -> dict[str, Any]:
        picture = sample["image"]
        if task.head.channels == 4 and not {"trimap", "alpha"} & set(sample):
            raise UserError(
                "--trimap: the model takes one with each picture; give a grey picture of its size, 0 where there is "
                "background, 255 foreground, 128 unknown, or a folder of such"
            )
        if "trimap" in sample and sample["trimap"].shape != picture.shape[:2]:
            height, width = picture.shape[:2]
            raise UserError(
                f"--trimap: {sample['trimap'].shape[::-1]}, its picture {width}x{height}; make them equal"
            )
        done = to_chw(transforms(sample, np.random.default_rng(0)))
        return task.result(forward(done["image"][None])[0], picture.shape[:2])

    return task, run
