"""How much of each group goes. A strategy is a frozen dataclass; its `ratios(setting)` says {group: ratio}."""

from .for_target import ForTarget
from .given import Given
from .least_loss import LeastLoss
from .percentile import Percentile
from .setting import Setting, Strategy
from .slimming import Slimming
from .under_budget import UnderBudget
from .uniform import Uniform

__all__ = [
    "ForTarget",
    "Given",
    "LeastLoss",
    "Percentile",
    "Setting",
    "Slimming",
    "Strategy",
    "UnderBudget",
    "Uniform",
]
