"""What an export is made of, and what a runtime is. One file a runtime beside this one, which ends with its `RUNTIME`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.evaluate import Forward


@dataclass(frozen=True)
class Exported:
    """A network as bytes: the operators and the weights, the names of its ends, and C, H, W of an image."""

    model: bytes
    weights: bytes
    input: str
    outputs: tuple[str, ...]
    shape: tuple[int, ...]

    def write(self, folder: Path) -> None:
        """`model.pdmodel` and `model.pdiparams`, for tools that read files."""
        (folder / "model.pdmodel").write_bytes(self.model)
        (folder / "model.pdiparams").write_bytes(self.weights)


@dataclass(frozen=True)
class Converted:
    """`files`: name -> bytes, as they are shipped. `here`: what can be opened on this machine."""

    files: dict[str, bytes]
    here: Any


@dataclass(frozen=True)
class Runtime:
    """One that runs networks, on this machine as on a phone."""

    name: str  # of --format and --runtime
    title: str  # of what runs it here
    package: str  # the distribution whose version its times are of
    files: tuple[str, ...]  # every file that an export can have
    # (network, targets, quant) -> files; raises UserError for an operator that it does not have
    convert: Callable[[Exported, Sequence[str], str], Converted]
    # (what was converted, network, threads; 0 = all cores) -> function from images [N, C, H, W] to a list of outputs
    open: Callable[[Any, Exported, int], Callable[[Any], list[Any]]]
    # (what was converted, shapes, threads, repeats, warm-up) -> ms of each run of each, taking turns; none: those of `open`
    time: Callable[[Sequence[Any], Sequence[Any], int, int, int], list[list[float]]] | None = None
    quants: tuple[str, ...] = ()  # names of --quant
    # (network, pictures [n, C, H, W], algorithm) -> files whose layers are fed integers, too; none: weights alone are integers
    calibrate: Callable[[Exported, np.ndarray, str], Converted] | None = None
    largest: int = 127  # of `calibrate`'s weights as integers
    algorithms: tuple[str, ...] = ()  # names of --quant_algorithm, of `calibrate`; the first is the usual one

    def forward(self, converted: Converted, exported: Exported) -> Forward:
        """As an evaluation calls it."""
        run = self.open(converted.here, exported, 0)
        return lambda images: [run(images)]


def each(run: Callable[[np.ndarray], Sequence[np.ndarray]], images: np.ndarray) -> list[np.ndarray]:
    """Outputs for images [N, C, H, W] of a network that takes one image at a time."""
    every = [run(images[i : i + 1]) for i in range(len(images))]
    return [np.concatenate(part) for part in zip(*every, strict=True)]
