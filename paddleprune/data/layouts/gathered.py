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
    taken: dict[Path, Path] = {}
    counts = {
        split: one(found, name, folder, split, taken)
        for split, name in (("train", found.train_list), ("val", found.val_list))
    }
    if found.labels:
        names = file_of(found.root, found.labels, "data.labels").read_text(encoding="utf-8-sig")
        write_text(folder / "labels.txt", names)
    return counts


def _table(found: Found, name: str, folder: Path, split: str, taken: dict[Path, Path]) -> int:
    path = file_of(found.root, name, "COCO file")
    reader = find_reader("coco")(found.root, name)
    raw = read_json(path, "COCO file", 8 * 2**30)
    images = list(zip(raw["images"], reader.annotated, strict=True))
    for image, one in bar(images, f"copy {split}", len(images), "picture"):
        image["file_name"] = _copied(one.image, found.root, folder, taken)
    write_json(folder / f"{split}.json", raw)
    return len(images)


def _list(found: Found, name: str, folder: Path, split: str, taken: dict[Path, Path]) -> int:
    columns = COLUMNS[found.reader]
    rows = read_list(file_of(found.root, name, "list file"), columns, found.root)
    values = found.settings.get("mask_values")
    masks = find_reader("seg_list")(found.root, name, found.labels, values) if values else None
    lines = []
    for number, (where, fields) in enumerate(bar(rows, f"copy {split}", len(rows), "picture")):
        files = fields[:1] if columns.endswith("index") else fields
        names = [_copied(inside(found.root, field, where), found.root, folder, taken) for field in files[:1]]
        if masks is not None:
            target = make_folder(folder / "indices") / f"{split}_{number:06d}.png"
            write_image(target, masks.read(number)["mask"])
            names.append(str(target.relative_to(folder)))
        else:
            names += [
                _copied(inside(found.root, field, where), found.root, folder, taken) for field in files[1:]
            ]
        lines.append("\t".join([*names, *fields[len(files) :]]))
    write_text(folder / f"{split}_list.txt", "".join(f"{line}\n" for line in lines))
    return len(lines)


def _copied(file: Path, root: Path, folder: Path, taken: dict[Path, Path]) -> str:
    """The name, from `folder`, of a file's copy there; of one that is there already its own. `taken`: copies and what they
    are of; a file that was made is never written over."""
    if file.resolve().is_relative_to(folder.resolve()):
        return str(file.resolve().relative_to(folder.resolve()))
    inner = file.is_relative_to(root)
    name = file.relative_to(root) if inner else Path("others", *file.resolve().parts[1:])
    while (folder / name).exists() and taken.get(folder / name) != file:
        name = "copies" / name
    if not (folder / name).exists():
        make_folder((folder / name).parent)
        shutil.copyfile(file, folder / name)
        taken[folder / name] = file
    return str(name)
