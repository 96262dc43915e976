"""What the layouts share: how a find is described, pictures in a folder, a split where there is none."""

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UserError
from ...files import make_folder, write_text
from ..images import ENDINGS

log = logging.getLogger(__name__)

VALIDATION = 0.2
SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),  # set aside: nothing is chosen by it
}


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


def files_below(folder: Path, endings: Sequence[str]) -> list[Path]:
    """All files with one of the endings, sorted; links to folders are followed, each folder once. Not those in folders of
    file systems and editors, `.git`, `__MACOSX`."""
    found, seen = [], set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = [] if real in seen else [n for n in folders if not n.startswith((".", "__MACOSX"))]
        if real not in seen:
            found += [
                Path(place, name) for name in names if Path(name).suffix.lower() in endings and name[0] != "."
            ]
        seen.add(real)
    return sorted(path for path in found if path.is_file())


def pictures_in(folder: Path) -> list[Path]:
    """All pictures below a folder, sorted. Raises UserError for a name that no list can hold."""
    found = files_below(folder, ENDINGS)
    for path in found:
        listable(str(path.relative_to(folder)))
    return found


def listable(name: str) -> str:
    """The name of a picture. Raises UserError for one that no list can hold."""
    if "\t" in name or len(name.splitlines()) > 1 or any("\ud800" <= sign <= "\udfff" for sign in name):
        raise UserError(
            f"--data: the picture {name!a} has signs in its name that no list can hold; rename it"
        )
    return name


def split_of(name: str) -> str:
    """The split that a path names, as `train/x.jpg` or `instances_val2017.json`; "" for none. A folder that is called
    like one counts more than one that has the word in its name, a deeper one more than a higher one."""
    parts = [part.lower() for part in reversed(Path(name).parts)]
    words = [[part] for part in parts] + [re.split(r"[^a-z]+", part) for part in parts]
    return next((split for some in words for split, names in SPLITS.items() if set(names) & set(some)), "")


def partners(pictures: Sequence[Path], others: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Pictures with the file of their name among `others`: of several the one that lies nearest, `labels/train/1.txt` for
    `images/train/1.jpg`, and a file is of one picture alone. What is left alone is said. Raises UserError where two are
    as near."""
    named: dict[str, list[Path]] = {}
    for other in others:
        named.setdefault(other.stem, []).append(other)
    claims: dict[Path, list[tuple[int, Path]]] = {}
    for picture in pictures:
        near = {other: _shared(picture, other) for other in named.get(picture.stem, [])}
        best = [other for other, shared in near.items() if shared == max(near.values())]
        if len(best) > 1:
            raise UserError(
                f"--data: '{best[0]}' and '{best[1]}' could both be of '{picture}'; keep one of them"
            )
        for other in best:
            claims.setdefault(other, []).append((near[other], picture))
    pairs = []
    for other, some in claims.items():
        nearest = [picture for shared, picture in some if shared == max(some)[0]]
        if len(nearest) > 1:
            raise UserError(
                f"--data: '{other}' could be of '{nearest[0]}' and of '{nearest[1]}'; keep one of them"
            )
        pairs.append((nearest[0], other))
    alone = sorted(set(pictures) - {picture for picture, _ in pairs})
    if pairs and alone:
        log.warning("%d of %d pictures have no file of their name and are left out (the first: %s)",
                    len(alone), len(pictures), alone[0])  # fmt: skip
    return sorted(pairs)


def _shared(first: Path, second: Path) -> int:
    """How many folders two files have in common, by name."""
    return len(set(first.parts[:-1]) & set(second.parts[:-1]))


def divided(
    root: Path,
    items: Sequence[Any],
    pictures: Sequence[str],
    kinds: Sequence[Any],
    places: Sequence[str] = (),
) -> dict[str, list[Any]]:
    """The items by the split that their pictures are in: as VOC's ImageSets say, as `places` or folders named train and
    val say, or a fifth of each kind for validation, at least one of each that has two, always the same. Pictures in a
    folder named test are set aside, if there are others."""
    places = (
        _of_sets(root, pictures) or list(places) or [split_of(str(Path(name).parent)) for name in pictures]
    )
    if set(places) - {"test"}:
        aside = places.count("test")
        if aside:
            log.warning("%d pictures in a folder named test are set aside", aside)
    else:
        places = [""] * len(places)
    if not {"train", "val"} <= set(places):
        rest = [i for i, place in enumerate(places) if place != "test"]
        chosen = _some_of_each([kinds[i] for i in rest])
        for number, i in enumerate(rest):
            places[i] = "val" if number in chosen else "train"
    elif "" in places:
        log.warning("%d pictures are in no split, while others are in train and val; they are left out", places.count(""))  # fmt: skip
    return {
        split: [item for item, place in zip(items, places, strict=True) if place == split]
        for split in ("train", "val")
    }


def _of_sets(root: Path, pictures: Sequence[str]) -> list[str]:
    """The split of each picture in VOC's own lists, test for those in neither; nothing where there are none."""
    sets = {split: root / f"ImageSets/Main/{split}.txt" for split in ("train", "val")}
    if not all(path.is_file() for path in sets.values()):
        return []
    stems = {split: set(path.read_text(encoding="utf-8").split()) for split, path in sets.items()}
    return [next((s for s in sets if Path(name).stem in stems[s]), "test") for name in pictures]


def _some_of_each(kinds: Sequence[Any]) -> set[int]:
    """Places of a fifth of each kind, drawn anew alike."""
    rng, chosen = np.random.default_rng(0), set()
    for kind in sorted(set(kinds), key=str):
        members = [i for i, one in enumerate(kinds) if one == kind]
        count = max(1, round(VALIDATION * len(members))) if len(members) > 1 else 0
        chosen.update(int(i) for i in rng.permutation(members)[:count])
    return chosen


def written(
    kind: str, task: str, reader: str, root: Path, folder: Path, parts: dict[str, list[str]],
    labels: Sequence[str] = (), **settings: Any,
) -> Found:  # fmt: skip
    """The lists and labels, written into `folder`."""
    for split, lines in parts.items():
        if not lines:
            raise UserError(f"--data: '{root}' ({kind}) has nothing for {split}; give it more pictures")
    make_folder(folder)
    for split, lines in parts.items():
        write_text(folder / f"{split}_list.txt", "".join(f"{line}\n" for line in lines))
    if labels:
        write_text(folder / "labels.txt", "".join(f"{label}\n" for label in labels))
    names = [str((folder / name).resolve()) for name in ("train_list.txt", "val_list.txt", "labels.txt")]
    return Found(kind, task, reader, root, names[0], names[1], names[2] if labels else "", settings)
