"""Transforms by name, as a config writes them: `- RandomCrop: {size: 224}` or `- Normalize`.

A transform is a callable `(sample, rng) -> sample`. It changes "image" and whatever else in the
sample it knows to move along; `sample["other"](rng)` reads another image of the set. `rng` is a numpy Generator seeded by (seed, epoch, index), so an
epoch is the same however often it is interrupted. The specs of the evaluation transforms are
saved with a model, so `Compose` is all that a client has to repeat.
"""

import inspect
from collections.abc import Sequence

import numpy as np

from ...errors import UserError
from ...lookup import construct, suggest
from . import boxes, image, matting


def available() -> dict[str, type]:
    """{name: class} of all transforms."""
    return {
        name: c
        for module in (boxes, image, matting)
        for name, c in inspect.getmembers(module, inspect.isclass)
        if c.__module__ == module.__name__ and name[0] != "_"
    }


class Compose:
    """A list of specs -> one callable. Raises UserError for a name or argument that is unknown."""

    def __init__(self, specs: Sequence, key: str = "transforms"):
        self.steps = [_construct(spec, f"{key}[{i}]") for i, spec in enumerate(specs)]

    def __call__(self, sample: dict, rng: np.random.Generator) -> dict:
        for step in self.steps:
            sample = step(sample, rng)
        return sample


def _construct(spec: object, key: str) -> object:
    if isinstance(spec, str):
        spec = {spec: {}}
    if not isinstance(spec, dict) or len(spec) != 1:
        raise UserError(f"{key}: {spec!r} must be a name or one 'Name: {{argument: value}}'")
    (name, arguments), known = next(iter(spec.items())), available()
    if name not in known:
        raise UserError(f"{key}: '{name}' is not known; {suggest(name, known)}")
    if not isinstance(arguments, dict):
        raise UserError(f"{key}: the arguments of {name} must be a mapping, got {arguments!r}")
    return construct(known[name], arguments, f"{key} {name}")
