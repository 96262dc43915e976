"""Replay on whichever of a network's programs says what the network says."""

import functools
import logging
from collections.abc import Callable

import numpy as np
import paddle
from paddle import nn

from ..channels.groups import Groups
from ..errors import UserError
from ..graph.example import Example, outputs_of
from ..graph.ir import Graph
from ..graph.legacy import legacy_graph_of
from ..graph.parts import kills_onednn
from ..graph.pir import graph_of
from ..modes import evaluating
from .observed import Observed
from .replay import Forward, ReplayEngine

log = logging.getLogger(__name__)
Scores = Callable[[Forward, int], list[float]]


def trusted_replay(
    network: nn.Layer, example: Example, groups: Groups, score: Scores, probe: np.ndarray, batch: int,
    images: int, threads: int, observed: Observed | None = None,
) -> ReplayEngine | None:  # fmt: skip
    """A replay engine whose outputs for the inputs `probe` are the network's; None if there is none. `batch`: how many
    inputs come at a time at the most, `images` how many in all."""
    graph_for = functools.cache(lambda legacy: _graph(network, example, batch, legacy))
    for onednn in (False,) if kills_onednn(groups.graph) else (True, False):
        for legacy in (True, False):
            graph = graph_for(legacy)
            if graph is None:
                continue
            try:
                engine = ReplayEngine(groups, score, threads, onednn, images, graph, observed)
            except ValueError as error:
                log.info("no replay on one of the network's programs: %s", error)
                continue
            if _agrees(engine, network, example, probe):
                return engine
    return None


def _graph(network: nn.Layer, example: Example, batch: int, legacy: bool) -> Graph | None:
    """One of the network's two programs, if it has it. The legacy one, which opens faster, is for images alone."""
    try:
        if not legacy:
            specs = [((batch, *shape[1:]), dtype) for shape, dtype in example.specs()]
            return graph_of(network, specs, example.call)
        return None if example.shape is None else legacy_graph_of(network, example.shape)
    except UserError as error:
        log.info("no replay on the %s program: %s", "legacy" if legacy else "own", error)
        return None


def _agrees(engine: ReplayEngine, network: nn.Layer, example: Example, probe: np.ndarray) -> bool:
    """Does the inference engine say what the network says? Kernels of oneDNN differ for some operators."""
    with evaluating(network), paddle.no_grad():
        wanted = [value.numpy() for value in outputs_of(example.call(network, [paddle.to_tensor(probe)]))]
    try:
        found = engine.whole()(probe)[0]
    except Exception:  # of a kernel that does not take what it is given
        return False
    return all(  # without the outputs that serve training alone
        a.shape == b.shape and np.abs(a - b).max() <= 1e-3 * max(1.0, np.abs(a).max())
        for a, b in zip(wanted, found, strict=False)
    )
