"""What is asked of a network that is pruned to a size."""

from collections.abc import Iterable

from .config import PruneConfig
from .errors import UserError
from .pruning.groups import Groups
from .pruning.plan import keep_count

KINDS = ("macs", "params", "megabytes", "latency")
MOST = 0.9  # of a group: the largest ratio that is looked at


def target_of(prune: PruneConfig) -> tuple[str, float]:
    """(one of KINDS, its value): a fraction to keep, or megabytes. Raises UserError unless there is one target."""
    targets = [(what, getattr(prune.target, what)) for what in KINDS if getattr(prune.target, what)]
    if len(targets) != 1:
        raise UserError(
            f"prune.target: set one of {', '.join(f'prune.target.{what}' for what in KINDS)}, "
            "e.g. --set prune.target.macs=0.5"
        )
    return targets[0]


def of_dense(prune: PruneConfig, groups: Groups, names: Iterable[str]) -> tuple[str, float, str]:
    """What a strategy that prunes the groups `names` takes ("macs", "params" or "size_bytes"), the fraction of the dense
    network to keep, and both in words.
    Raises UserError for megabytes that it cannot have."""
    what, value = target_of(prune)
    if what != "megabytes":
        return what, value, f"{value:g} of the {what}"
    check_megabytes(value, groups, names, prune.align, "prune.target.megabytes")
    return "size_bytes", 1e6 * value / groups.cost().size_bytes, f"{value:g} MB"


def check_megabytes(asked: float, groups: Groups, names: Iterable[str], align: int, key: str) -> None:
    """Raises UserError, naming `key`, where the network has no more than what is asked for, or cannot get so small."""
    fewest = {name: keep_count(groups[name].size, MOST, groups[name].units_of(align)) for name in names}
    whole, least = (groups.cost(kept).size_bytes / 1e6 for kept in ({}, fewest))
    if not least <= asked < whole:
        raise UserError(
            f"{key}: {asked:g} is out of range; the network has {whole:.3g} MB, and {least:.3g} where {MOST:.0%} of each group go"
        )
