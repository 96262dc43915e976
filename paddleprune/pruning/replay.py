"""The same table, several times faster: run only the part of the network that a group changes.

For a group, the traced program is cut before the first operator that reads its channels. The
PREFIX up to the cut runs once a batch; the SUFFIX after it once a ratio, with the removed channels
multiplied by 0 where an operator reads them. Both run in Paddle Inference (oneDNN on a CPU), which
alone is ten times faster than the dynamic graph here.

    prefix                     suffix, once per ratio
    image -> ... -> live  |->  live * mask -> reader -> ... -> outputs
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..predictor import make_predictor, run
from .groups import Group, Groups, Read
from .plan import Plan
from .trace import Traced, legacy, serialize

CACHE_BYTES = 2**30  # live variables kept in memory

# Images -> outputs per variant; the same shape as the evaluation loop's forward.
Forward = Callable[[np.ndarray], list[list[np.ndarray]]]


class ReplayEngine:
    """An `Engine` whose `score(forward, variants)` evaluates several variants in one pass.

    `score` runs every batch of the data set through `forward` and gives the main metric of each
    variant.
    """

    def __init__(
        self,
        groups: Groups,
        score: Callable[[Forward, int], list[float]],
        threads: int = 2,
        onednn: bool = True,
    ):
        self.groups, self.score, self.threads, self.onednn = groups, score, threads, onednn
        self._open: tuple[str, Split] | None = None

    def baseline(self) -> float:
        return self.score(self.whole(), 1)[0]

    def whole(self) -> Forward:
        """The dense network as one variant."""
        traced = self.groups.traced
        predictor = self._predictor(traced.program, [traced.input], list(traced.outputs))
        return lambda images: [run(predictor, {traced.input: images})]

    def points(self, group: str, plans: Sequence[Plan]) -> Iterator[float]:
        if not plans:
            return
        if not _readers(self.groups, self.groups[group]):  # nothing that matters reads it
            yield from [self.baseline()] * len(plans)
            return
        yield from self.score(self.forward(group, plans), len(plans))

    def forward(self, name: str, plans: Sequence[Plan]) -> Forward:
        """The variants of one group under `plans` as one forward function."""
        split = self._split(name)
        feeds = [
            {key: mask(read, self._width(read), plan.removed(name)) for key, read in split.masks.items()}
            for plan in plans
        ]
        return lambda images: split.run(images, feeds)

    def _split(self, name: str) -> "Split":
        """The two halves for a group; kept until another group is asked for."""
        if self._open is None or self._open[0] != name:
            traced = self.groups.traced
            program, masks, live, early = cut(self.groups, self.groups[name])
            computed = [v for v in dict.fromkeys([*live, *early]) if v != traced.input]
            prefix = self._predictor(traced.program, [traced.input], computed) if computed else None
            late = [v for v in traced.outputs if v not in early]
            suffix = self._predictor(program, [*live, *masks], late)
            self._open = (name, Split(traced, live, computed, masks, late, prefix, suffix))
        return self._open[1]

    def _width(self, read: Read) -> tuple[int, ...]:
        """Shape of the mask: 1 but on the channel axis."""
        shape = self.groups.traced.program.global_block().var(read.variable).shape
        return tuple(n if axis == read.axis else 1 for axis, n in enumerate(shape))

    def _predictor(self, program: Any, feeds: list[str], fetches: list[str]) -> Any:
        model, weights = serialize(self.groups.traced, program, feeds, fetches)
        return make_predictor(model, weights, self.threads, self.onednn)


class Split:
    """A network in two halves for one group: prefix -> live variables -> suffix, with masks.

    The live variables of a batch are kept, as long as they fit into `CACHE_BYTES` per group, so
    that a second look at the same images runs the suffix alone.
    """

    def __init__(
        self, traced: Traced, live: list[str], computed: list[str], masks: dict[str, Read],
        late: list[str], prefix: Any, suffix: Any,
    ):  # fmt: skip
        self.traced, self.live, self.computed, self.masks, self.late = traced, live, computed, masks, late
        self.prefix, self.suffix = prefix, suffix
        self.kept: dict[int, tuple[np.ndarray, dict[str, np.ndarray]]] = {}
        self.room = CACHE_BYTES

    def run(self, images: np.ndarray, feeds: Sequence[dict[str, np.ndarray]]) -> list[list[np.ndarray]]:
        """Outputs of the network per feed of masks."""
        state = self.state(images)
        live = {name: state[name] for name in self.live}
        results = []
        for feed in feeds:
            found = state | dict(zip(self.late, run(self.suffix, live | feed), strict=True))
            results.append([found[name] for name in self.traced.outputs])
        return results

    def state(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """The images and what the prefix makes of them."""
        known = self.kept.get(id(images))
        if known is not None and known[0] is images:
            return known[1]
        state = {self.traced.input: images}
        if self.prefix is not None:
            state |= dict(zip(self.computed, run(self.prefix, state), strict=True))
        size = sum(array.nbytes for array in state.values())
        if size <= self.room:
            self.room -= size
            self.kept[id(images)] = (images, state)
        return state


def cut(groups: Groups, group: Group) -> tuple[Any, dict[str, Read], list[str], list[str]]:
    """An edited clone of the traced program, its mask variables, the live variables at the cut, and
    the outputs that are made before it.

    Live are the activations made before the group's first reader and used at or after it.
    """
    traced, readers = groups.traced, _readers(groups, group)
    with legacy():
        program = traced.program.clone()
        block = program.global_block()
        first = min(read.operator for read in readers)
        made = {traced.input}
        for op in block.ops[:first]:
            made.update(op.output_arg_names)
        used = {name for op in block.ops[first:] for name in op.input_arg_names}
        live = sorted(n for n in made & used if not block.var(n).persistable)
        masks: dict[str, Read] = {}
        # From the last reader to the first, so that operator numbers stay true.
        for i, read in enumerate(sorted(readers, key=lambda r: -r.operator)):
            source = block.var(read.variable)
            shape = [n if axis == read.axis else 1 for axis, n in enumerate(source.shape)]
            given = block.create_var(name=f"keep_{i}", shape=shape, dtype=source.dtype)
            product = block.create_var(name=f"kept_{i}", shape=source.shape, dtype=source.dtype)
            block.ops[read.operator]._rename_input(read.variable, product.name)
            block._insert_op(
                read.operator,
                type="elementwise_mul",
                inputs={"X": [source], "Y": [given]},
                outputs={"Out": [product]},
                attrs={"axis": -1},
            )
            masks[given.name] = read
        needed = _needed(block, [name for name in traced.outputs if name not in made], stop=first)
        live = [name for name in live if name in needed]
    return program, masks, live, [name for name in traced.outputs if name in made]


def _readers(groups: Groups, group: Group) -> list[Read]:
    """The group's reads by operators that the outputs depend on."""
    block = groups.traced.program.global_block()
    needed = _needed(block, groups.traced.outputs)
    return [r for r in group.reads if needed & set(block.ops[r.operator].output_arg_names)]


def _needed(block: Any, outputs: Sequence[str], stop: int = 0) -> set[str]:
    """All variables that `outputs` depend on through operators from number `stop` on."""
    needed = set(outputs)
    for op in reversed(block.ops[stop:]):
        if needed & set(op.output_arg_names):
            needed.update(op.input_arg_names)
    return needed


def mask(read: Read, shape: tuple[int, ...], removed: np.ndarray) -> np.ndarray:
    """1 everywhere but 0 at the positions of `removed` units, of `shape` [1, ..., channels, ...]."""
    values = np.ones(max(shape), np.float32)
    values[read.index[removed].ravel()] = 0
    return values.reshape(shape)
