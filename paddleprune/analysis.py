"""What a sensitivity analysis evaluates with: decoded images, and an engine over them."""

import logging
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from paddle import nn

from .data.dataset import Batches
from .engine.evaluate import Forward, evaluate, forward_of
from .errors import UserError
from .lookup import suggest
from .progress import bar
from .pruning.groups import Groups
from .pruning.plan import make_plan
from .pruning.replay import ReplayEngine
from .pruning.sensitivity import Engine, PlainEngine, Sensitivities, sensitivity

log = logging.getLogger(__name__)
ENGINES = ("plain", "replay")
CACHE_BYTES = 2 * 2**30


class Decoded:
    """Batches that are read once and kept, if they take no more than `limit` bytes as float32."""

    def __init__(self, batches: Batches, image_shape: tuple[int, int, int], limit: int = CACHE_BYTES):
        channels, height, width = image_shape
        self.batches, self.kept = batches, []  # type: Batches, list[dict]
        self.fits = 4 * len(batches.dataset) * channels * height * width <= limit

    def __iter__(self) -> Iterator[dict]:
        if not self.fits:
            return self.batches.epoch()
        if not self.kept:
            stream = self.batches.epoch()
            self.kept = list(bar(stream, "read images", len(self.batches)))
        return iter(self.kept)


def engine(name: str, network: nn.Layer, groups: Groups, batches: Decoded, metric: Any) -> Engine:
    """ "replay", or "plain" for one whole evaluation of the dynamic graph per point."""
    if name not in ENGINES:
        raise UserError(f"--engine: '{name}' is not known; {suggest(name, ENGINES)}")

    def score(forward: Forward, variants: int = 1) -> list[float]:
        return [values[metric.main] for values in evaluate(forward, batches, metric, variants)]

    if name == "plain":
        return PlainEngine(network, groups, lambda: score(forward_of(network))[0])
    images = next(iter(batches))["image"][:2]
    for onednn in (True, False):
        replay = ReplayEngine(groups, score, os.cpu_count() or 1, onednn)
        if not (onednn and _crashes_onednn(groups)) and _agrees(replay, network, images):
            return replay
        if onednn:
            log.info("replay runs without oneDNN, with which this network computes something else")
    log.warning("replay computes something else than the network; the plain engine is used, slowly")
    return engine("plain", network, groups, batches, metric)


def _agrees(replay: ReplayEngine, network: nn.Layer, images: np.ndarray) -> bool:
    """Does the inference engine say what the network says? Kernels of oneDNN differ for some
    operators (nearest interpolation by other factors than 2)."""
    pairs = zip(forward_of(network)(images)[0], replay.whole()(images)[0], strict=True)
    return all(np.abs(a - b).max() <= 1e-3 * max(1.0, np.abs(a).max()) for a, b in pairs)


def _crashes_onednn(groups: Groups) -> bool:
    """A batch norm without scale or shift kills the process in oneDNN's kernel."""
    norms = [op for op in groups.traced.program.global_block().ops if op.type == "batch_norm"]
    return any(not op.input("Scale") or not op.input("Bias") for op in norms)


def verify(
    table: Sensitivities,
    plain: Engine,
    groups: Groups,
    scores: Mapping[str, np.ndarray],
    count: int,
    seed: int = 0,
) -> float:
    """Evaluate `count` random points of a table the plain way; the largest |difference| found.

    Raises UserError, naming the point, where one is larger than one image's worth of a count
    metric, or 1e-4 of a real-valued one, whichever is larger.
    """
    points = [(name, ratio) for name, curve in table.curves.items() for ratio in sorted(curve)]
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(points), min(count, len(points)), replace=False)
    p = table.provenance
    tolerance = max(1e-4, 1.001 / (p.images * abs(table.baseline)))
    worst = 0.0
    for i in bar(sorted(chosen), "verify", len(chosen), "point"):
        name, ratio = points[i]
        plan = make_plan(groups, {name: ratio}, {name: scores[name]})
        (metric,) = plain.points(name, [plan])
        difference = abs(sensitivity(table.baseline, metric, p.higher_is_better) - table.curves[name][ratio])
        worst = max(worst, difference)
        if difference > tolerance:
            raise UserError(
                f"--verify: {name} at ratio {ratio} is {table.curves[name][ratio]:.6f} in the table, and "
                f"{difference:.6f} away from it when evaluated the plain way (tolerance {tolerance:.6f}); "
                "use --engine plain"
            )
    return worst
