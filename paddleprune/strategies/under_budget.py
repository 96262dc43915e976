"""As much as each group stands alone: PaddleX's `eval_metric_loss`."""

from dataclasses import dataclass

from ..errors import UserError
from ..pruning import ratios
from .setting import Curves, Setting


@dataclass(frozen=True)
class UnderBudget:
    """Of each group the largest ratio whose sensitivity is at most `loss`, in [0, 1), interpolated between the points
    that were measured (PaddleSlim's `get_ratios_by_loss`). Needs sensitivities."""

    loss: float = 0.05

    def ratios(self, setting: Setting) -> dict[str, float]:
        return ratios.under_budget(measured(setting, self), self.loss)


def measured(setting: Setting, strategy: object) -> Curves:
    """The setting's curves. Raises UserError where there are none."""
    if not setting.curves:
        raise UserError(
            f"{type(strategy).__name__}: needs sensitivities, and there are none; analyse first "
            "(Pruner.sensitivities, or tools/sensitivity.py), or use Uniform"
        )
    return {name: curve for name, curve in setting.curves.items() if name in setting.names}
