"""Batches that are decoded once, however often they are evaluated."""

import pickle
import tempfile
from collections.abc import Iterator
from typing import Any

from ..data.dataset import Batches
from ..files import room_for_temporary_files
from ..progress import bar

CACHE_BYTES = 3 * 2**29


class Decoded:
    """The batches of a data set, decoded in the first pass: in memory up to `limit` bytes of images,
    the rest in a temporary file that goes with the process.

    The file is our own and is read by the process that wrote it, so pickle is safe there.
    """

    def __init__(self, batches: Batches, limit: int = CACHE_BYTES):
        self.batches, self.limit = batches, limit
        self.kept: list[dict] = []
        self.file: Any = None
        self.places: list[int] = []  # of the batches in the file
        self.complete = False

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[dict]:
        if not self.complete:
            self._decode()
        yield from self.kept
        for place in self.places:
            self.file.seek(place)
            yield pickle.load(self.file)

    def _decode(self) -> None:
        self.kept, self.places, room = [], [], self.limit
        for batch in bar(self.batches.epoch(), "read images", len(self.batches)):
            room -= batch["image"].nbytes
            if room >= 0:
                self.kept.append(batch)
                continue
            with room_for_temporary_files():
                if self.file is None:
                    self.file = tempfile.TemporaryFile(prefix="paddleprune-")  # noqa: SIM115 - lives as long as we do
                self.places.append(self.file.tell())
                pickle.dump(batch, self.file, protocol=pickle.HIGHEST_PROTOCOL)
        self.complete = True
