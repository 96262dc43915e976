"""List files as the commands take them, and a folder a class."""

from pathlib import Path

from ...texts import read_lines
from ._found import SPLITS, Found, divided, pictures_in, written


def lists(root: Path, folder: Path) -> Found | None:
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


def classes(root: Path, folder: Path) -> Found | None:
    given = _given_splits(root)
    tops = list(given.values()) if given else [root]
    labels = sorted(
        {path.name for top in tops for path in top.iterdir() if path.is_dir() and pictures_in(path)}
    )
    if len(labels) < 2:
        return None

    def rows(top: Path) -> list[tuple[str, int]]:
        return [
            (str(picture.relative_to(root)), index)
            for index, label in enumerate(labels)
            if (top / label).is_dir()
            for picture in pictures_in(top / label)
        ]

    if given:
        parts = {split: rows(top) for split, top in given.items()}
    else:
        every = rows(root)
        parts = divided(root, every, [name for name, _ in every], [index for _, index in every])
    text = {split: [f"{name}\t{index}" for name, index in part] for split, part in parts.items()}
    return written("a folder a class", "classification", "imagenet_list", root, folder, text, labels)


def _given_splits(root: Path) -> dict[str, Path]:
    """{"train": folder, "val": folder} where both are there, under one of their names."""
    folders = {path.name.lower(): path for path in root.iterdir() if path.is_dir()}
    found = {
        split: next((folders[name] for name in names if name in folders), None)
        for split, names in SPLITS.items()
    }
    return {split: path for split, path in found.items() if path} if all(found.values()) else {}
