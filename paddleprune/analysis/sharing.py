"""Groups shared out among hands: processes of this machine, or actors of a cluster. The driver alone writes the file.

A hand is given one group at a time, with the points of it that are known, and says what it finds. One that dies costs
the points of its group that it had not said: the group goes back into the queue, to another hand. A group that kills
three hands ends the analysis.
"""

import collections
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, TypeVar

from ..errors import UserError
from ..pruning.measure import Found
from ..pruning.sensitivity import Points

DEATHS = 3  # of hands on one group
log = logging.getLogger(__name__)
Curves = Mapping[str, Mapping[float, float]]


class Died(Exception):
    """A hand is gone, and its group unfinished."""


class Hand(Protocol):
    """One that computes. `group`: what it is at."""

    group: str

    def give(self, group: str, known: Mapping[float, float]) -> None: ...

    def hear(self) -> tuple[Points, bool]:
        """What it has found since, and whether its group is finished. Raises Died, or UserError for a mistake of the
        user's that it came upon."""

    def end(self) -> None: ...

    def kill(self) -> None: ...


AnyHand = TypeVar("AnyHand", bound=Hand)


def shared_out(
    hire: Callable[[], AnyHand], ready: Callable[[list[AnyHand]], Iterable[AnyHand]],
    groups: list[str], curves: Curves, count: int,
) -> Found:  # fmt: skip
    """The missing points of `groups`, as up to `count` hands find them.

    `hire` makes a hand; `ready` waits until some of the hands have something to say. `curves`: points known at the
    start; it is looked at again when a group has to be repeated. Raises UserError for a mistake that a hand came upon,
    or a group that kills its hands.
    """
    queue, deaths = collections.deque(groups), collections.Counter[str]()
    hands: list[AnyHand] = []
    try:
        while queue or hands:
            while queue and len(hands) < count:
                hands.append(hire())
                _next(hands[-1], queue, curves)
            for hand in ready(hands):
                try:
                    points, finished = hand.hear()
                except Died:
                    hands.remove(hand)
                    _again(hand.group, queue, deaths)
                    continue
                if points:
                    yield hand.group, points
                if finished:
                    yield hand.group, {}
                    if queue:
                        _next(hand, queue, curves)
                    else:
                        hands.remove(hand)
                        hand.end()
    finally:
        for hand in hands:
            hand.kill()


def _next(hand: Hand, queue: collections.deque[str], curves: Curves) -> None:
    group = queue.popleft()
    hand.give(group, dict(curves.get(group, {})))


def _again(group: str, queue: collections.deque[str], deaths: collections.Counter[str]) -> None:
    deaths[group] += 1
    if deaths[group] >= DEATHS:
        raise UserError(
            f"--workers: {group} killed {DEATHS} worker processes, possibly for want of memory; what was "
            "finished is saved, go on with fewer workers or a smaller --batch_size"
        )
    log.warning("a worker died; %s is computed again", group)
    queue.appendleft(group)
