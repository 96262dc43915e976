"""A folder of pictures beside one of masks or of alphas."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UserError
from ...progress import bar
from ...texts import read_lines
from ..images import is_coloured, read_colours, read_values
from ..transforms.paired import IGNORE
from ._drawn import IGNORED
from ._found import Found, divided, partners, pictures_in, written

IMAGES = ("images", "imgs", "jpegimages", "image", "img")
MASKS = ("masks", "mask", "segmentationclass", "annotations", "labels", "gt")
ALPHAS = ("alphas", "alpha", "mattes", "matte")
ENDINGS = {"segmentation": re.compile(r"(.+)[_-](masks?|labels?|gt|seg)"), "matting": re.compile(r"(.+)[_-](alphas?|mattes?)")}  # fmt: skip
LOOKED_AT = 200  # masks whose values are counted
MOST = 64  # classes that such masks are taken to be of
NUMBERS = r"(?P<red>\d{1,3})[,;\s]+(?P<green>\d{1,3})[,;\s]+(?P<blue>\d{1,3})"
ROWS = (  # of a table of colours: `person:255,0,0:hand:walks`, `person,255,0,0`, `255 0 0 person`
    re.compile(rf"(?P<name>[^:]+):{NUMBERS}:.*"),
    re.compile(rf"(?P<name>.*?\D)[:,;\s]*{NUMBERS}[:,;\s]*"),
    re.compile(rf"{NUMBERS}[:,;\s]+(?P<name>.+)"),
)


def beside(root: Path, folder: Path, task: str) -> Found | None:
    pictures = pictures_in(root)
    for kind, names in (("matting", ALPHAS), ("segmentation", MASKS)):
        if task not in ("", kind):
            continue
        pairs = _in_folders(root, pictures, names) or _beside_each(pictures, ENDINGS[kind])
        if not pairs:
            continue
        lines = [f"{picture.relative_to(root)}\t{other.relative_to(root)}" for picture, other in pairs]
        parts = divided(
            root, lines, [str(picture.relative_to(root)) for picture, _ in pairs], [0] * len(lines)
        )
        if kind == "matting":
            return written("images beside alphas", kind, "matting_pairs", root, folder, parts)
        labels, settings = _of_masks(root, [mask for _, mask in pairs])
        return written("images beside masks", kind, "seg_list", root, folder, parts, labels, **settings)
    return None


def _in_folders(root: Path, pictures: Sequence[Path], names: Sequence[str]) -> list[tuple[Path, Path]]:
    """Pictures of folders that are called so, and those of the same name in folders of `names`; or of the same with an
    ending such as `_mask`."""
    images, others = _below(root, pictures, IMAGES), _below(root, pictures, names)
    pairs = partners(images, others)
    if pairs or not others:
        return pairs
    ending = ENDINGS["segmentation" if names is MASKS else "matting"]
    return _by_endings([*images, *others], ending)


def _below(root: Path, pictures: Sequence[Path], names: Sequence[str]) -> list[Path]:
    """Pictures in folders of one of these names."""
    return [p for p in pictures if {part.lower() for part in p.relative_to(root).parts[:-1]} & set(names)]


def _beside_each(pictures: Sequence[Path], ending: re.Pattern) -> list[tuple[Path, Path]]:
    """`7.jpg` and `7_mask.png` in one folder, where most pictures have one: a few stray ones are no data set."""
    pairs = [(one, other) for one, other in _by_endings(pictures, ending) if one.parent == other.parent]
    return pairs if 3 * len(pairs) > len(pictures) else []


def _by_endings(pictures: Sequence[Path], ending: re.Pattern) -> list[tuple[Path, Path]]:
    """Pictures with those called the same but for an ending: `7.jpg` and `7_mask.png`."""
    others = {path: match[1] for path in pictures if (match := ending.fullmatch(path.stem))}
    whole = [path for path in pictures if path not in others]
    named: dict[str, list[Path]] = {}
    for path, stem in others.items():
        named.setdefault(stem, []).append(path)
    pairs = []
    for picture in whole:
        near = named.get(picture.stem, [])
        here = [other for other in near if other.parent == picture.parent] or near
        if len(here) > 1:
            raise UserError(
                f"--data: '{here[0]}' and '{here[1]}' could both be of '{picture}'; keep one of them"
            )
        pairs += [(picture, other) for other in here]
    return pairs


def _of_masks(root: Path, masks: Sequence[Path]) -> tuple[list[str], dict[str, Any]]:
    """Names of the classes, and what stands for them in the masks where that is not 0, 1, 2, ..."""
    jpegs = [mask for mask in masks if mask.suffix.lower() in (".jpg", ".jpeg")]
    if jpegs:
        raise UserError(
            f"--data: the mask '{jpegs[0]}' is a JPEG, whose values run into each other; save PNGs"
        )
    if any(is_coloured(mask, "--data") for mask in masks[:LOOKED_AT]):
        return _of_colours(root, masks)
    chosen = [masks[i] for i in np.linspace(0, len(masks) - 1, min(len(masks), LOOKED_AT)).astype(int)]
    values = sorted(
        {int(v) for mask in dict.fromkeys(chosen) for v in np.unique(read_values(mask, str(mask)))}
    )
    given = (
        [line for line in read_lines(root / "labels.txt", "labels file") if line]
        if (root / "labels.txt").is_file()
        else []
    )
    classes = [value for value in values if value != IGNORE]
    if not classes:
        raise UserError(
            f"--data: the masks in '{masks[0].parent}' hold 255 alone, which does not count; check them"
        )
    if values == [0, 255]:
        return given or ["background", "foreground"], {"mask_values": {0: 0, 255: 1}}
    if len(values) > MOST:
        raise UserError(
            f"--data: the masks hold {len(values)} values; save class indices, or call the folder alphas"
        )
    if given and max(classes) < len(given):
        return given, {}
    if classes == list(range(len(classes))):
        return [f"class_{i}" for i in classes], {}
    # Numbers that are no indices: then 255 is one of them, and not what does not count.
    return [f"value_{value}" for value in values], {
        "mask_values": {value: i for i, value in enumerate(values)}
    }


def _of_colours(root: Path, masks: Sequence[Path]) -> tuple[list[str], dict[str, Any]]:
    """The same of masks that are coloured, by a table of colours where there is one."""
    seen: set[int] = set()
    for mask in bar(masks, "colours", len(masks), "mask"):
        seen.update(np.unique(read_colours(mask, str(mask))).tolist())
        if len(seen) > 4 * MOST:
            raise UserError(
                f"--data: the masks hold more than {4 * MOST} colours ('{mask}' among them); save class indices as grey or "
                "palette PNGs, not JPEGs, whose colours run"
            )
    table = _colour_table(root)
    names = table or {colour: f"colour_{colour:06x}" for colour in sorted(seen)}
    labels = list(dict.fromkeys(name for name in names.values() if name.lower() not in IGNORED))
    strange = sorted(seen - set(names))
    if strange:
        raise UserError(
            f"--data: the masks hold the colour #{strange[0]:06x}, which the table of colours does not name; add it there, as "
            "void if it is to be ignored"
        )
    if len(labels) >= IGNORE:
        raise UserError(f"--data: {'the table of colours names' if table else 'the masks hold'} {len(labels)} classes; up to 254 are taken")  # fmt: skip
    values = {
        f"#{colour:06x}": labels.index(name) if name in labels else IGNORE for colour, name in names.items()
    }
    return labels, {"mask_values": values}


def _colour_table(root: Path) -> dict[int, str]:
    """{0xRRGGBB: class} of class_dict.csv, labelmap.txt or label_colors.txt: a class and its red, green and blue a line,
    in either order."""
    found = [
        p for p in sorted(root.rglob("*")) if re.fullmatch(r"(.*class_dict\.csv|labelmap\.txt|.*colou?rs?\.(txt|csv))", p.name, re.I)
    ]  # fmt: skip
    table: dict[int, str] = {}
    lines = read_lines(found[0], "table of colours") if found else []
    for number, line in enumerate(lines, 1):
        plain = line.replace('"', "")
        match = next((row for pattern in ROWS if (row := pattern.fullmatch(plain))), None)
        if match and line[0] != "#":
            red, green, blue = (int(match[key]) for key in ("red", "green", "blue"))
            name = match["name"].strip(" :;,")
            if max(red, green, blue) > 255 or not name:
                raise UserError(
                    f"{found[0]}:{number}: '{line[:80]}' must be a class and three numbers up to 255; mend it"
                )
            table[red << 16 | green << 8 | blue] = name
    if found and not table:
        raise UserError(f"--data: '{found[0]}' holds no line `class,red,green,blue`; mend or remove it")
    return table
