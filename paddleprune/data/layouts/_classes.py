"""List files as the commands take them, and a folder a class."""

import logging
from pathlib import Path

from ...texts import read_lines
from ._found import Found, divided, pictures_in, split_of, written

log = logging.getLogger(__name__)


def lists(root: Path, folder: Path, task: str) -> Found | None:
    if not all((root / name).is_file() for name in ("train_list.txt", "val_list.txt")):
        return None
    line = next((line for line in read_lines(root / "train_list.txt", "list file") if line.strip()), "")
    last = line.split("\t")[-1].split()[-1].strip('"') if line.split() else ""
    if last.isdigit():
        task, reader = "classification", "imagenet_list"
    elif last.endswith(".xml"):
        task, reader = "detection", "voc"
    elif (root / "labels.txt").is_file():
        task, reader = "segmentation", "seg_list"
    else:
        task, reader = "matting", "matting_pairs"
    labels = "labels.txt" if task != "matting" else ""
    return Found("list files", task, reader, root, "train_list.txt", "val_list.txt", labels)


def classes(root: Path, folder: Path, task: str) -> Found | None:
    of = {picture: _class_of(picture.relative_to(root)) for picture in pictures_in(root)}
    labels = sorted({label for label in of.values() if label})
    if len(labels) < 2:
        return None
    stray = sum(not label for label in of.values())
    if stray:
        log.warning("%d pictures are in no class's folder, they are left out", stray)
    names = {str(picture.relative_to(root)): labels.index(label) for picture, label in of.items() if label}
    lines = [f"{name}\t{index}" for name, index in names.items()]
    parts = divided(root, lines, list(names), list(names.values()))
    return written("a folder a class", "classification", "imagenet_list", root, folder, parts, labels)


def _class_of(name: Path) -> str:
    """The first folder of a picture's name that is no split's; "" where there is none."""
    folders = name.parts[:-1]
    if folders and split_of(folders[0]):
        folders = folders[1:]
    return folders[0] if folders else ""
