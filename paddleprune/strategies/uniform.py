"""The same ratio everywhere."""

from dataclasses import dataclass

from ..pruning import ratios
from .setting import Setting


@dataclass(frozen=True)
class Uniform:
    """`ratio` of the channels of each group go, in [0, 1)."""

    ratio: float = 0.5

    def ratios(self, setting: Setting) -> dict[str, float]:
        return ratios.uniform(setting.names, self.ratio)
