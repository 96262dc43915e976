"""A reader plus transforms, and the order in which a training run sees its images."""

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from ..config import DataConfig
from ..errors import UserError
from ..files import checked_path, exists
from .readers import find_reader
from .readers._list_files import file_of
from .transforms import Compose


class Dataset:
    """Samples as the network takes them. Index with (epoch, i): the epoch seeds the randomness."""

    def __init__(self, reader: Any, transforms: Compose, seed: int = 0):
        self.reader, self.transforms, self.seed = reader, transforms, seed

    @property
    def labels(self) -> list[str]:
        return self.reader.labels

    def __len__(self) -> int:
        return len(self.reader)

    def image_shape(self) -> list[int]:
        """[C, H, W] of the first image after the transforms."""
        return list(self[0, 0]["image"].shape)

    def __getitem__(self, key: tuple[int, int]) -> dict:
        epoch, i = key
        rng = np.random.default_rng([self.seed, epoch, i])
        sample = {**self.reader.read(i), "other": self._other}
        return to_chw(self.transforms(sample, rng))

    def _other(self, rng: np.random.Generator) -> dict:
        return self.reader.read(int(rng.integers(len(self))))


class Subset:
    """Some images of a dataset, `chosen` by their numbers."""

    def __init__(self, dataset: Dataset, chosen: Sequence[int]):
        self.dataset, self.chosen, self.labels = dataset, list(chosen), dataset.labels

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, key: tuple[int, int]) -> dict:
        return self.dataset[key[0], self.chosen[key[1]]]


def stratified_order(dataset: Dataset, seed: int = 0) -> list[int]:
    """All images in an order whose every beginning has the classes in the proportions of the whole.

    The k-th image of a class with n images is placed at (k + u) / n of the way, u random in [0, 1).
    Readers say the class of an image with `stratum(i)`; without it the order is random.
    """
    rng = np.random.default_rng(seed)
    kind = getattr(dataset.reader, "stratum", lambda i: 0)
    members: dict[int, list[int]] = {}
    for i in rng.permutation(len(dataset)):
        members.setdefault(kind(int(i)), []).append(int(i))
    places = {
        i: (k + rng.random()) / len(images)
        for _, images in sorted(members.items())
        for k, i in enumerate(images)
    }
    return sorted(places, key=places.__getitem__)


def to_chw(sample: dict) -> dict:
    """The image [H, W, 3] -> float32 [3, H, W]; boxes in pixels -> in fractions of the image."""
    height, width = sample["image"].shape[:2]
    image = sample["image"].transpose(2, 0, 1)
    done = {k: v for k, v in sample.items() if k != "other"}
    if "boxes" in sample:
        done["boxes"] = sample["boxes"] / np.float32([width, height, width, height])
    return {**done, "image": np.ascontiguousarray(image, dtype=np.float32)}


def open_reader(data: DataConfig, split: str) -> Any:
    """What reads the files of the 'train' or 'val' split of a config. Raises UserError for any fault in them."""
    apart = split != "train" and data.val_root
    key, root = ("data.val_root", data.val_root) if apart else ("data.root", data.root)
    if not exists(checked_path(root, key), "folder"):
        raise UserError(
            f"{key}: folder '{root[:300]}' does not exist; give the data's folder "
            f"with --set {key}=DIR, or with --dataset DIR where a command has that"
        )
    list_file = data.train_list if split == "train" else data.val_list
    labels = data.labels
    if apart and labels and not exists(Path(root) / labels):
        labels = str(file_of(Path(data.root), labels, "data.labels"))
    options: dict[str, Any] = {"values": data.mask_values} if data.mask_values else {}
    if options and data.reader != "seg_list":
        raise UserError(f"data.mask_values: the reader '{data.reader}' has no masks; leave it out")
    return find_reader(data.reader)(root, list_file, labels, **options)


def open_dataset(data: DataConfig, split: str, seed: int = 0) -> Dataset:
    """The 'train' or 'val' split of a config. The first image is read, to see that it fits.

    Raises UserError for any fault in the files.
    """
    name = "train" if split == "train" else "eval"
    specs = data.train_transforms if split == "train" else data.eval_transforms
    dataset = Dataset(open_reader(data, split), Compose(specs, f"data.{name}_transforms"), seed)
    shape = dataset.image_shape()
    if shape != list(data.image_shape):
        raise UserError(
            f"data.image_shape: {data.image_shape}, but data.{name}_transforms make {shape}; make them agree"
        )
    return dataset


def fingerprint(dataset: "Dataset | Subset", data: DataConfig) -> str:
    """Changes with the files that the list names, the images chosen of them and the evaluation
    transforms."""
    whole, chosen = (dataset.dataset, [dataset.chosen]) if isinstance(dataset, Subset) else (dataset, [])
    facts = repr((whole.reader.fingerprint, data.eval_transforms, list(data.image_shape), *chosen))
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


class Batches:
    """The batches of one epoch, in an order that is a function of (seed, epoch).

    `epoch(e, start)` begins at batch `start`, so a resumed run sees exactly what it would have.
    Training drops the last incomplete batch (batch norm on one image has no variance), unless
    it is the only one; evaluation keeps it.

    `part`: (rank, of): one process of several. It gets its part of every batch of a training, and
    every of-th batch of an evaluation.
    """

    def __init__(
        self, dataset: Dataset | Subset, batch_size: int, train: bool, seed: int = 0, workers: int = 0,
        part: tuple[int, int] = (0, 1),
    ):  # fmt: skip
        self.dataset, self.batch_size, self.train = dataset, batch_size, train
        self.seed, self.workers, self.part = seed, workers, part

    def __len__(self) -> int:
        count = len(self.dataset)
        if self.train and count >= self.batch_size:
            return count // self.batch_size
        return -(-count // self.batch_size)

    def epoch(self, epoch: int = 0, start: int = 0) -> Iterator[dict]:
        order = np.arange(len(self.dataset))
        if self.train:
            np.random.default_rng([self.seed, epoch]).shuffle(order)
        keys = [
            [(epoch, int(i)) for i in order[b * self.batch_size : (b + 1) * self.batch_size]]
            for b in range(start, len(self))
        ]
        rank, of = self.part
        keys = [batch[rank::of] for batch in keys] if self.train else keys[rank::of]
        if not self.workers:
            yield from map(self._load, keys)
            return
        with ThreadPoolExecutor(self.workers) as pool:  # decoding and resizing release the lock
            ahead: deque = deque()
            for batch in keys:
                ahead.append(pool.submit(self._load, batch))
                if len(ahead) > self.workers:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()

    def _load(self, keys: list[tuple[int, int]]) -> dict:
        return collate([self.dataset[key] for key in keys])


def collate(samples: Sequence[dict]) -> dict:
    """Stack arrays of one shape; keep what differs in shape (boxes, say) as a list."""
    batch: dict = {}
    for key in samples[0]:
        values = [np.asarray(sample[key]) for sample in samples]
        same = len({v.shape for v in values}) == 1
        if key == "image" and not same:
            shapes = sorted({v.shape[1:] for v in values})
            raise UserError(
                f"data: the transforms leave images of different sizes {shapes[0]} and {shapes[-1]}; "
                "end them with a crop or a resize to one size"
            )
        batch[key] = np.stack(values) if same else values
    return batch
