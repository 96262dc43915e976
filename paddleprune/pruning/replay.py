"""The same table, many times faster: run only the part of the network that a group changes.

The groups are taken in the order of the network. For each, the graph is cut before the first
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

from ..channels.groups import Groups, Read
from ..graph.ir import Graph, Mask, Mix, Variable
from ..graph.parts import name_of, open_part
from ..predictor import run, run_again
from .cut import Cut, cut, reads_in, weight_of
from .observed import Observed
from .plan import Plan

CACHE_BYTES = 3 * 2**28

State = dict[Variable, np.ndarray]
Named = dict[str, np.ndarray]
# Images -> outputs per variant. To be called on every batch of the data set, in order.
Forward = Callable[[np.ndarray], list[list[np.ndarray]]]


class ReplayEngine:
    """An `Engine` whose `score(forward, variants)` evaluates several variants in one pass.

    `score` runs the batches of the data set, always all and in the same order, through `forward`
    and gives the main metric of each variant. `graph`: the network's for batches of one size, of which a
    smaller one is filled up, or of any. `observed`: readers make up for what goes. Raises ValueError for a graph that is not that of the groups. `images`: their number, to plan the memory.
    """

    def __init__(
        self,
        groups: Groups,
        score: Callable[[Forward, int], list[float]],
        threads: int = 2,
        onednn: bool = True,
        images: int = 0,
        graph: Graph | None = None,
        observed: Observed | None = None,
    ):
        self.groups, self.graph, self.observed = groups, graph or groups.graph, observed
        self.score, self.threads, self.onednn, self.images = score, threads, onednn, images
        self.seconds = {"open": 0.0, "link": 0.0, "suffix": 0.0}  # where the time went
        self._opened = ""
        self._split: Split | None = None
        self._kept = Kept(0, self.graph.inputs, None)
        self._reads = reads_in(self.graph, groups)

    @property
    def batch(self) -> int:
        """Images that the graph takes at a time; -1 for any number."""
        return self.graph.shapes[self.graph.inputs[0]][0]

    def baseline(self) -> float:
        return self.score(self.whole(), 1)[0]

    def whole(self) -> Forward:
        """The dense network as one variant."""
        predictor = self._predictor(self.graph.inputs, self.graph.outputs)
        return lambda images: [fewer(run(predictor, self._images(images)), len(images), self.batch)]

    def _images(self, images: np.ndarray) -> Named:
        return {name_of(self.graph, self.graph.inputs[0]): filled_up(images, self.batch)}

    def points(self, group: str, plans: Sequence[Plan]) -> Iterator[float]:
        if not plans:
            return
        split = self._open(group)
        if split is None:  # nothing that matters reads it
            yield from [self.baseline()] * len(plans)
            return
        feeds = [self._feed(split, group, plan.removed(group)) for plan in plans]
        values = self.score(split.forward(feeds), len(plans))
        split.kept.complete = split.kept.states is not None
        yield from values

    def _feed(self, split: "Split", group: str, removed: np.ndarray) -> Named:
        """The masks and mixes of one variant."""
        feed = {
            edit.name: split.place.masks[edit.name].mask(removed)
            for edit in split.edits
            if isinstance(edit, Mask)
        }
        mixes = self.observed.mixes(group, removed) if self.observed is not None else {}
        for edit in split.edits:
            if isinstance(edit, Mix):
                matrix, shift = mixes[weight_of(self.graph, self.graph.operators[edit.operator]) or ""]
                feed |= {edit.name: matrix, edit.shift: shift.reshape(edit.shape(len(shift)))}
        return feed

    def _open(self, name: str) -> "Split | None":
        """The halves of the network for a group; kept until another group is asked for."""
        if self._opened != name:
            start = time.perf_counter()
            place = cut(self.graph, self._reads[name])
            self._split = None if place is None else self._split_at(place)
            self._opened = name
            self.seconds["open"] += time.perf_counter() - start
        return self._split

    def _split_at(self, place: Cut) -> "Split":
        graph = self.graph
        if self._split is not None and self._split.kept.complete:
            self._kept = self._split.kept
        if self._kept.first > place.first:  # not in the order of the network: begin anew
            self._kept = Kept(0, graph.inputs, None)
        source = self._kept
        wanted = tuple(dict.fromkeys([*place.live, *place.early]))
        made = [variable for variable in wanted if variable not in source.variables]
        needed = graph.behind(made, source.variables)
        link = self._predictor(needed, made) if made else None
        edits = [self._edit(name, read) for name, read in place.masks.items()]
        suffix = self._predictor(place.live, place.late, edits)
        kept = Kept(place.first, wanted, [] if self._fits(wanted) else None)
        return Split(graph, place, source, kept, edits, link, needed, made, suffix, self.seconds)

    def _edit(self, name: str, read: Read) -> Mask | Mix:
        weight = weight_of(self.graph, self.graph.operators[read.operator]) or ""
        if self.observed is not None and weight in self.observed.moments:
            return Mix(name, read.operator, read.variable, self.observed.readers[weight].axis == -1)
        return Mask(name, read.operator, read.variable, read.units.shape)

    def _fits(self, variables: Sequence[Variable]) -> bool:
        numbers = abs(sum(int(np.prod(self.graph.shapes[v])) for v in variables) / self.batch)
        return self.images > 0 and 4 * numbers * self.images <= CACHE_BYTES

    def _predictor(
        self, feeds: Sequence[Variable], fetches: Sequence[Variable], masks: Sequence[Mask | Mix] = ()
    ) -> Any:
        return open_part(self.graph, feeds, fetches, masks, self.threads, self.onednn)


def filled_up(images: np.ndarray, batch: int) -> np.ndarray:
    """The images and, where they are fewer than a batch, the last of them again."""
    missing = batch - len(images)
    return images if missing <= 0 else np.concatenate([images, np.repeat(images[-1:], missing, 0)])


def fewer(outputs: list[np.ndarray], images: int, batch: int) -> list[np.ndarray]:
    """Of outputs for a whole batch those for the first `images`."""
    return outputs if images >= batch else [output[: len(output) * images // batch] for output in outputs]


class Kept:
    """What crosses a cut: `variables`, before operator `first`. `states` holds them batch by
    batch, or is None where they are not kept: the images, and what takes too much memory."""

    def __init__(self, first: int, variables: tuple[Variable, ...], states: list[State] | None):
        self.first, self.variables, self.states = first, variables, states
        self.complete = False


class Split:
    """The network in two halves for one group, and what crosses the cut between them."""

    def __init__(
        self, graph: Graph, place: Cut, source: Kept, kept: Kept, edits: list[Mask | Mix], link: Any, needed: list[Variable],
        made: list[Variable], suffix: Any, seconds: dict[str, float],
    ):  # fmt: skip
        self.graph, self.place, self.source, self.kept, self.edits = graph, place, source, kept, edits
        self.link, self.needed, self.made, self.suffix, self.seconds = link, needed, made, suffix, seconds
        self.batch = graph.shapes[graph.inputs[0]][0]
        self.holds: bool | None = None  # do the suffix's inputs survive a run?

    def forward(self, feeds: Sequence[Named]) -> Forward:
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
            return [fewer(found, len(images), self.batch) for found in outputs]

        return forward

    def _state(self, number: int, images: np.ndarray) -> State:
        """What crosses the cut for this batch: kept, or computed from what crossed an earlier one."""
        if self.kept.complete:
            return self.kept.states[number]  # type: ignore[index]
        if self.source.states is None:
            before = {self.graph.inputs[0]: filled_up(images, self.batch)}
        else:
            before = self.source.states[number]
        state = {v: before[v] for v in self.kept.variables if v in before}
        if self.link is not None:
            found = run(self.link, self._named({v: before[v] for v in self.needed}))
            state |= dict(zip(self.made, found, strict=True))
        if self.kept.states is not None:
            self.kept.states.append(state)
        return state

    def _named(self, state: State) -> Named:
        return {name_of(self.graph, variable): array for variable, array in state.items()}

    def _variants(self, state: State, feeds: Sequence[Named]) -> list[list[np.ndarray]]:
        """Outputs of the network per feed. From the second on only the masks are copied."""
        live = self._named({v: state[v] for v in self.place.live})
        results = []
        for number, feed in enumerate(feeds):
            if number == 0 or not self.holds:
                found = run(self.suffix, live | feed)
            else:
                found = run_again(self.suffix, feed)
            if self.holds is None:
                self.holds = all(map(np.array_equal, found, run_again(self.suffix, feed)))
            values = state | dict(zip(self.place.late, found, strict=True))
            results.append([values[v] for v in self.graph.outputs])
        return results
