"""The embedded sample data: real handwritten digits pasted on photographs, made offline.

scikit-learn ships both (1797 digits of 8x8, two photographs), so nothing is downloaded. Digits
of the training and validation splits are different ones. The same call writes the same bytes.
"""

from pathlib import Path

import cv2
import numpy as np
from sklearn.datasets import load_digits, load_sample_images

from ..errors import UserError
from ..files import atomic_folder

SIZE = 48  # pixels of an image's side
MARK = "SAMPLE_DATA.txt"  # what tells our folder from a user's
VAL_EVERY = 5  # each fifth digit is for validation; neighbours in the set are by one writer


def make(task: str, save_dir: str | Path, train: int = 2000, val: int = 300) -> Path:
    """Write sample data of `task` to `save_dir`: images/, train_list.txt, val_list.txt, labels.txt.

    Existing sample data is replaced. Raises UserError for another task, or a folder with
    something else in it.
    """
    makers = {"classification": _classification}
    if task not in makers:
        raise UserError(f"--task: there is no sample data for '{task}'; valid: {', '.join(makers)}")
    save_dir = Path(save_dir)
    if save_dir.exists() and any(save_dir.iterdir()) and not (save_dir / MARK).exists():
        raise UserError(f"--save_dir: '{save_dir}' holds other files; choose a new folder")
    with atomic_folder(save_dir) as folder:
        makers[task](folder, train, val)
        (folder / MARK).write_text("Made by paddleprune; it replaces this folder when asked again.\n")
    return save_dir


def _classification(folder: Path, train: int, val: int) -> None:
    (folder / "images").mkdir()
    (folder / "labels.txt").write_text("".join(f"digit_{d}\n" for d in range(10)))
    photos, digits = load_sample_images().images, load_digits()
    everyone = range(len(digits.images))
    splits = {
        "train": (train, [d for d in everyone if d % VAL_EVERY]),
        "val": (val, [d for d in everyone if not d % VAL_EVERY]),
    }
    for split, (count, pool) in splits.items():
        rng = np.random.default_rng(len(split))
        lines = []
        for i in range(count):
            digit = pool[i % len(pool)]
            image = _paste(digits.images[digit], photos[rng.integers(2)], rng)
            name = f"images/{split}_{i:04d}.jpg"
            cv2.imwrite(str(folder / name), image[:, :, ::-1])
            lines.append(f"{name} {digits.target[digit]}\n")
        (folder / f"{split}_list.txt").write_text("".join(lines))


def _paste(digit: np.ndarray, photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A digit (8x8, 0..16) in a light colour on a darkened part of a photograph, RGB [48, 48, 3]."""
    top, left = (int(rng.integers(0, n - SIZE)) for n in photo.shape[:2])
    background = photo[top : top + SIZE, left : left + SIZE].astype(np.float32) * 0.25
    side = int(rng.integers(36, 45))
    alpha = np.zeros((SIZE, SIZE, 1), np.float32)
    y, x = (int(v) for v in rng.integers(0, SIZE - side + 1, 2))
    grown = cv2.resize(np.float32(digit) / 16, (side, side), interpolation=cv2.INTER_CUBIC)
    alpha[y : y + side, x : x + side, 0] = np.clip(grown, 0, 1)
    colour = rng.integers(190, 256, 3).astype(np.float32)
    return (background * (1 - alpha) + colour * alpha).round().astype(np.uint8)
