"""Anchors for a data set: the sizes that its boxes have."""

import numpy as np


def anchors(sizes: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """`count` (width, height) pairs, small to large, for boxes `sizes` [n, 2].

    k-means with 1 - IoU of boxes that share a corner as the distance (Redmon and Farhadi 2017, arXiv
    1612.08242, section 2), begun at boxes chosen far apart (k-means++), means as centres. Raises
    ValueError for fewer different boxes than anchors.
    """
    if len(np.unique(sizes, axis=0)) < count:
        raise ValueError(f"there are fewer than {count} different boxes")
    rng = np.random.default_rng(seed)
    centres = sizes[rng.integers(len(sizes), size=1)].astype(np.float64)
    while len(centres) < count:
        distance = (1 - shape_iou(sizes, centres).max(1)) ** 2
        centres = np.concatenate([centres, sizes[rng.choice(len(sizes), 1, p=distance / distance.sum())]])
    for _ in range(300):
        nearest = shape_iou(sizes, centres).argmax(1)
        moved = np.array(
            [sizes[nearest == i].mean(0) if (nearest == i).any() else c for i, c in enumerate(centres)]
        )
        if np.allclose(moved, centres):
            break
        centres = moved
    return centres[np.argsort(centres.prod(1))]


def shape_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of boxes [n, 2] and [m, 2] (width, height) laid on one corner -> [n, m]."""
    common = np.minimum(a[:, None], b[None]).prod(2)
    return common / (a.prod(1)[:, None] + b.prod(1)[None] - common)


def fit(sizes: np.ndarray, chosen: np.ndarray) -> float:
    """The mean over the boxes of the IoU with their best anchor."""
    return float(shape_iou(sizes, np.asarray(chosen, np.float64)).max(1).mean())
