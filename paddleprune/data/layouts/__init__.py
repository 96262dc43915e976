"""What a folder of pictures is: for which task, where its parts are, and a split where it has none.

list files        train_list.txt, val_list.txt (and labels.txt), as the commands take them
a folder a class  cat/, dog/ with pictures; or train/cat, val/cat
COCO              a JSON file with images, annotations and categories, or one of training and one of validation
Pascal VOC        an .xml file a picture
YOLO              a .txt file a picture, `class x y width height` in fractions; names from data.yaml or classes.txt
masks, alphas     a folder of pictures beside one with a picture of the same name each

Lists that are missing, and what has to be written in another form, go into a folder that the caller names. The split is
the same for the same files: a fifth is for validation, of each class.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from ...errors import UserError
from ._boxes import coco, voc, yolo
from ._classes import classes, lists
from ._found import Found
from ._maps import beside

__all__ = ["Found", "look"]


def look(root: Path, folder: Path) -> Found:
    """What is in `root`. Lists that are made go into `folder`. Raises UserError where it is nothing that is known."""
    ways: Sequence[Callable[[Path, Path], Found | None]] = (lists, coco, yolo, voc, beside, classes)
    for way in ways:
        found = way(root, folder)
        if found is not None:
            return found
    names = sorted(path.name for path in root.iterdir())[:6]
    raise UserError(
        f"--data: '{root}' is in none of the layouts that are known (it has {', '.join(names) or 'nothing'}): list files, a "
        "folder a class, COCO, Pascal VOC, YOLO, or images beside masks or alphas"
    )
