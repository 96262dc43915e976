"""Atoms: channels as elements of a union-find, some of them locked with a reason."""

from collections.abc import Sequence

import numpy as np

Atoms = Sequence[int] | np.ndarray


class UnionFind:
    """Atoms are whole numbers; merged ones share a root. A lock on one is a lock on all of its set.

    `new(3)` makes three; `merge([0], [2])` makes the first and the last one; `lock([2], "why")`
    locks both, so `lock_of(0)` is "why".
    """

    def __init__(self) -> None:
        self.parent: list[int] = []
        self.locks: dict[int, str] = {}

    def new(self, count: int) -> np.ndarray:
        start = len(self.parent)
        self.parent.extend(range(start, start + count))
        return np.arange(start, start + count)

    def find(self, atom: int) -> int:
        while self.parent[atom] != atom:
            self.parent[atom] = self.parent[self.parent[atom]]
            atom = self.parent[atom]
        return int(atom)

    def merge(self, first: Atoms, second: Atoms) -> None:
        for a, b in zip(first, second, strict=True):
            root, other = sorted((self.find(a), self.find(b)))
            if root != other:
                self.parent[other] = root
                if other in self.locks:
                    self.locks.setdefault(root, self.locks.pop(other))

    def lock(self, atoms: Atoms, reason: str) -> None:
        for atom in atoms:
            self.locks.setdefault(self.find(atom), reason)

    def lock_of(self, atom: int) -> str | None:
        return self.locks.get(self.find(atom))

    def roots(self, atoms: np.ndarray) -> np.ndarray:
        """`find` for every element of an array."""
        known, where = np.unique(atoms, return_inverse=True)
        return np.array([self.find(int(atom)) for atom in known])[where].reshape(atoms.shape)
