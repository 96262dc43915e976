"""A plan for reading: a line a group, then the totals before and after."""

import numpy as np

from .pruning.groups import Groups
from .pruning.plan import Plan
from .scheme import Scheme


def table(groups: Groups, plan: Plan, scheme: Scheme) -> str:
    """The text; groups that the budget left whole are marked."""
    counts = plan.counts()
    dense, narrow = groups.cost(), groups.cost(counts)
    shapes = groups.narrow_shapes(counts)
    width = max(len(name) for name in groups)
    lines = [
        f"plan: {scheme.title}, {scheme.criterion}",
        f"{'group':<{width}}  {'kept':>12}  {'ratio':>5}  {'macs':>15}",
    ]
    for name, group in groups.items():
        kept = counts.get(name, group.size)
        made = {s.parameter for s in group.slots if s.parameter in groups.positions and s.role != "in"}
        before = sum(int(np.prod(groups.shapes[w])) * groups.positions[w] for w in made)
        after = sum(int(np.prod(shapes[w])) * groups.positions[w] for w in made)
        lines.append(
            f"{name:<{width}}  {kept:>5} of {group.size:>4}  {1 - kept / group.size:>5.2f}  "
            f"{_short(before):>6} -> {_short(after):>6}" + ("  whole" if name in scheme.whole else "")
        )
    for what in ("params", "macs", "size_bytes"):
        before, after = getattr(dense, what), getattr(narrow, what)
        lines.append(f"{what}: {_short(before)} -> {_short(after)} ({before / after:.2f}x smaller)")
    if scheme.sure:
        lines.append(scheme.sure)
    return "\n".join(lines)


def _short(value: float) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.2f}{unit}"
    return f"{value:.0f}"
