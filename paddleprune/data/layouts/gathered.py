"""A find as a folder of its own: pictures copied, lists that name them from there, masks of class indices."""

import shutil
from pathlib import Path

from ...files import make_folder, write_json, write_text
from ...progress import bar
from ...texts import read_json
from ..images import write_image
from ..readers import find_reader
from ..readers._list_files import file_of, inside, read_list
from ._found import Found

COLUMNS = {
    "imagenet_list": "path index",
    "voc": "image xml",
    "seg_list": "image mask",
    "matting_pairs": "image alpha",
}


def gather(found: Found, folder: Path) -> dict[str, int]:
    """Everything of a find in `folder`, lists and tables by the usual names. Returns the pictures of each split."""
    one = _table if found.reader == "coco" else _list
    counts = {
        split: one(found, name, folder, split)
        for split, name in (("train", found.train_list), ("val", found.val_list))
    }
    if found.labels:
        names = file_of(found.root, found.labels, "data.labels").read_text(encoding="utf-8-sig")
        write_text(folder / "labels.txt", names)
    return counts


def _table(found: Found, name: str, folder: Path, split: str) -> int:
    path = file_of(found.root, name, "COCO file")
    reader = find_reader("coco")(found.root, name)
    raw = read_json(path, "COCO file", 8 * 2**30)
    images = list(zip(raw["images"], reader.annotated, strict=True))
    for image, one in bar(images, f"copy {split}", len(images), "picture"):
        image["file_name"] = _copied(one.image, found.root, folder)
    write_json(folder / f"{split}.json", raw)
    return len(images)


def _list(found: Found, name: str, folder: Path, split: str) -> int:
    columns = COLUMNS[found.reader]
    rows = read_list(file_of(found.root, name, "list file"), columns, found.root)
    values = found.settings.get("mask_values")
    masks = find_reader("seg_list")(found.root, name, found.labels, values) if values else None
    lines = []
    for number, (where, fields) in enumerate(bar(rows, f"copy {split}", len(rows), "picture")):
        files = fields[:1] if columns.endswith("index") else fields
        taken = [_copied(inside(found.root, field, where), found.root, folder) for field in files[:1]]
        if masks is not None:
            target = make_folder(folder / "masks") / f"{split}_{number:06d}.png"
            write_image(target, masks.read(number)["mask"])
            taken.append(str(target.relative_to(folder)))
        else:
            taken += [_copied(inside(found.root, field, where), found.root, folder) for field in files[1:]]
        lines.append("\t".join([*taken, *fields[len(files) :]]))
    write_text(folder / f"{split}_list.txt", "".join(f"{line}\n" for line in lines))
    return len(lines)


def _copied(file: Path, root: Path, folder: Path) -> str:
    """The name, from `folder`, of a file's copy there; of one that is there already its own."""
    if file.resolve().is_relative_to(folder.resolve()):
        return str(file.resolve().relative_to(folder.resolve()))
    inner = file.is_relative_to(root)
    name = file.relative_to(root) if inner else Path("others", *file.resolve().parts[1:])
    target = folder / name
    if not target.exists():
        make_folder(target.parent)
        shutil.copyfile(file, target)
    return str(name)
