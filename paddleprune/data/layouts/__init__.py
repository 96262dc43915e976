"""What a folder of pictures is: for which task, where its parts are, and a split where it has none.

list files        train_list.txt, val_list.txt (and labels.txt), as the commands take them
a folder a class  cat/, dog/ with pictures; or train/cat, val/cat
COCO              a JSON file with images, annotations and categories, or one of training and one of validation
Supervisely       meta.json, and data sets with img/ and ann/
Labelme           a .json file a picture
CVAT              an .xml file, "CVAT for images"
Pascal VOC        an .xml file a picture
YOLO              a .txt file a picture, `class x y width height` in fractions; names from data.yaml or classes.txt
masks, alphas     a folder of pictures beside one with a picture of the same name each; masks of numbers or of colours

Outlines can serve as boxes and as masks: `task` says as which. Lists that are missing, and what has to be written in
another form, go into a folder that the caller names. The split is the same for the same files: a fifth is for
validation, of each class.
"""

from collections.abc import Callable
from pathlib import Path

from ...errors import UserError
from ._boxes import voc, yolo
from ._classes import classes, lists
from ._coco import coco
from ._cvat import cvat
from ._found import Found
from ._labelme import labelme
from ._maps import beside
from ._supervisely import supervisely

__all__ = ["TASKS", "Found", "look"]

TASKS = ("classification", "detection", "segmentation", "matting")
Way = Callable[[Path, Path, str], Found | None]
DRAWN = ("detection", "segmentation")
# In this order; and the tasks that a way can be for.
WAYS: tuple[tuple[Way, tuple[str, ...]], ...] = (
    (lists, TASKS), (coco, DRAWN), (supervisely, DRAWN), (labelme, DRAWN), (cvat, DRAWN), (yolo, DRAWN),
    (voc, ("detection",)), (beside, ("segmentation", "matting")), (classes, ("classification",)),
)  # fmt: skip


def look(root: Path, folder: Path, task: str = "") -> Found:
    """What is in `root`, for `task` if it is given. Lists that are made go into `folder`. Raises UserError where it is
    nothing that is known, or nothing for the task."""
    if task and task not in TASKS:
        raise UserError(f"--task: '{task}' is not known; valid: {', '.join(TASKS)}")
    for way, tasks in WAYS:
        found = way(root, folder, task) if not task or task in tasks else None
        if found is not None and task and found.task != task:
            raise UserError(f"--task: '{task}', but '{root}' is {found.kind} for {found.task}; leave it out")
        if found is not None:
            return found
    names = sorted(path.name for path in root.iterdir())[:6]
    raise UserError(
        f"--data: '{root}' is in none of the layouts that are known{f' for {task}' if task else ''} (it has "
        f"{', '.join(names) or 'nothing'}): list files, a folder a class, COCO, Supervisely, Labelme, CVAT, Pascal VOC, "
        f"YOLO, or images beside masks or alphas{_seen(root)}"
    )


def _seen(root: Path) -> str:
    """A format that is there and not read, in words; "" for none."""
    for ending, kind in ((".tfrecord", "TFRecord"), (".parquet", "Parquet"), (".h5", "HDF5"), (".mat", "MATLAB"),
                         (".lst", "RecordIO"), (".csv", "CSV")):  # fmt: skip
        first = next(root.rglob(f"*{ending}"), None)
        if first is not None:
            return f"; '{first.relative_to(root)}' looks like {kind}, which is not read: export it as one of these"
    return ""
