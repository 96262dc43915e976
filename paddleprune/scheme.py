"""Which ratios: from a sensitivities file, the DEFAULT scheme, or no file at all."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from paddle import nn

from .config import Config, PruneConfig
from .errors import UserError
from .lookup import suggest
from .models import card
from .progress import bar
from .pruning import criteria
from .pruning.adaptive import adaptive_fixed
from .pruning.confidence import undecided
from .pruning.groups import Groups
from .pruning.observed import Observed
from .pruning.plan import Plan, keep_count, make_plan
from .pruning.ratios import under_budget
from .pruning.tables import DEFAULT, UNKNOWN, read_table
from .strategies import ForTarget, LeastLoss, Percentile, Setting, Slimming, UnderBudget, Uniform
from .strategies.setting import Intervals, looked_at
from .target import of_dense

log = logging.getLogger(__name__)

# Strategies that need no sensitivities.
NO_FILE = ("uniform", "slimming", "percentile", "adaptive_fixed", "magnitude")
OF_OTHERS = ("adaptive_fixed", "magnitude")  # strategies that end with what they remove
TAKEN_BY = (  # settings that some strategies have no use for
    (("target",), ("for_target", "least_loss")),
    (("loss",), ("under_budget",)),
    (("ratio",), ("uniform", "slimming", "percentile", "adaptive_fixed", "magnitude")),
    (("apart",), ("slimming",)),
    (("threshold", "keep_backbone", "residuals"), ("adaptive_fixed",)),
    (
        ("criterion", "align", "compensate"),
        ("under_budget", "uniform", "for_target", "least_loss", "slimming", "percentile"),
    ),
)
DEFAULT_LOSS = PruneConfig().loss  # of --eval_metric_loss, as in PaddleX


@dataclass(frozen=True)
class Scheme:
    """The ratios, how they came about, and the groups that the budget left whole."""

    ratios: Mapping[str, float]
    title: str
    criterion: str
    whole: tuple[str, ...] = ()
    align: int | None = None  # instead of prune.align
    sure: str = ""  # how far the pictures that were measured on leave the choice open


def choose(
    prune: PruneConfig, groups: Groups, model: str, network: nn.Layer | None = None,
    observed: Observed | None = None,
) -> Scheme:  # fmt: skip
    """Ratios by `prune.strategy`; `network` is what adaptive_fixed looks at, `observed` what least_loss does without
    sensitivities. Raises UserError for what does not go together."""
    names = in_scope(prune.scope, groups, model)
    only = f", only {prune.scope}" if prune.scope else ""
    if prune.strategy == "uniform":
        chosen = Uniform(prune.ratio).ratios(Setting(groups, names))
        return Scheme(chosen, f"uniform {prune.ratio}{only}", prune.criterion or own_criterion(prune))
    if prune.strategy in ("slimming", "percentile"):
        assert network is not None
        return _by_thresholds(prune, Setting(groups, names, **looked_at(groups, network)), model, only)
    if prune.strategy == "adaptive_fixed":
        assert network is not None
        chosen = adaptive_fixed(
            groups, network, _adaptive_parts(prune, model), prune.threshold, prune.ratio, prune.keep_backbone
        )
        body = "backbone kept" if prune.keep_backbone else f"threshold {prune.threshold}"
        return Scheme(chosen, f"adaptive_fixed, {body}, ratio {prune.ratio}", "l1_norm", align=1)
    known = curves_of(prune, groups, model, observed)
    curves, source, sure = known.curves, known.source, ""
    setting = Setting(groups, names, curves, prune.align, intervals=known.intervals)
    if prune.strategy == "least_loss":
        what, part, asked = of_dense(prune, groups, names)
        chosen = LeastLoss(**{what: part}).ratios(setting)
        title = f"{source}, {asked} at the least loss"
    elif prune.strategy == "for_target":
        what, part, asked = of_dense(prune, groups, names)
        chosen, found = ForTarget(**{what: part}).with_budget(setting)
        title = f"{source}, {asked}, eval_metric_loss {found:.4f}"
    else:
        chosen = UnderBudget(prune.loss).ratios(setting)
        title, sure = f"{source}, eval_metric_loss {prune.loss}", _undecided(known, prune.loss)
    sure = "; ".join(filter(None, (predicted(known, setting, chosen), sure)))
    whole = tuple(name for name, ratio in chosen.items() if ratio == 0)
    return Scheme(chosen, title, known.criterion, whole, sure=sure)


def _undecided(known: "Known", budget: float) -> str:
    if not known.intervals:
        return ""
    open_ones = undecided(known.intervals, budget)
    return f"{len(open_ones)} of {len(known.intervals)} ratios could be others on {known.others}"


def predicted(known: "Known", setting: Setting, chosen: Mapping[str, float]) -> str:
    """What all groups together are expected to lose, of measured curves: residuals are no losses of the metric, and errors
    can grow by more than themselves."""
    if not known.losses:
        return ""
    least = LeastLoss()
    text = f"predicted loss of all groups together, before retraining: {least.predicted(setting, chosen):.3f}"
    if not known.intervals:
        return text
    low, high = least.predicted_between(setting, chosen)
    return f"{text} ({low:.3f} to {high:.3f} on {known.others})"


def _by_thresholds(prune: PruneConfig, setting: Setting, model: str, only: str) -> Scheme:
    """What falls below a threshold of all scales, or of all filters, together."""
    title = f"{prune.strategy} {prune.ratio}{only}"
    if prune.strategy == "percentile":
        return Scheme(Percentile(prune.ratio).ratios(setting), title, prune.criterion or "l2_norm")
    parts = [part_of(model, part) for part in prune.apart]
    title += f", {' and '.join(prune.apart)} apart" if parts else ""
    return Scheme(Slimming(prune.ratio, parts).ratios(setting), title, prune.criterion or "bn_scale")


def compensates(prune: PruneConfig) -> bool:
    """Do readers make up for what goes? Not for weights that are thrown away, nor in the schemes of others."""
    return prune.compensate > 0 and prune.weights == "inherit" and prune.strategy not in OF_OTHERS


def own_criterion(prune: PruneConfig) -> str:
    """The criterion where nobody named one."""
    return criteria.RECONSTRUCTION if compensates(prune) else "l1_norm"


class Known(NamedTuple):
    """Curves of the groups in scope, where they are from, the criterion to prune by, the intervals of those curves that have one
    at each point and what pictures they are about, and whether they are losses of a metric that can lose all."""

    curves: dict[str, dict[float, float]]
    source: str
    criterion: str
    intervals: Intervals
    others: str
    losses: bool


def curves_of(prune: PruneConfig, groups: Groups, model: str, observed: Observed | None = None) -> Known:
    """What there is to go by. Raises UserError where that is nothing."""
    names, only = in_scope(prune.scope, groups, model), f", only {prune.scope}" if prune.scope else ""
    if not prune.sensitivities:
        if prune.strategy != "least_loss" or observed is None:
            raise UserError(
                f"prune.strategy: '{prune.strategy}' needs sensitivities; add --sensitivities_file "
                "DEFAULT or a file of tools/sensitivity.py"
            )
        curves = {name: lost for name, lost in observed.curves().items() if name in names}
        return Known(curves, f"residuals{only}", prune.criterion or own_criterion(prune), {}, "", False)
    table = read_table(prune.sensitivities, groups, model)
    curves = {name: curve for name, curve in table.curves.items() if name in names}
    source = DEFAULT if prune.sensitivities == DEFAULT else Path(prune.sensitivities).name
    measured = table.provenance.criterion
    usual = own_criterion(prune) if measured == UNKNOWN or not table.provenance.compensated else measured
    if not compensates(prune):
        usual = "l1_norm" if measured in (UNKNOWN, criteria.RECONSTRUCTION) else measured
    if not prune.criterion and measured not in (UNKNOWN, usual):
        log.info("channels go by %s, the sensitivities were measured by %s", usual, measured)
    if table.provenance.compensated and prune.weights == "inherit" and not compensates(prune):
        log.warning("prune.compensate: the sensitivities are of channels that are made up for, which these are not; expect to "
                    "lose more than they say, or measure anew with --compensate 0")  # fmt: skip
    intervals = {
        name: table.intervals[name]
        for name, curve in curves.items()
        if set(table.intervals.get(name, {})) == set(curve)
    }
    others = "all pictures" if "subset" in table.note else "other pictures of this kind"
    losses = table.provenance.higher_is_better
    return Known(curves, source + only, prune.criterion or usual, intervals, others, losses)


def at_the_door(config: Config, file: str | None, budget: float | None) -> Config:
    """The config with --sensitivities_file and --eval_metric_loss in their places. Raises UserError where they do not go
    with its strategy."""
    prune = config.prune
    if budget is not None and file is None and not prune.sensitivities:
        raise UserError("--eval_metric_loss: needs --sensitivities_file FILE or DEFAULT; add it")
    if budget is not None and prune.strategy != "under_budget":
        raise UserError(f"--eval_metric_loss: prune.strategy '{prune.strategy}' takes none; leave it out")
    if budget is not None:
        under_budget({}, budget)  # refuses what is none
        prune = replace(prune, loss=budget)
    return replace(
        config, prune=replace(prune, sensitivities=prune.sensitivities if file is None else str(file))
    )


def prunes_first(prune: PruneConfig) -> bool:
    """Whether a training prunes before it begins: there is a file, or the strategy needs none. Raises UserError
    for a file or settings that the strategy does not take, or that would have no effect."""
    usual = PruneConfig()
    if not prune.sensitivities and prune.strategy == usual.strategy:
        if prune != usual:
            raise UserError(
                "prune: its settings have no effect without --sensitivities_file FILE or DEFAULT, or a "
                "prune.strategy that needs none; add one, or leave the settings out"
            )
        return False
    for keys, strategies in TAKEN_BY:
        for key in keys:
            if getattr(prune, key) != getattr(usual, key) and prune.strategy not in strategies:
                raise UserError(
                    f"prune.{key}: is for prune.strategy={' or '.join(strategies)}, which is '{prune.strategy}'; "
                    "set the strategy, or leave it out"
                )
    if prune.target != usual.target and prune.target.latency == 0 and (
        prune.target.runtime != usual.target.runtime or prune.target.threads != usual.target.threads
    ):  # fmt: skip
        raise UserError("prune.target: runtime and threads are for prune.target.latency; leave them out")
    if prune.sensitivities and prune.strategy in NO_FILE:
        raise UserError(f"--sensitivities_file: prune.strategy '{prune.strategy}' takes none; leave it out")
    if prune.criterion:
        criteria.refuse_unknown(prune.criterion)
    if prune.criterion == criteria.RECONSTRUCTION and not compensates(prune):
        raise UserError(
            "prune.criterion: 'reconstruction' needs pictures; leave prune.compensate above 0 and prune.weights=inherit"
        )
    return True


def in_scope(scope: str, groups: Groups, model: str) -> list[str]:
    """Names of the groups all of whose filters are in a part of the model; all groups if `scope` is
    empty. Raises UserError for a part that the model does not have."""
    if not scope:
        return list(groups)
    beginnings = part_of(model, scope)
    return [
        name
        for name, group in groups.items()
        if all(s.parameter.startswith(beginnings) for s in group.role("out"))
    ]


def part_of(model: str, scope: str) -> tuple[str, ...]:
    """What the names of the layers in that part of the model begin with. Raises UserError for another."""
    known = card(model).parts
    if scope not in known:
        valid = suggest(scope, known) if known else f"{model} names no parts; leave it out"
        raise UserError(f"prune.scope: '{scope}' is not known; {valid}")
    return known[scope]


def _adaptive_parts(prune: PruneConfig, model: str) -> dict[str, tuple[str, ...]]:
    found = card(model).parts
    if prune.scope:
        raise UserError("prune.scope: adaptive_fixed has its own, prune.keep_backbone; leave it out")
    if "adaptive" not in found:
        raise UserError(
            f"prune.strategy: 'adaptive_fixed' is not for {model}, which names no adaptive and fixed parts; "
            "use under_budget, uniform or for_target"
        )
    return found


def plan_of(
    scheme: Scheme, align: int, groups: Groups, network: nn.Layer, observed: criteria.Observed | None = None
) -> Plan:
    """The channels that go, by the scheme's criterion."""
    every = criteria.scores(scheme.criterion, groups, network, observed)
    losing = [name for name, ratio in scheme.ratios.items() if ratio > 0]
    scores = {name: every[name] for name in bar(losing, "rank channels", len(losing), "group")}
    return make_plan(groups, scheme.ratios, scores, scheme.align or align)


def refuse_empty(scheme: Scheme, align: int, groups: Groups) -> None:
    """Raises UserError if nothing would be pruned."""
    counts = {name: groups[name].units_of(scheme.align or align) for name in scheme.ratios}
    if all(keep_count(groups[n].size, r, counts[n]) == groups[n].size for n, r in scheme.ratios.items()):
        raise UserError(
            f"nothing would be pruned ({scheme.title}, align {align}); ask for more (--eval_metric_loss, "
            "prune.ratio or a smaller prune.target), or lower prune.align"
        )
