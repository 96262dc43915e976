"""Pruning for any `paddle.nn.Layer`, without configs, tasks or training loops.

    pruner = Pruner(network, (3, 224, 224))
    print(pruner)                                        what can be pruned, and why the rest cannot
    table = pruner.sensitivities(score)                  score(network) -> float
    plan = pruner.plan(UnderBudget(loss=0.05))
    small = pruner.narrow(plan)                          a smaller network; the first one stays as it was
    plan.save("plan.json"); narrow(fresh, Plan.load("plan.json"))

With some pictures (inputs of the network, without labels), `Pruner(network, example, pictures=images)`, what reads the
removed channels makes up for them: in what is measured, in which channels go, and in the narrow network.

For networks that are trained, evaluated and exported by the tool's own commands see pipeline.py.
"""

import copy
import functools
import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn

from .channels.walk import Rule
from .errors import UserError
from .graph.example import Example, outputs_of
from .lookup import suggest
from .modes import evaluating
from .processor import cores
from .progress import bar
from .pruning import criteria
from .pruning.compensate import narrow_compensated
from .pruning.groups import Groups, find_groups
from .pruning.measure import Engine, PlainEngine, Search, complete, one_by_one, start
from .pruning.narrow import narrow
from .pruning.observed import Observed
from .pruning.plan import Plan, make_plan
from .pruning.sensitivity import RATIOS, Provenance, Sensitivities
from .pruning.trusted import trusted_replay
from .strategies import LeastLoss, Setting, Strategy
from .strategies.setting import looked_at
from .weights import fingerprint

log = logging.getLogger(__name__)
Score = Callable[[nn.Layer], float]
Metric = Callable[[list[list[np.ndarray]]], float]


class Pruner:
    """What can be done with one network.

    `example`: what it is called with: the shape of one image (C, H, W), or a tensor, or a list, tuple or dict of tensors.
    `keep`: beginnings of names of layers that must stay whole. `rules`: {operator: rule} for operators of your
    own (channels/rules/). `pictures`: some dozens or hundreds of its inputs in one array; it is run on them as one batch.
    Raises UserError for a network that cannot be traced on the example.
    """

    def __init__(
        self,
        network: nn.Layer,
        example: Any,
        keep: Sequence[str] = (),
        rules: Mapping[str, Rule] | None = None,
        pictures: np.ndarray | None = None,
    ):
        if not isinstance(network, nn.Layer):
            raise UserError(f"Pruner: network is a {type(network).__name__}; give a paddle.nn.Layer")
        self.network, self.example = network, Example(example)
        found = find_groups(network, self.example, rules)
        self.groups: Groups = found.without(_protected(found, [keep] if isinstance(keep, str) else keep))
        self.table: Sensitivities | None = None
        self.pictures = self._checked(pictures)

    def _checked(self, pictures: np.ndarray | None) -> np.ndarray | None:
        if pictures is None:
            return None
        array, (shape, _), *others = np.asarray(pictures), *self.example.specs()
        if others or array.shape[1:] != tuple(shape[1:]) or not len(array):
            raise UserError(
                f"pictures: an array of {list(array.shape)}; the network takes {[list(s) for s, _ in self.example.specs()]}"
            )
        return array.astype(self.example.specs()[0][1])

    @functools.cached_property
    def observed(self) -> Observed | None:
        """The network as it is on the pictures; None without any."""
        if self.pictures is None:
            return None
        return Observed(self.network, self.example, self.groups, self.pictures)

    def _scores(self, criterion: str | None) -> tuple[str, Mapping[str, np.ndarray]]:
        name = criterion or ("l1_norm" if self.pictures is None else criteria.RECONSTRUCTION)
        return name, criteria.scores(name, self.groups, self.network, self.observed)

    def __str__(self) -> str:
        return self.groups.describe()

    def sensitivities(
        self, score: Score | None = None, *, batches: Sequence[np.ndarray] = (), metric: Metric | None = None,
        ratios: Sequence[float] = RATIOS, criterion: str | None = None, higher_is_better: bool = True,
        budget: float | None = None, save_file: str | Path | None = None,
    ) -> Sensitivities:  # fmt: skip
        """How much each group's pruning hurts: {group: {ratio: relative loss}} in `.curves`.

        Either `score(network)` evaluates the network as it is; or `batches` of inputs, all but the last equally
        large, and a `metric` of all their outputs (for each batch a list of arrays) are given: then only the
        part of the network behind each group runs again, in Paddle Inference, many times faster.
        `budget`: only the points that decide which ratio stays within it. `save_file`: written point
        by point, and gone on with. Raises UserError for a file of another analysis, and a score of 0 or NaN.
        """
        engine, images = self._engine(score, batches, metric), sum(map(len, batches))
        used, scores = self._scores(criterion)
        name = getattr(metric or score, "__name__", "<lambda>")
        of = "score" if name == "<lambda>" else name
        facts = Provenance(
            type(self.network).__name__, fingerprint(self.network), _digest(batches), images, of,
            higher_is_better, used, 0 if self.observed is None else self.observed.count,
        )  # fmt: skip
        path = None if save_file is None else Path(save_file)
        table = start(path, facts, self.groups, engine.baseline)
        search = Search(engine, self.groups, scores, table.baseline, higher_is_better, tuple(ratios), budget)
        found = one_by_one(search, table.curves, list(self.groups))
        with bar(None, "analyse", len(self.groups), "group", True, 0) as progress:
            for _, points in complete(table, path, found):
                progress.update(0 if points else 1)
        self.table = table
        return table

    def _engine(self, score: Score | None, batches: Sequence[np.ndarray], metric: Metric | None) -> Engine:
        if (score is None) == (metric is None) or (metric is None) != (len(batches) == 0):
            raise UserError(
                "sensitivities: give score(network) -> float, or batches=[...] and metric=..., one of the two"
            )
        if score is not None:
            return PlainEngine(self.network, self.groups, lambda: float(score(self.network)), self.observed)
        assert metric is not None
        if len(self.example.specs()) > 1:
            raise UserError(
                "sensitivities: batches are of one input, the network takes several; give score instead"
            )
        arrays = [np.asarray(batch) for batch in batches]

        def scores(forward: Callable, variants: int) -> list[float]:
            outputs = [forward(array) for array in arrays]
            return [float(metric([batch[i] for batch in outputs])) for i in range(variants)]

        replay = trusted_replay(
            self.network, self.example, self.groups, scores, arrays[0][:2], len(arrays[0]),
            sum(map(len, arrays)), cores(), self.observed,
        )  # fmt: skip
        if replay is None:
            log.warning("replay computes something else than the network; it is evaluated as a whole, slowly")
            return PlainEngine(self.network, self.groups, lambda: scores(self._forward, 1)[0], self.observed)
        return replay

    def _forward(self, array: np.ndarray) -> list[list[np.ndarray]]:
        """The network as it is, as one variant."""
        with evaluating(self.network), paddle.no_grad():
            outputs = outputs_of(self.example.call(self.network, [paddle.to_tensor(array)]))
        return [[value.numpy() for value in outputs]]

    def plan(
        self, strategy: Strategy, criterion: str | None = None, align: int = 1,
        sensitivities: Sensitivities | None = None,
    ) -> Plan:  # fmt: skip
        """Which channels stay. `strategy`: of paddleprune.strategies; `criterion`: which of a group's channels go first;
        `align`: channels left are rounded up to a multiple. Sensitivities: of the last analysis, if not given. `LeastLoss`
        goes by the pictures where there was none."""
        if not self.groups:
            raise UserError(
                "no channel of the network can be removed; print(pruner) says why, layer by layer"
            )
        table = sensitivities or self.table
        curves = {} if table is None else {n: c for n, c in table.curves.items() if n in self.groups}
        if not curves and self.observed is not None and isinstance(strategy, LeastLoss):
            curves = self.observed.curves()
        seen = looked_at(self.groups, self.network)
        ratios = strategy.ratios(Setting(self.groups, list(self.groups), curves, align, **seen))
        return make_plan(self.groups, ratios, self._scores(criterion)[1], align)

    def narrow(self, plan: Plan) -> nn.Layer:
        """A copy of the network without what `plan` removes: compared with the masked network on the example, and tried in
        training mode. The network itself stays as it is. Raises UserError if the plan is of another."""
        small = copy.deepcopy(self.network)
        if self.pictures is None:
            narrow(small, plan, self.example, self.groups)
        else:
            narrow_compensated(small, plan, self.example, self.groups, self.pictures)
        return small

    def cost(self, plan: Plan | None = None) -> Any:
        """Parameters, multiply-accumulates and bytes, with a plan or without."""
        return self.groups.cost(plan.counts() if plan else None)


def _protected(groups: Groups, keep: Sequence[str]) -> dict[str, str]:
    """{group: reason} of those that make a layer which is to be kept. Raises UserError for a name of none."""
    for name in keep:
        if not any(known == name or known.startswith(f"{name}.") for known in groups.shapes):
            layers = {known.rpartition(".")[0] for known in groups.shapes}
            raise UserError(f"keep: '{name}' is no layer of the network; {suggest(name, layers)}")
    return {
        name: "it is to be kept"
        for name, group in groups.items()
        for slot in group.role("out")
        if any(slot.parameter == k or slot.parameter.startswith(f"{k}.") for k in keep)
    }


def _digest(batches: Sequence[np.ndarray]) -> str:
    digest = hashlib.sha256()
    for batch in batches:
        digest.update(np.ascontiguousarray(batch).tobytes())
    return digest.hexdigest()[:16] if len(batches) else "unknown"
