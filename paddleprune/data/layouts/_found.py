"""What the layouts share: how a find is described, pictures in a folder, a split where there is none."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UserError
from ...files import make_folder, write_text
from ..images import ENDINGS

VALIDATION = 0.2
SPLITS = {"train": ("train", "training"), "val": ("val", "valid", "validation", "test")}


@dataclass(frozen=True)
class Found:
    """A config's data, as it was found; `kind` in words, `settings` of the config that it needs besides."""

    kind: str
    task: str
    reader: str
    root: Path
    train_list: str
    val_list: str
    labels: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


def pictures_in(folder: Path) -> list[Path]:
    """All pictures below a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)


def divided(
    root: Path, items: Sequence[Any], pictures: Sequence[str], kinds: Sequence[Any]
) -> dict[str, list[Any]]:
    """The items by the split that their pictures are in: as VOC's ImageSets/Main says, as folders named train and val
    say, or a fifth of each kind for validation, at least one of each that has two, always the same."""
    sets = {split: root / f"ImageSets/Main/{split}.txt" for split in SPLITS}
    if all(path.is_file() for path in sets.values()):
        stems = {split: set(path.read_text(encoding="utf-8").split()) for split, path in sets.items()}
        return {
            split: [i for i, p in zip(items, pictures, strict=True) if Path(p).stem in stems[split]]
            for split in sets
        }
    places = [
        next((s for s, names in SPLITS.items() if set(Path(p.lower()).parts[:-1]) & set(names)), "")
        for p in pictures
    ]
    if {"train", "val"} <= set(places):
        return {
            split: [item for item, place in zip(items, places, strict=True) if place == split]
            for split in SPLITS
        }
    rng = np.random.default_rng(0)
    chosen: set[int] = set()
    for kind in sorted(set(kinds), key=str):
        members = [i for i, one in enumerate(kinds) if one == kind]
        count = max(1, round(VALIDATION * len(members))) if len(members) > 1 else 0
        chosen.update(int(i) for i in rng.permutation(members)[:count])
    return {
        "train": [item for i, item in enumerate(items) if i not in chosen],
        "val": [item for i, item in enumerate(items) if i in chosen],
    }


def written(
    kind: str, task: str, reader: str, root: Path, folder: Path, parts: dict[str, list[str]],
    labels: Sequence[str] = (), **settings: Any,
) -> Found:  # fmt: skip
    """The lists and labels in `folder`, which stay as they are where they are there already."""
    make_folder(folder)
    for split, lines in parts.items():
        if not lines:
            raise UserError(f"--data: '{root}' ({kind}) has nothing for {split}; give it more pictures")
        write_text(folder / f"{split}_list.txt", "".join(f"{line}\n" for line in lines))
    if labels:
        write_text(folder / "labels.txt", "".join(f"{label}\n" for label in labels))
    names = [str((folder / name).resolve()) for name in ("train_list.txt", "val_list.txt", "labels.txt")]
    return Found(kind, task, reader, root, names[0], names[1], names[2] if labels else "", settings)
