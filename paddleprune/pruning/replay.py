"""The same table, many times faster: run only the part of the network that a group changes.

The groups are taken in the order of the network. For each, the program is cut before the first
operator that reads its channels (cut.py). What crosses the cut is computed once a batch, from what
crossed an earlier cut; the SUFFIX behind it runs once a ratio. Both run in Paddle Inference (oneDNN
on a CPU), which alone is ten times faster than the dynamic graph.

    image --> [cut of group 1] --> [cut of group 2] --> ...       once a batch: one pass in all
                    |                     |
              suffix x ratios       suffix x ratios               the time goes here

Memory: at most `CACHE_BYTES` of live variables. A cut whose variables take more for the whole data
set is computed again in each pass, from the last cut that was kept.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..predictor import make_predictor, run, run_again
from .cut import Cut, cut, mask
from .groups import Groups
from .plan import Plan
from .trace import serialize

CACHE_BYTES = 3 * 2**28

State = dict[str, np.ndarray]
# Images -> outputs per variant. To be called on every batch of the data set, in order.
Forward = Callable[[np.ndarray], list[list[np.ndarray]]]


class ReplayEngine:
    """An `Engine` whose `score(forward, variants)` evaluates several variants in one pass.

    `score` runs the batches of the data set, always all and in the same order, through `forward`
    and gives the main metric of each variant. `images`: their number, to plan the memory.
    """

    def __init__(
        self,
        groups: Groups,
        score: Callable[[Forward, int], list[float]],
        threads: int = 2,
        onednn: bool = True,
        images: int = 0,
    ):
        self.groups, self.score, self.threads, self.onednn, self.images = (
            groups,
            score,
            threads,
            onednn,
            images,
        )
        self.seconds = {"open": 0.0, "link": 0.0, "suffix": 0.0}  # where the time went
        self._opened = ""
        self._split: Split | None = None
        self._kept = Kept(0, (groups.traced.input,), None)

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
        split = self._open(group)
        if split is None:  # nothing that matters reads it
            yield from [self.baseline()] * len(plans)
            return
        feeds = [split.feed(plan.removed(group)) for plan in plans]
        values = self.score(split.forward(feeds), len(plans))
        split.kept.complete = split.kept.states is not None
        yield from values

    def _open(self, name: str) -> "Split | None":
        """The halves of the network for a group; kept until another group is asked for."""
        if self._opened != name:
            start = time.perf_counter()
            place = cut(self.groups, self.groups[name])
            self._split = None if place is None else self._split_at(place)
            self._opened = name
            self.seconds["open"] += time.perf_counter() - start
        return self._split

    def _split_at(self, place: Cut) -> "Split":
        traced = self.groups.traced
        if self._split is not None and self._split.kept.complete:
            self._kept = self._split.kept
        if self._kept.first > place.first:  # not in the order of the network: begin anew
            self._kept = Kept(0, (traced.input,), None)
        source = self._kept
        wanted = tuple(dict.fromkeys([*place.live, *place.early]))
        made = [name for name in wanted if name not in source.names]
        needed = self._inputs(made, source)
        link = self._predictor(traced.program, needed, made) if made else None
        suffix = self._predictor(place.program, [*place.live, *place.masks], list(place.late))
        kept = Kept(place.first, wanted, [] if self._fits(wanted) else None)
        shapes = {name: self._shape(read.variable) for name, read in place.masks.items()}
        return Split(traced.outputs, place, source, kept, link, needed, made, suffix, shapes, self.seconds)

    def _inputs(self, made: list[str], source: "Kept") -> list[str]:
        """Those of the source's variables that `made` is computed from."""
        block, needed, found = self.groups.traced.program.global_block(), set(made), set()
        for op in reversed(block.ops):
            wanted = needed & set(op.output_arg_names) - set(source.names)
            if wanted:
                needed.update(op.input_arg_names)
                found.update(set(op.input_arg_names) & set(source.names))
        return sorted(found)

    def _fits(self, names: Sequence[str]) -> bool:
        numbers = sum(int(np.prod(self._shape(name)[1:])) for name in names)
        return self.images > 0 and 4 * numbers * self.images <= CACHE_BYTES

    def _shape(self, variable: str) -> tuple[int, ...]:
        return tuple(self.groups.traced.program.global_block().var(variable).shape)

    def _predictor(self, program: Any, feeds: list[str], fetches: list[str]) -> Any:
        model, weights = serialize(self.groups.traced, program, feeds, fetches)
        return make_predictor(model, weights, self.threads, self.onednn)


class Kept:
    """What crosses a cut: variables `names`, before operator `first`. `states` holds them batch by
    batch, or is None where they are not kept: the images, and what takes too much memory."""

    def __init__(self, first: int, names: tuple[str, ...], states: list[State] | None):
        self.first, self.names, self.states = first, names, states
        self.complete = False


class Split:
    """The network in two halves for one group, and what crosses the cut between them."""

    def __init__(
        self, outputs: Sequence[str], place: Cut, source: Kept, kept: Kept, link: Any,
        needed: list[str], made: list[str], suffix: Any, shapes: dict[str, tuple[int, ...]],
        seconds: dict[str, float],
    ):  # fmt: skip
        self.outputs, self.place, self.source, self.kept = outputs, place, source, kept
        self.link, self.needed, self.made, self.suffix, self.shapes = link, needed, made, suffix, shapes
        self.seconds = seconds
        self.holds: bool | None = None  # do the suffix's inputs survive a run?

    def feed(self, removed: np.ndarray) -> State:
        """The masks of one variant."""
        return {name: mask(self.shapes[name], read, removed) for name, read in self.place.masks.items()}

    def forward(self, feeds: Sequence[State]) -> Forward:
        """One pass over the data set with a variant per feed."""
        if self.kept.states and not self.kept.complete:
            self.kept.states.clear()  # of a pass that was broken off
        numbers = itertools.count()

        def forward(images: np.ndarray) -> list[list[np.ndarray]]:
            start = time.perf_counter()
            state = self._state(next(numbers), images)
            middle = time.perf_counter()
            outputs = self._variants(state, feeds)
            self.seconds["link"] += middle - start
            self.seconds["suffix"] += time.perf_counter() - middle
            return outputs

        return forward

    def _state(self, batch: int, images: np.ndarray) -> State:
        """What crosses the cut for this batch: kept, or computed from what crossed an earlier one."""
        if self.kept.complete:
            return self.kept.states[batch]  # type: ignore[index]
        (image,) = self.source.names if self.source.states is None else ("",)
        before = {image: images} if self.source.states is None else self.source.states[batch]
        state = {name: before[name] for name in self.kept.names if name in before}
        if self.link is not None:
            found = run(self.link, {name: before[name] for name in self.needed})
            state |= dict(zip(self.made, found, strict=True))
        if self.kept.states is not None:
            self.kept.states.append(state)
        return state

    def _variants(self, state: State, feeds: Sequence[State]) -> list[list[np.ndarray]]:
        """Outputs of the network per feed. From the second on only the masks are copied."""
        live = {name: state[name] for name in self.place.live}
        results = []
        for number, feed in enumerate(feeds):
            if number == 0 or not self.holds:
                found = run(self.suffix, live | feed)
            else:
                found = run_again(self.suffix, feed)
            if self.holds is None:
                self.holds = all(map(np.array_equal, found, run_again(self.suffix, feed)))
            values = state | dict(zip(self.place.late, found, strict=True))
            results.append([values[name] for name in self.outputs])
        return results
