"""A part of a graph, opened in Paddle Inference."""

from collections.abc import Sequence
from typing import Any

from ..errors import UserError
from ..files import scratch_folder
from ..predictor import make_predictor, open_predictor
from .ir import Graph, Mask, Mix, Variable
from .legacy import Legacy
from .legacy_parts import legacy_part
from .pir_parts import pir_part


def open_part(
    graph: Graph, feeds: Sequence[Variable], fetches: Sequence[Variable], masks: Sequence[Mask | Mix], threads: int,
    onednn: bool,
) -> Any:  # fmt: skip
    """A predictor of `fetches` from `feeds`, whose names `name_of` says, masks and mixes."""
    if isinstance(graph.source, Legacy):
        return make_predictor(*legacy_part(graph, feeds, fetches, masks), threads, onednn)
    with scratch_folder() as folder:
        try:
            pir_part(graph, feeds, fetches, folder / "part", masks)
            return open_predictor(folder / "part", threads, onednn)
        except Exception as error:  # Paddle's, of several kinds
            reason = (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
            raise UserError(
                f"a part of the network cannot be written to '{folder.parent}' and opened from there ({reason:.200}); make "
                "room there, or use --engine plain"
            ) from error


# Where a batch norm's scale and shift are among its operands, in either kind of program.
SCALE_AND_SHIFT = {"batch_norm_": (3, 4), "batch_norm": (3, 0)}


def kills_onednn(graph: Graph) -> bool:
    """A batch norm without scale or shift ends the process in oneDNN's kernel."""
    return any(not op.input(i) for op in graph.operators for i in SCALE_AND_SHIFT.get(op.kind, ()))


def name_of(graph: Graph, variable: Variable) -> str:
    """What a variable is called where it is fed."""
    if isinstance(graph.source, Legacy):
        return graph.source.names[variable]
    return f"input_{graph.inputs.index(variable)}" if variable in graph.inputs else f"v{variable}"
