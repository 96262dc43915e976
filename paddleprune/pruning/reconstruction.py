"""Which channels can be spared: those that the others can stand in for.

Removing channels R of what a layer reads costs, after its weight has made up for it as well as it can
(compensate.py), a share of the variance of its outputs:

    residual(R) = trace(W_R S W_R^T) / trace(W C W^T)     S = C_RR - C_RK C_KK^-1 C_KR,  C the covariance of its inputs

Channels go one by one, each time the one whose removal adds least to the mean of that share over all layers
that read the group. It takes the inverse covariance and an update of rank one a step (Hassibi and Stork 1992,
'Second order derivatives for network pruning: Optimal Brain Surgeon', equation 5, where the error is the
squared error of a linear layer's output). Nothing is evaluated, and no labels are needed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..channels.groups import Group
from .readers import Reader

RIDGE = 1e-4  # of the mean variance, so that the inverse exists
PENDING = 64  # columns by which a large matrix is behind


@dataclass(frozen=True, eq=False)
class Moments:
    """Of one block of a reader of the dense network, over `positions`: `means` [C] and `covariance` [C, C] of its inputs (mean products,
    where it takes no constant), and `gram` [C, C], products of its weight's rows over outputs and taps."""

    means: np.ndarray
    covariance: np.ndarray
    gram: np.ndarray
    positions: int


@dataclass(frozen=True, eq=False)
class Ranked:
    """`scores` [size]: the later a unit goes, the higher. `residuals` [size]: the share of variance that is
    lost when so many units are gone, from 0 on."""

    scores: np.ndarray
    residuals: np.ndarray

    def at(self, removed: int) -> float:
        return float(self.residuals[removed])


def moments_of(reader: Reader) -> list[Moments]:
    """Of each block of a reader that has been observed."""
    seen = np.concatenate(reader.inputs)
    columns = np.moveaxis(reader.weight, reader.into, 0).astype(np.float64)
    found = []
    for number in range(reader.blocks):
        x = reader.block(seen, number)
        means = x.mean(0)
        x = x - means if reader.constant else x
        weight = columns if reader.blocks == 1 else np.split(columns, reader.blocks, 1)[number]
        rows = weight.reshape(len(weight), -1)
        found.append(Moments(means, x.T @ x / len(x), rows @ rows.T, len(x)))
    return found


def ranked(group: Group, moments: Mapping[str, Sequence[Moments]]) -> Ranked | None:
    """The order in which a group's units go, from the `moments` of the weights that read it; None where none of them do."""
    states = [
        _Surgeon(block, slot.index) for slot in group.role("in") for block in moments.get(slot.parameter, ())
    ]
    return eliminate(states, group.size) if states else None


def eliminate(states: "Iterable[_Surgeon]", size: int) -> Ranked:
    states = list(states)
    alive, scores, residuals = np.ones(size, bool), np.full(size, float(size)), np.zeros(size)
    for step in range(size - 1):
        costs = np.mean([state.costs() for state in states], 0)
        unit = int(np.argmin(np.where(alive, costs, np.inf)))
        alive[unit], scores[unit] = False, step
        residuals[step + 1] = residuals[step] + max(0.0, float(costs[unit]))
        for state in states:
            state.remove(unit)
    return Ranked(scores, residuals)


class _Surgeon:
    """A layer as its channels go: H, the inverse covariance of those that are left, and G, products of the rows of the
    weight that makes up for the rest. `index` [units, copies]: positions of the units among its inputs.

    A removal changes both by a few columns: H - U U^T and G - U T^T - T U^T. What is asked for, the blocks of the
    units, is kept up to date; the matrices themselves, which are large, take their columns `PENDING` at a time.
    """

    def __init__(self, moments: Moments, index: np.ndarray):
        size, copies = len(moments.covariance), index.shape[1]
        ridge = RIDGE * max(np.trace(moments.covariance) / size, 1e-12)
        self.h = np.linalg.inv(moments.covariance + ridge * np.eye(size))
        self.g = moments.gram.copy()
        total = float((moments.covariance * moments.gram).sum())
        self.total = total if total > 1e-20 else np.inf  # of what does not vary nothing can be lost
        self.index = index
        pairs = index[:, :, None], index[:, None, :]
        self.h_blocks, self.g_blocks = self.h[pairs], self.g[pairs]  # [units, copies, copies]
        room = max(PENDING, copies)
        self.u, self.t = (np.zeros((size, room), order="F") for _ in range(2))
        self.pending = 0

    def costs(self) -> np.ndarray:
        """What removing each unit would add; of one that is gone 0."""
        if self.index.shape[1] == 1:
            found = self.g_blocks[:, 0, 0] / np.maximum(self.h_blocks[:, 0, 0], 1e-30)
        else:
            found = np.trace(np.linalg.solve(self.h_blocks, self.g_blocks), axis1=1, axis2=2)
        return np.maximum(found, 0.0) / self.total

    def remove(self, unit: int) -> None:
        rows, copies = self.index[unit], self.index.shape[1]
        h, g = self._columns(rows)
        own = h[rows] + 1e-13 * np.trace(h[rows]) * np.eye(copies)  # rounding must not make it indefinite
        root = np.linalg.inv(np.linalg.cholesky(own))
        u = h @ root.T
        t = g @ root.T - u @ (root @ g[rows] @ root.T) / 2
        own_u, own_t = u[self.index], t[self.index]  # [units, copies, columns]
        self.h_blocks -= own_u @ own_u.transpose(0, 2, 1)
        change = own_u @ own_t.transpose(0, 2, 1)
        self.g_blocks -= change + change.transpose(0, 2, 1)
        self.h_blocks[unit], self.g_blocks[unit] = np.eye(copies), 0
        if self.pending + copies > self.u.shape[1]:
            self._settle()
        place = slice(self.pending, self.pending + copies)
        self.u[:, place], self.t[:, place] = u, t
        self.pending += copies

    def _columns(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """H and G [channels, rows] as they are now."""
        u, t = self.u[:, : self.pending], self.t[:, : self.pending]
        return self.h[:, rows] - u @ u[rows].T, self.g[:, rows] - u @ t[rows].T - t @ u[rows].T

    def _settle(self) -> None:
        u, t = self.u[:, : self.pending], self.t[:, : self.pending]
        change = u @ t.T
        self.h -= u @ u.T
        self.g -= change + change.T
        self.pending = 0
