"""The embedded sample data: real handwritten digits pasted on photographs, made offline.

scikit-learn ships both (1797 digits of 8x8, two photographs), so nothing is downloaded. Digits
of the training and validation splits are different ones. The same call writes the same bytes.
"""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from sklearn.datasets import load_digits, load_sample_images

from ..errors import UserError
from ..files import atomic_folder

SIZE = 48  # pixels of an image's side
SCENE = 64  # of an image with several digits
YARD = 96  # of an image with digits to find
MARK = "SAMPLE_DATA.txt"  # what tells our folder from a user's
VAL_EVERY = 5  # each fifth digit is for validation; neighbours in the set are by one writer


def make(task: str, save_dir: str | Path, train: int | None = None, val: int | None = None) -> Path:
    """Write sample data of `task` to `save_dir`: images/, train_list.txt, val_list.txt, labels.txt.

    classification: one digit an image, 10 classes. segmentation: up to three digits an image, each of
    the classes straight (1, 4, 7) and round (the others) on background, their rims 255. matting: a
    large digit an image, with its alpha. detection: one to four digits an image, Pascal VOC boxes of
    the same two classes, drawn apart.
    Existing sample data is replaced. Raises UserError for another task, or a folder with
    something else in it.
    """
    makers = {"classification": (_classification, 2000, 300), "detection": (_detection, 600, 100),
              "segmentation": (_segmentation, 600, 100), "matting": (_matting, 600, 100)}  # fmt: skip
    if task not in makers:
        raise UserError(f"--task: there is no sample data for '{task}'; valid: {', '.join(makers)}")
    save_dir = Path(save_dir)
    if save_dir.exists() and any(save_dir.iterdir()) and not (save_dir / MARK).exists():
        raise UserError(f"--save_dir: '{save_dir}' holds other files; choose a new folder")
    with atomic_folder(save_dir) as folder:
        maker, usual_train, usual_val = makers[task]
        maker(folder, train or usual_train, val or usual_val)
        (folder / MARK).write_text("Made by paddleprune; it replaces this folder when asked again.\n")
    return save_dir


def _classification(folder: Path, train: int, val: int) -> None:
    (folder / "labels.txt").write_text("".join(f"digit_{d}\n" for d in range(10)))
    photos, digits = load_sample_images().images, load_digits()

    def one(i: int, pool: list[int], rng: np.random.Generator, name: str) -> str:
        digit = pool[i % len(pool)]
        image = _background(photos, SIZE, rng)
        _paste(image, digits.images[digit], int(rng.integers(36, 45)), rng)
        _write(folder / f"{name}.jpg", image)
        return f"{name}.jpg {digits.target[digit]}\n"

    _splits(folder, train, val, len(digits.images), one)


STRAIGHT = (1, 4, 7)  # digits without a closed or wide curve


def _segmentation(folder: Path, train: int, val: int) -> None:
    (folder / "labels.txt").write_text("background\nstraight\nround\n")
    photos, digits = load_sample_images().images, load_digits()

    def one(i: int, pool: list[int], rng: np.random.Generator, name: str) -> str:
        image, mask = _background(photos, SCENE, rng), np.zeros((SCENE, SCENE), np.uint8)
        for k in range(int(rng.integers(1, 4))):
            digit = pool[(3 * i + k) % len(pool)]
            alpha = _paste(image, digits.images[digit], int(rng.integers(24, 37)), rng)
            mask[alpha > 0.15] = 255
            mask[alpha > 0.5] = 1 if digits.target[digit] in STRAIGHT else 2
        _write(folder / f"{name}.jpg", image)
        target = name.replace("images", "masks")
        cv2.imwrite(str(folder / f"{target}.png"), mask)
        return f"{name}.jpg {target}.png\n"

    (folder / "masks").mkdir()
    _splits(folder, train, val, len(digits.images), one)


def _detection(folder: Path, train: int, val: int) -> None:
    (folder / "labels.txt").write_text("straight\nround\n")
    photos, digits = load_sample_images().images, load_digits()

    def one(i: int, pool: list[int], rng: np.random.Generator, name: str) -> str:
        image, taken, boxes = _background(photos, YARD, rng), np.zeros((YARD, YARD), bool), []
        for k in range(int(rng.integers(1, 5))):
            digit, before = pool[(4 * i + k) % len(pool)], image.copy()
            alpha = _paste(image, digits.images[digit], int(rng.integers(20, 45)), rng) > 0.3
            if (alpha & taken).any():
                image = before
                continue
            taken |= alpha
            ys, xs = (np.flatnonzero(alpha.any(axis)) for axis in (1, 0))
            kind = "straight" if digits.target[digit] in STRAIGHT else "round"
            boxes.append((kind, xs[0], ys[0], xs[-1] + 1, ys[-1] + 1))
        _write(folder / f"{name}.jpg", image)
        target = name.replace("images", "annotations")
        (folder / f"{target}.xml").write_text(_voc(boxes, YARD))
        return f"{name}.jpg {target}.xml\n"

    (folder / "annotations").mkdir()
    _splits(folder, train, val, len(digits.images), one)


def _voc(boxes: list[tuple], size: int) -> str:
    """A Pascal VOC annotation of a square picture; `boxes`: (name, xmin, ymin, xmax, ymax)."""
    things = [
        f"  <object><name>{name}</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax>"
        f"<ymax>{y2}</ymax></bndbox></object>\n"
        for name, x1, y1, x2, y2 in boxes
    ]
    head = f"  <size><width>{size}</width><height>{size}</height><depth>3</depth></size>\n"
    return f"<annotation>\n{head}{''.join(things)}</annotation>\n"


def _matting(folder: Path, train: int, val: int) -> None:
    photos, digits = load_sample_images().images, load_digits()

    def one(i: int, pool: list[int], rng: np.random.Generator, name: str) -> str:
        image = _background(photos, SCENE, rng) * 1.6
        alpha = _paste(image, digits.images[pool[i % len(pool)]], int(rng.integers(48, 61)), rng)
        _write(folder / f"{name}.jpg", image)
        target = name.replace("images", "alphas")
        cv2.imwrite(str(folder / f"{target}.png"), np.round(255 * alpha).astype(np.uint8))
        return f"{name}.jpg {target}.png\n"

    (folder / "alphas").mkdir()
    _splits(folder, train, val, len(digits.images), one)


def _splits(folder: Path, train: int, val: int, digits: int, one: Callable[..., str]) -> None:
    """Both lists; `one(i, digits of the split, rng, name)` writes image i and gives its line."""
    (folder / "images").mkdir()
    splits = {
        "train": (train, [d for d in range(digits) if d % VAL_EVERY]),
        "val": (val, [d for d in range(digits) if not d % VAL_EVERY]),
    }
    for split, (count, pool) in splits.items():
        rng = np.random.default_rng(len(split))
        lines = [one(i, pool, rng, f"images/{split}_{i:04d}") for i in range(count)]
        (folder / f"{split}_list.txt").write_text("".join(lines))


def _background(photos: list[np.ndarray], size: int, rng: np.random.Generator) -> np.ndarray:
    """A darkened part of a photograph, float32 RGB [size, size, 3]."""
    photo = photos[rng.integers(2)]
    top, left = (int(rng.integers(0, n - size)) for n in photo.shape[:2])
    return photo[top : top + size, left : left + size].astype(np.float32) * 0.25


def _paste(image: np.ndarray, digit: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """Put a digit (8x8, 0..16) in a light colour on `image`, in place; its alpha [H, W]."""
    size = len(image)
    alpha = np.zeros((size, size), np.float32)
    y, x = (int(v) for v in rng.integers(0, size - side + 1, 2))
    grown = cv2.resize(np.float32(digit) / 16, (side, side), interpolation=cv2.INTER_CUBIC)
    alpha[y : y + side, x : x + side] = np.clip(grown, 0, 1)
    colour = rng.integers(190, 256, 3).astype(np.float32)
    image[:] = image * (1 - alpha[..., None]) + colour * alpha[..., None]
    return alpha


def _write(path: Path, image: np.ndarray) -> None:
    cv2.imwrite(str(path), image.round().astype(np.uint8)[:, :, ::-1])
