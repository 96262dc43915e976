"""As little harm as possible for a given size."""

from dataclasses import dataclass

from ..errors import UserError
from ..pruning import ratios
from .setting import Setting
from .under_budget import measured


@dataclass(frozen=True)
class ForTarget:
    """The ratios of the smallest budget that leaves at most this fraction of the dense network's `macs`, `params` or
    `size_bytes`, one of the three, in (0, 1]. Needs sensitivities."""

    macs: float = 0.0
    params: float = 0.0
    size_bytes: float = 0.0

    @property
    def asked(self) -> tuple[str, float]:
        """("macs" | "params" | "size_bytes", fraction to keep). Raises UserError unless there is one target."""
        every = [
            (what, getattr(self, what)) for what in ("macs", "params", "size_bytes") if getattr(self, what)
        ]
        if len(every) != 1:
            raise UserError(
                "ForTarget: give one of macs, params and size_bytes, a fraction to keep, as ForTarget(macs=0.5)"
            )
        return every[0]

    def ratios(self, setting: Setting) -> dict[str, float]:
        return self.with_budget(setting)[0]

    def with_budget(self, setting: Setting) -> tuple[dict[str, float], float]:
        """The ratios, and the budget at which they were found."""
        what, target = self.asked
        return ratios.for_target(measured(setting, self), lambda chosen: setting.left(chosen, what), target)
