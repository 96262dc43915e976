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
from .biases import corrected
from .inference import export_inference
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
    are fed, and choose ranges by `algorithm`, or by their usual one."""

    bits: str
    images: Callable[[], np.ndarray]
    algorithm: str = ""


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
        check_quant(used, quant.bits, quant.algorithm)
    if quant and used.calibrate:
        images = quant.images()
        exported = export_inference(corrected(network, images, used.largest), image_shape)
        converted = used.calibrate(exported, images, quant.algorithm or used.algorithms[0])
    else:
        exported = export_inference(with_convolutions(network) if quant else network, image_shape)
        converted = used.convert(exported, targets, quant.bits if quant else "")
    return Made(converted.files, exported, used.title, used.forward(converted, exported))


def check_quant(used: Runtime, bits: str, algorithm: str = "", option: str = "--quant_algorithm") -> None:
    """Raises UserError unless the runtime takes weights of this type, and knows the algorithm, if one is named."""
    if not used.quants:
        takers = [name for name, runtime in RUNTIMES.items() if runtime.quants]
        raise UserError(
            f"--quant: the format '{used.name}' takes none; leave it out or use --format {', '.join(takers)}"
        )
    if bits not in used.quants:
        raise UserError(f"--quant: '{bits}' is not known; {suggest(bits, used.quants)}")
    if algorithm:
        check_calibrates(used, option)
        if algorithm not in used.algorithms:
            raise UserError(f"{option}: '{algorithm}' is not known; {suggest(algorithm, used.algorithms)}")


def check_calibrates(used: Runtime | None, option: str) -> None:
    """Raises UserError, which begins with the option, unless the runtime's quantisation sees what layers are fed."""
    if not (used and used.calibrate):
        takers = [name for name, runtime in RUNTIMES.items() if runtime.calibrate]
        raise UserError(f"{option}: is for --quant int8 with --format {', '.join(takers)}; leave it out")
