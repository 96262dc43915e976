"""A folder of pictures beside one of masks or of alphas."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UserError
from ...texts import read_lines
from ..images import read_values
from ._found import Found, divided, partners, pictures_in, written

IMAGES = ("images", "imgs", "jpegimages", "image", "img")
MASKS = ("masks", "mask", "segmentationclass", "annotations", "labels", "gt")
ALPHAS = ("alphas", "alpha", "mattes", "matte")
LOOKED_AT = 200  # masks whose values are counted


def beside(root: Path, folder: Path) -> Found | None:
    pictures = _below(root, IMAGES)
    for task, names in (("matting", ALPHAS), ("segmentation", MASKS)):
        pairs = partners(pictures, _below(root, names))
        if not pairs:
            continue
        lines = [f"{picture.relative_to(root)}\t{other.relative_to(root)}" for picture, other in pairs]
        parts = divided(
            root, lines, [str(picture.relative_to(root)) for picture, _ in pairs], [0] * len(lines)
        )
        if task == "matting":
            return written("images beside alphas", task, "matting_pairs", root, folder, parts)
        labels, settings = _of_masks(root, [mask for _, mask in pairs])
        return written("images beside masks", task, "seg_list", root, folder, parts, labels, **settings)
    return None


def _below(root: Path, names: Sequence[str]) -> list[Path]:
    """Pictures in folders of one of these names."""
    return [
        picture
        for picture in pictures_in(root)
        if {part.lower() for part in picture.relative_to(root).parts[:-1]} & set(names)
    ]


def _of_masks(root: Path, masks: Sequence[Path]) -> tuple[list[str], dict[str, Any]]:
    """Names of the classes, and what stands for them in the masks where that is not 0, 1, 2, ..."""
    chosen = [masks[i] for i in np.linspace(0, len(masks) - 1, min(len(masks), LOOKED_AT)).astype(int)]
    values = sorted(
        {int(v) for mask in dict.fromkeys(chosen) for v in np.unique(read_values(mask, str(mask)))}
    )
    given = (
        [line for line in read_lines(root / "labels.txt", "labels file") if line]
        if (root / "labels.txt").is_file()
        else []
    )
    classes = [value for value in values if value != 255]
    if values == [0, 255]:
        return given or ["background", "foreground"], {"mask_values": {0: 0, 255: 1}}
    if len(values) > 64:
        raise UserError(
            f"--data: the masks hold {len(values)} values; save class indices, or call the folder alphas"
        )
    if given and max(classes) < len(given):
        return given, {}
    if classes == list(range(len(classes))):
        return [f"class_{i}" for i in classes], {}
    return [f"value_{value}" for value in classes], {
        "mask_values": {value: i for i, value in enumerate(classes)}
    }
