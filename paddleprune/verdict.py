"""What came of a pruning, in a line."""

from typing import Any

from .pruning.sensitivity import sensitivity

LITTLE = 0.02  # of the metric: so much lost is little
LATE = 0.8  # of a training: where the best epoch is behind it, the metric still rises


def verdict(metrics: dict[str, Any], higher_is_better: bool) -> str:
    """From what `metrics.json` says of a pruned run: the metric before and after, what was saved, and what would help.

    Without a training only the network before retraining is known."""
    dense, before = metrics["pruning"]["dense"], metrics["pruning"]["before_retrain"]
    name, value, was = metrics["metric"], metrics["value"], dense["value"]
    lost = sensitivity(was, value, higher_is_better) if was else 0.0
    change = f"{100 * lost:.1f} % lost" if lost > 0 else "nothing lost"
    saved = ", ".join(f"{dense[what] / metrics[what]:.2f}x fewer {what}" for what in ("params", "macs"))
    trained = f", {before:.4f} before retraining" if metrics["epochs"] else ", not retrained"
    return f"{name} {was:.4f} -> {value:.4f} ({change}{trained}); {saved}; {_advice(metrics, lost)}"


def _advice(metrics: dict[str, Any], lost: float) -> str:
    if lost <= 0:
        return "more can go"
    if not metrics["epochs"]:
        return "some epochs of retraining would help"
    if metrics["epoch"] == 0:
        return "training gained nothing: a smaller learning rate would help"
    if metrics["epoch"] > LATE * metrics["epochs"]:
        return "the last epochs were the best: more of them would help"
    return "little is lost" if lost < LITTLE else "prune less, or in several rounds"
