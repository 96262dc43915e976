"""Which ratios: from a sensitivities file, the DEFAULT scheme, or no file at all."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from paddle import nn

from .config import Config, PruneConfig
from .errors import UserError
from .files import shipped
from .lookup import suggest
from .models import card
from .progress import bar
from .pruning import criteria, interop
from .pruning.adaptive import adaptive_fixed
from .pruning.groups import Groups
from .pruning.observed import Observed
from .pruning.plan import Plan, keep_count, make_plan
from .pruning.ratios import under_budget
from .pruning.sensitivity import Provenance, Sensitivities
from .strategies import ForTarget, LeastLoss, Percentile, Setting, Slimming, UnderBudget, Uniform
from .strategies.setting import looked_at

log = logging.getLogger(__name__)

DEFAULT = "DEFAULT"
UNKNOWN = "unknown"  # of a pickle, which says nothing but names and losses
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
    curves, source, criterion = curves_of(prune, groups, model, observed)
    setting = Setting(groups, names, curves, prune.align)
    if prune.strategy == "least_loss":
        what, target = target_of(prune)
        least = LeastLoss(**{what: target})
        chosen = least.ratios(setting)
        title = f"{source}, {target:g} of the {what} at the least loss"
    elif prune.strategy == "for_target":
        what, target = target_of(prune)
        chosen, found = ForTarget(**{what: target}).with_budget(setting)
        title = f"{source}, {target:g} of the {what}, eval_metric_loss {found:.4f}"
    else:
        chosen = UnderBudget(prune.loss).ratios(setting)
        title = f"{source}, eval_metric_loss {prune.loss}"
    return Scheme(chosen, title, criterion, tuple(n for n, ratio in chosen.items() if ratio == 0))


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


def curves_of(
    prune: PruneConfig, groups: Groups, model: str, observed: Observed | None = None
) -> tuple[dict[str, dict[float, float]], str, str]:
    """The curves of the groups in scope, where they are from, and the criterion to prune by. Raises
    UserError without a file, where there is nothing else to go by."""
    names, only = in_scope(prune.scope, groups, model), f", only {prune.scope}" if prune.scope else ""
    if not prune.sensitivities:
        if prune.strategy != "least_loss" or observed is None:
            raise UserError(
                f"prune.strategy: '{prune.strategy}' needs sensitivities; add --sensitivities_file "
                "DEFAULT or a file of tools/sensitivity.py"
            )
        curves = {name: lost for name, lost in observed.curves().items() if name in names}
        return curves, f"residuals{only}", prune.criterion or own_criterion(prune)
    table = read_table(prune.sensitivities, groups, model)
    curves = {name: curve for name, curve in table.curves.items() if name in names}
    source = DEFAULT if prune.sensitivities == DEFAULT else Path(prune.sensitivities).name
    measured = table.provenance.criterion
    usual = own_criterion(prune) if measured == UNKNOWN or not table.provenance.compensated else measured
    if not compensates(prune):
        usual = "l1_norm" if measured in (UNKNOWN, criteria.RECONSTRUCTION) else measured
    if not prune.criterion and measured not in (UNKNOWN, usual):
        log.info("channels go by %s, the sensitivities were measured by %s", usual, measured)
    return curves, source + only, prune.criterion or usual


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


def read_table(file: str, groups: Groups, model: str) -> Sensitivities:
    """The table for `groups` from DEFAULT, a JSON file of ours, or a pickle of PaddleSlim or PaddleX.

    A pickle says nothing of model, data or metric: those fields are then UNKNOWN.
    """
    path = default_file(model) if file == DEFAULT else Path(file)
    if not path.is_file():
        raise UserError(
            f"--sensitivities_file: '{file}' does not exist; make it with tools/sensitivity.py or use DEFAULT"
        )
    if path.read_bytes()[:1] == b"{":
        table = Sensitivities.read(path)
        if table.provenance.model != model:
            raise UserError(
                f"--sensitivities_file: '{path}' is of {table.provenance.model}, the model is {model}; "
                "analyse this model"
            )
    else:
        unknown = Provenance(model, UNKNOWN, UNKNOWN, 0, "metric", True, UNKNOWN)
        table = Sensitivities(unknown, float("nan"), interop.read_pickle(path))
    table.curves, mapping = interop.match(table.curves, groups)
    for name, weight in mapping.items():
        if name != weight:
            log.info("sensitivities of %s are used for %s", name, weight)
    missing = [name for name in groups if name not in table.curves]
    if missing:
        log.warning("no sensitivities for %d groups, they stay whole: %s", len(missing), ", ".join(missing))
    return table


def default_file(model: str) -> Path:
    """The file of the DEFAULT scheme for a model, in the checkout or where setup.py put it."""
    folders = shipped("sensitivities")
    files = {Sensitivities.read(f).provenance.model: f for d in folders for f in sorted(d.glob("*.json"))}
    if model not in files:
        raise UserError(
            f"--sensitivities_file: there is no DEFAULT scheme for {model}; there is one for: "
            f"{', '.join(sorted(files)) or 'none'}; make a file with tools/sensitivity.py"
        )
    return files[model]


def target_of(prune: PruneConfig) -> tuple[str, float]:
    """("macs" | "params" | "latency", fraction to keep). Raises UserError unless there is one target."""
    every = {"macs": prune.target.macs, "params": prune.target.params, "latency": prune.target.latency}
    targets = [(what, value) for what, value in every.items() if value]
    if len(targets) != 1:
        raise UserError(
            "prune.target: set one of prune.target.macs, prune.target.params and prune.target.latency, "
            "e.g. --set prune.target.macs=0.5"
        )
    return targets[0]


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
