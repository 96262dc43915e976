"""Which operators of a network can Paddle Lite take? To be asked before a long training."""

import subprocess
import sys
from collections import Counter
from dataclasses import dataclass

from paddle import nn
from paddle.base.proto import framework_pb2

from ..errors import UserError
from . import lite
from .inference import export_inference

_KERNELS = "from paddlelite.lite import Opt; Opt().print_all_ops()"
# Lite falls back to kernels of the host for all targets.
COLUMNS = {"arm": ("kARM", "kHost"), "x86": ("kX86", "kHost")}
FUSED = ("batch_norm", "dropout")  # have no kernel on some target and need none: Lite merges them away


@dataclass(frozen=True)
class Check:
    """`operators`: {type: (count, {target: has Lite a kernel?})}. `converted`: {target: "" or why not}."""

    operators: dict[str, tuple[int, dict[str, bool]]]
    converted: dict[str, str]

    @property
    def good(self) -> bool:
        return not any(self.converted.values())

    def table(self) -> str:
        """For reading: a line an operator, then a line a target."""
        width = max(map(len, self.operators))
        lines = [f"{'operator':<{width}}  count  " + "  ".join(f"{t:>4}" for t in lite.TARGETS)]
        for kind, (count, has) in sorted(self.operators.items()):
            marks = "  ".join(f"{'yes' if has[t] else 'NO':>4}" for t in lite.TARGETS)
            lines.append(f"{kind:<{width}}  {count:>5}  {marks}")
        for target, why in self.converted.items():
            lines.append(f"{target}: {why or 'converts'}")
        return "\n".join(lines)


def check(network: nn.Layer, image_shape: tuple[int, ...]) -> Check:
    """Look up the deployed network's operators in Lite's table of kernels, then convert it, weights as they
    are, for each target."""
    lite.require()
    exported = export_inference(network, image_shape)
    program = framework_pb2.ProgramDesc.FromString(exported.model)
    counts = Counter(op.type for op in program.blocks[0].ops if op.type not in ("feed", "fetch"))
    kernels = _kernels()
    operators = {}
    for kind, count in counts.items():
        has = {t: kind in FUSED or bool(kernels.get(kind, set()) & set(COLUMNS[t])) for t in lite.TARGETS}
        operators[kind] = (count, has)
    converted = {}
    for target in lite.TARGETS:
        try:
            lite.convert(exported, target)
            converted[target] = ""
        except UserError as error:
            converted[target] = str(error)
    return Check(operators, converted)


def _kernels() -> dict[str, set[str]]:
    """{operator: places that Lite has a kernel for}, read off the table that its optimizer prints: a mark
    stands under the name of the place."""
    done = subprocess.run([sys.executable, "-c", _KERNELS], capture_output=True, text=True)
    lines = (done.stdout + done.stderr).splitlines()
    head = next((i for i, line in enumerate(lines) if "OP_name" in line), None)
    if head is None:
        raise UserError(f"Paddle Lite does not tell its operators; {lite.INSTALL}")
    names = lines[head].split()[1:]
    spans = {name: (lines[head].index(f"  {name}"), lines[head].index(name) + len(name)) for name in names}
    found = {}
    for line in lines[head + 1 :]:
        if line.strip():
            marks = {name for name, (start, end) in spans.items() if "Y" in line[start:end]}
            found[line.split()[0]] = marks
    return found
