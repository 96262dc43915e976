"""Points of a table evaluated a second time, the plain way."""

from collections.abc import Mapping

import numpy as np

from ..errors import UserError
from ..progress import bar
from ..pruning.groups import Groups
from ..pruning.measure import Engine
from ..pruning.plan import make_plan
from ..pruning.sensitivity import Sensitivities, sensitivity


def verify(
    table: Sensitivities,
    plain: Engine,
    groups: Groups,
    scores: Mapping[str, np.ndarray],
    count: int,
    seed: int = 0,
) -> float:
    """Evaluate `count` random points of a table the plain way; the largest |difference| found.

    Raises UserError, naming the point, where one is larger than one image's worth of a count
    metric, or 1e-4 of a real-valued one, whichever is larger.
    """
    points = [(name, ratio) for name, curve in table.curves.items() for ratio in sorted(curve)]
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(points), min(count, len(points)), replace=False)
    p = table.provenance
    tolerance = max(1e-4, 1.001 / (p.images * abs(table.baseline)))
    worst = 0.0
    for i in bar(sorted(chosen), "verify", len(chosen), "point"):
        name, ratio = points[i]
        plan = make_plan(groups, {name: ratio}, {name: scores[name]})
        (metric,) = plain.points(name, [plan])
        difference = abs(sensitivity(table.baseline, metric, p.higher_is_better) - table.curves[name][ratio])
        worst = max(worst, difference)
        if difference > tolerance:
            raise UserError(
                f"--verify: {name} at ratio {ratio} is {table.curves[name][ratio]:.6f} in the table, and "
                f"{difference:.6f} away from it when evaluated the plain way (tolerance {tolerance:.6f}); "
                "use --engine plain"
            )
    return worst
