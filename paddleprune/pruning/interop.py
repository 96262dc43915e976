"""Sensitivities that PaddleSlim or PaddleX wrote: pickles with other names for the same layers."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import pickles
from ..errors import UserError
from .groups import Groups
from .sensitivity import checked_curves

Curves = dict[str, dict[float, float]]


def read_pickle(path: str | Path) -> Curves:
    """{PaddleSlim parameter name: {ratio: loss}} from a sensitivities pickle, running nothing.

    Reads the plain dict of PaddleX 1.x and PaddleSlim's static graph, and the `Status` object of
    PaddleSlim's dynamic graph. Raises UserError for anything else.
    """
    raw: Any = pickles.load(path, "sensitivities file")
    if isinstance(raw, pickles.SlimStatus):
        raw = getattr(raw, "sensitivies", None)
    try:
        curves = checked_curves(raw)
    except (AttributeError, TypeError, ValueError) as error:
        raise UserError(
            f"sensitivities file '{path}' holds no table of {{parameter: {{ratio: loss}}}}; pass a "
            "file of tools/sensitivity.py, PaddleSlim or PaddleX"
        ) from error
    if not any(curves.values()):
        raise UserError(f"sensitivities file '{path}' is empty; analyse again")
    return curves


def match(curves: Mapping[str, Mapping[float, float]], groups: Groups) -> tuple[Curves, dict[str, str]]:
    """Curves by group name, and the mapping {name in the file: weight here} that was used.

    Names that are ours match themselves. Otherwise convolutions are matched by the order in which
    the network holds them: `conv2d_7.w_0` is the 8th (counted from the file's lowest number if
    the model was not the first of its process), and other names count from the first one, if the
    file names exactly as many as this network has prunable convolutions or groups. Where several
    names fall into one group the most cautious (largest) loss is taken at each ratio.
    Raises UserError where that gives no match.
    """
    own = {name: dict(curve) for name, curve in curves.items() if name in groups}
    if own:
        return own, {name: name for name in own}
    mapping = _names(list(curves), groups)
    matched: Curves = {}
    for name, weight in mapping.items():
        for group in groups.of_weight(weight):
            into = matched.setdefault(group.name, {})
            for ratio, loss in curves[name].items():
                into[ratio] = max(loss, into.get(ratio, loss))
    return matched, mapping


def _names(names: list[str], groups: Groups) -> dict[str, str]:
    own = {name: name for name in names if name in groups.shapes}
    if own:
        return own
    convolutions = [w for w in groups.layers if len(groups.shapes[w]) == 4]
    numbers = {n: int(m[1]) for n in names if (m := re.fullmatch(r"conv2d_(\d+)\.w_0", n))}
    if len(numbers) == len(names):
        shift = 0 if max(numbers.values()) < len(convolutions) else min(numbers.values())
        if max(numbers.values()) - shift < len(convolutions):
            return {n: convolutions[i - shift] for n, i in sorted(numbers.items(), key=lambda x: x[1])}
    made = [w for w in convolutions if any(
        s.parameter == w and s.role == "out" for g in groups.values() for s in g.slots)]  # fmt: skip
    firsts = [name.split("#")[0] for name in groups if len(groups.shapes[name.split("#")[0]]) == 4]
    for candidates in (made, firsts, convolutions):
        if len(candidates) == len(names):
            return dict(zip(names, candidates, strict=True))
    raise UserError(
        f"the sensitivities name {len(names)} parameters ({names[0]}, ...) that cannot be matched: "
        f"this network has {len(made)} prunable convolutions in {len(firsts)} groups; "
        "was the file made for another model?"
    )
