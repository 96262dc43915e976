"""`manifest.json`: all that a client needs besides the model file. Clients import nothing of ours."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..engine.checkpoint import SavedModel, versions
from ..errors import UserError
from ..files import atomic_file, exists, make_folder, write_json
from ..texts import read_json
from ._runtime import Exported
from .formats import RUNTIMES

FORMAT = 1


@dataclass(frozen=True)
class Parity:
    """The exported file against the trained network on the same images. `tolerance`: of the difference;
    None where the file is not meant to be the same (quantised), and only the metric is held."""

    runtime: str
    images: int
    max_abs_diff: float
    tolerance: float | None
    metric: str
    trained: float
    exported: float
    same_decisions: float | None = None  # fraction of labels, pixels, ... that both decide alike


def write_export(
    folder: Path, form: str, files: Mapping[str, bytes], saved: SavedModel, ends: Exported, parity: Parity,
    quant: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Write `files` and the manifest, each whole; the manifest last. Returns the manifest."""
    make_folder(folder)
    facts = saved.facts
    manifest = {
        "format": FORMAT,
        "export": form,
        **({"quant": quant} if quant else {}),
        "task": facts["task"],
        "model": facts["model"],
        "labels": facts["labels"],
        "input": {"name": ends.input, "shape": [1, *saved.image_shape], "layout": "NCHW", "colour": "RGB"},
        "outputs": list(ends.outputs),
        "transforms": for_clients(facts["eval_transforms"]),
        "files": {
            name: {"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in files.items()
        },
        "parity": asdict(parity),
        "weights": facts["weights"],
        "versions": versions(),
    }
    old = _files_of(folder)
    for name, data in files.items():
        with atomic_file(folder / name) as temporary:
            temporary.write_bytes(data)
    write_json(folder / "manifest.json", manifest)
    for name in old - set(files):  # of an older export of this format
        (folder / name).unlink(missing_ok=True)
    return manifest


def for_clients(transforms: list) -> list:
    """Evaluation transforms without the one that makes a trimap of an alpha: a client is given trimaps."""
    return [spec for spec in transforms if (spec if isinstance(spec, str) else next(iter(spec))) != "Trimap"]


def _files_of(folder: Path) -> set[str]:
    """The model files of the export that is in `folder`; names that no runtime has do not count."""
    ours = {name for runtime in RUNTIMES.values() for name in runtime.files}
    if not exists(folder / "manifest.json"):
        return set()
    listed = _read(folder).get("files", {})
    return (
        {name for name in listed if isinstance(name, str) and name in ours}
        if isinstance(listed, dict)
        else set()
    )


def _read(folder: Path) -> dict[str, Any]:
    manifest = read_json(folder / "manifest.json", "manifest")
    if not isinstance(manifest, dict):
        raise UserError(f"manifest '{folder}/manifest.json' is damaged; choose another folder, or remove it")
    return manifest


def refuse_other_export(folder: Path, form: str) -> None:
    """One folder, one export. Raises UserError if another format is there, or a file."""
    if exists(folder):
        raise UserError(f"--save_dir: '{folder}' is a file; choose a folder")
    if exists(folder / "manifest.json"):
        there = _read(folder).get("export")
        if there != form:
            raise UserError(
                f"--save_dir: '{folder}' holds an export of format '{there}'; choose another folder"
            )
