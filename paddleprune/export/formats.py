"""The formats that a network can be exported to, by name: one file each in this folder."""

from collections.abc import Sequence
from dataclasses import dataclass

from paddle import nn

from ..engine.evaluate import Forward
from ..errors import UserError
from ..lookup import suggest
from . import inference, lite, mnn, ncnn, onnx, openvino
from ._runtime import Exported, Runtime
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


def make(
    form: str, network: nn.Layer, image_shape: tuple[int, ...], targets: Sequence[str], quant: str = ""
) -> Made:
    """Export the deployed `network`. `targets`: of lite, x86 and arm; `quant`: of lite, int8 or int16. Raises
    UserError for an unknown format, target or quantisation."""
    used = runtime(form, "--format")
    if quant and not used.quants:
        raise UserError(f"--quant: the format '{form}' takes none; leave it out or use --format lite")
    exported = export_inference(with_convolutions(network) if quant else network, image_shape)
    converted = used.convert(exported, targets, quant)
    return Made(converted.files, exported, used.title, used.forward(converted, exported))
