"""PaddleX's faces of data: `datasets.ImageNet(...)`, `transforms.RandomCrop(224)`."""

import inspect
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from . import paddlex_names
from .data import transforms as _transforms
from .data.dataset import Dataset as _Samples
from .data.readers import find_reader
from .data.readers._list_files import file_of
from .errors import UserError
from .files import checked_path, exists
from .lookup import suggest


@dataclass(frozen=True)
class Dataset:
    """A folder with a list file, and the transforms of its images (a list of specs).

    The list and the labels are named from inside the folder, or, as PaddleX has it, from where the script runs.
    """

    data_dir: str | Path
    file_list: str | Path
    label_list: str | Path
    transforms: list = field(default_factory=list)
    reader: str = "imagenet_list"

    def __post_init__(self) -> None:
        folder = checked_path(self.data_dir, "data_dir")
        object.__setattr__(self, "data_dir", str(folder))
        object.__setattr__(self, "file_list", _beside(folder, self.file_list, "file_list"))
        object.__setattr__(self, "label_list", _beside(folder, self.label_list, "label_list"))

    @property
    def labels(self) -> list[str]:
        """Names of the classes."""
        return self._read().labels

    def __len__(self) -> int:
        return len(self._read())

    def image_shape(self) -> list[int]:
        """[C, H, W] of the first image after the transforms."""
        return _Samples(self._read(), _transforms.Compose(self.transforms)).image_shape()

    def _read(self) -> Any:
        if not exists(Path(self.data_dir), "folder"):
            raise UserError(f"data_dir: folder '{self.data_dir}' does not exist; give the data's folder")
        return find_reader(self.reader)(self.data_dir, self.file_list, self.label_list)


def _beside(folder: Path, name: str | Path, key: str) -> str:
    """The name of a list from inside its folder where it is in it, its whole path where it is not."""
    if not str(name):
        return ""
    found = file_of(folder, str(checked_path(name, key)), key).resolve()
    root = folder.resolve()
    return str(found.relative_to(root) if found.is_relative_to(root) else found)


class _Transforms:
    """`transforms.RandomCrop(224)` -> {"RandomCrop": {"size": 224}}, as a config writes it. PaddleX's names of
    arguments are taken, too; `boxes`: names mean what its detectors' transforms do."""

    def __init__(self, boxes: bool = False):
        self._boxes = boxes

    def __getattr__(self, name: str) -> Any:
        known = _transforms.available()
        ours, _ = paddlex_names.transform(name, {}, self._boxes)
        if ours not in known:
            raise AttributeError(f"transforms.{name} is not known; {suggest(name, known)}")

        def spec(*args: Any, **kwargs: Any) -> dict[str, dict]:
            given = paddlex_names.transform(name, kwargs, self._boxes)[1]
            return {ours: dict(inspect.signature(known[ours]).bind(*args, **given).arguments)}

        return spec

    @staticmethod
    def Compose(specs: list) -> list:
        return list(specs)


def _imagenet(
    data_dir: str, file_list: str, label_list: str, transforms: list | None = None, **paddlex: Any
) -> Dataset:
    """A folder with lines `image index`."""
    return Dataset(data_dir, file_list, label_list, transforms or [], **_without(paddlex))


def _without(paddlex: dict[str, Any]) -> dict[str, Any]:
    """Arguments without those of PaddleX that have no effect: data are shuffled, and read in threads, anyway."""
    return {
        k: v
        for k, v in paddlex.items()
        if k not in ("shuffle", "num_workers", "buffer_size", "parallel_method")
    }


def _seg_dataset(data_dir: str, file_list: str, label_list: str, transforms: list, **paddlex: Any) -> Dataset:
    """A folder with lines `image mask`; masks hold class indices, 255 = ignore."""
    return Dataset(data_dir, file_list, label_list, transforms, "seg_list", **_without(paddlex))


def _matting_dataset(data_dir: str, file_list: str, transforms: list, trimaps: bool = False) -> Dataset:
    """A folder with lines `image alpha`, or, with `trimaps`, `image alpha trimap`."""
    reader = "matting_trimaps" if trimaps else "matting_pairs"
    return Dataset(data_dir, file_list, "", transforms, reader)


def _voc_dataset(data_dir: str, file_list: str, label_list: str, transforms: list, **paddlex: Any) -> Dataset:
    """A folder with lines `image xml`, Pascal VOC annotations."""
    return Dataset(data_dir, file_list, label_list, transforms, "voc", **_without(paddlex))


def _coco_dataset(data_dir: str, ann_file: str, transforms: list, **paddlex: Any) -> Dataset:
    """A folder and a COCO file, both file names relative to the folder; its categories are the labels."""
    return Dataset(data_dir, ann_file, "", transforms, "coco", **_without(paddlex))


datasets = SimpleNamespace(
    ImageNet=_imagenet, VOCDetection=_voc_dataset, CocoDetection=_coco_dataset, SegDataset=_seg_dataset,
    MattingDataset=_matting_dataset,
)  # fmt: skip
transforms = _Transforms()
