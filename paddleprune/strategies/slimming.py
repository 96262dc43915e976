"""By the scales of batch norms that were trained to be sparse: one threshold for all, or one a part."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..channels.groups import Group
from ..errors import UserError
from .setting import Setting


@dataclass(frozen=True)
class Slimming:
    """Of all scales of batch norms together `ratio`, the smallest ones, go (network slimming, arXiv 1708.06519). With
    `parts`, each the beginnings of layers' names, each part has a threshold of its own (arXiv 2210.07760).

    Where several batch norms share channels, the one that keeps most says how many stay. Of each group at
    least one channel stays.
    """

    ratio: float = 0.5
    parts: Sequence[tuple[str, ...]] = ()

    def ratios(self, setting: Setting) -> dict[str, float]:
        scales = {name: self._scales(setting, setting.groups[name]) for name in setting.names}
        if not any(scales.values()):
            raise UserError("prune.strategy: 'slimming' needs batch norms with scales; the network has none")
        thresholds = [self._threshold(scales, part) for part in self.parts or ((),)]
        return {name: self._ratio(setting.groups[name], of, thresholds) for name, of in scales.items() if of}

    def _scales(self, setting: Setting, group: Group) -> dict[str, np.ndarray]:
        """{batch norm's scale: |scale| of each unit [size]}; of a unit with several the largest."""
        found = {}
        for slot in group.role("scale"):
            if slot.parameter in setting.scales:
                found[slot.parameter] = np.abs(setting.scales[slot.parameter])[slot.index].max(1)
        return found

    def _threshold(
        self, scales: dict[str, dict[str, np.ndarray]], part: tuple[str, ...]
    ) -> tuple[tuple, float]:
        every = [v for of in scales.values() for name, v in of.items() if not part or name.startswith(part)]
        if not every:
            raise UserError(
                f"prune.apart: no batch norm in '{part[0].rstrip('.')}'; name parts that have some"
            )
        values = np.sort(np.concatenate(every))
        return part, float(values[min(int(len(values) * self.ratio), len(values) - 1)])

    def _ratio(
        self, group: Group, scales: dict[str, np.ndarray], thresholds: Sequence[tuple[tuple, float]]
    ) -> float:
        kept = 1
        for name, values in scales.items():
            for part, threshold in thresholds:
                if not part or name.startswith(part):
                    kept = max(kept, int((values > threshold).sum()))
        return 1 - kept / group.size
