"""The formats that a network can be exported to, by name: one file each in this folder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from paddle import nn

from ..engine.evaluate import Forward
from ..errors import UserError
from ..lookup import suggest
from . import inference, lite, mnn, ncnn, onnx, openvino
from ._runtime import Exported, Runtime
from .inference import export_inference
from .integers import ALGORITHMS
from .quantised import with_convolutions

RUNTIMES = {module.RUNTIME.name: module.RUNTIME for module in (inference, lite, onnx, openvino, ncnn, mnn)}


@dataclass(frozen=True)
class Made:
    """`files`: name -> bytes. `runtime` names what `forward` runs them with."""

    files: dict[str, bytes]
    exported: Exported
    runtime: str
    forward: Forward


def runtime(name: str, option: str) -> Runtime:
    """The runtime of a name. Raises UserError, which begins with the option, for an unknown one."""
    if name not in RUNTIMES:
        raise UserError(f"{option}: '{name}' is not known; {suggest(name, RUNTIMES)}")
    return RUNTIMES[name]


@dataclass(frozen=True)
class Quant:
    """Integers of `bits`, int8 or int16. Runtimes that calculate with them ask for `images` [n, C, H, W] to see what layers
    are fed, and choose ranges by `algorithm`."""

    bits: str
    images: Callable[[], np.ndarray]
    algorithm: str = "KL"

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS:
            raise UserError(
                f"--quant_algorithm: '{self.algorithm}' is not known; {suggest(self.algorithm, ALGORITHMS)}"
            )


def make(
    form: str,
    network: nn.Layer,
    image_shape: tuple[int, ...],
    targets: Sequence[str],
    quant: Quant | None = None,
) -> Made:
    """Export the deployed `network`. `targets`: of lite, x86 and arm. Raises UserError for an unknown format,
    target or quantisation."""
    used = runtime(form, "--format")
    if quant:
        check_quant(used, quant.bits)
    if quant and used.calibrate:
        exported = export_inference(network, image_shape)
        converted = used.calibrate(exported, quant.images(), quant.algorithm)
    else:
        exported = export_inference(with_convolutions(network) if quant else network, image_shape)
        converted = used.convert(exported, targets, quant.bits if quant else "")
    return Made(converted.files, exported, used.title, used.forward(converted, exported))


def check_quant(used: Runtime, bits: str) -> None:
    """Raises UserError unless the runtime takes weights of this type."""
    if bits in used.quants:
        return
    if used.quants:
        raise UserError(f"--quant: '{bits}' is not known; {suggest(bits, used.quants)}")
    takers = [name for name, runtime in RUNTIMES.items() if runtime.quants]
    raise UserError(
        f"--quant: the format '{used.name}' takes none; leave it out or use --format {', '.join(takers)}"
    )
