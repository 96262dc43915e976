"""What is asked of a network that is pruned to a size."""

from .config import PruneConfig
from .errors import UserError
from .pruning.groups import Groups

KINDS = ("macs", "params", "megabytes", "latency")


def target_of(prune: PruneConfig) -> tuple[str, float]:
    """(one of KINDS, its value): a fraction to keep, or megabytes. Raises UserError unless there is one target."""
    targets = [(what, getattr(prune.target, what)) for what in KINDS if getattr(prune.target, what)]
    if len(targets) != 1:
        raise UserError(
            f"prune.target: set one of {', '.join(f'prune.target.{what}' for what in KINDS)}, "
            "e.g. --set prune.target.macs=0.5"
        )
    return targets[0]


def of_dense(prune: PruneConfig, groups: Groups) -> tuple[str, float, str]:
    """What a strategy takes ("macs", "params" or "size_bytes"), the fraction of the dense network to keep, and both in words.
    Raises UserError for megabytes that it has not."""
    what, value = target_of(prune)
    if what != "megabytes":
        return what, value, f"{value:g} of the {what}"
    whole = groups.cost().size_bytes
    check_megabytes(value, whole, "prune.target.megabytes")
    return "size_bytes", 1e6 * value / whole, f"{value:g} MB"


def check_megabytes(asked: float, whole: int, key: str) -> None:
    """Raises UserError, naming `key`, where a network of `whole` bytes has no more than what is asked for."""
    if 1e6 * asked >= whole:
        raise UserError(
            f"{key}: {asked:g} is no less than the {whole / 1e6:.3g} MB that the network has; ask for less"
        )
