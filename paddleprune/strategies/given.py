"""Ratios that were chosen by hand."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import UserError
from ..lookup import suggest
from .setting import Setting


@dataclass(frozen=True)
class Given:
    """{group, or a layer's parameter in it: share of its channels that goes, in [0, 1)}; the other groups stay whole."""

    by_name: Mapping[str, float]

    def ratios(self, setting: Setting) -> dict[str, float]:
        members = {
            slot.parameter: name for name in setting.names for slot in setting.groups[name].role("out")
        }
        found: dict[str, float] = {}
        for name, ratio in self.by_name.items():
            group = name if name in setting.names else members.get(name)
            if group is None:
                raise UserError(f"Given: '{name}' is no group; {suggest(name, list(setting.names))}")
            if isinstance(ratio, bool) or not isinstance(ratio, (int, float)) or not 0 <= ratio < 1:
                raise UserError(f"Given: {name}: {ratio!r} must be in [0, 1)")
            if found.setdefault(group, float(ratio)) != ratio:
                raise UserError(
                    f"Given: {name}: its group '{group}' has the ratio {found[group]} already; give it one"
                )
        return found
