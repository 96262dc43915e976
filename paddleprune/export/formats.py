"""The formats that a network can be exported to: files as bytes, and a way to run them here."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from paddle import nn

from ..engine.evaluate import Forward
from ..errors import UserError
from ..lookup import suggest
from ..predictor import make_predictor, run
from . import lite, onnx, openvino
from .inference import Exported, export_inference
from .quantised import with_convolutions

FORMATS = ("inference", "lite", "onnx", "openvino")


@dataclass(frozen=True)
class Made:
    """`files`: name -> bytes. `runtime` names what `forward` runs them with."""

    files: dict[str, bytes]
    exported: Exported
    runtime: str
    forward: Forward


def make(
    form: str, network: nn.Layer, image_shape: tuple[int, ...], targets: Sequence[str], quant: str = ""
) -> Made:
    """Export the deployed `network`. `targets`: of lite, x86 and arm; only x86 can be run here, so
    it is made in any case. `quant`: of lite, int8 or int16. Raises UserError for an unknown format, target
    or quantisation."""
    if form not in FORMATS:
        raise UserError(f"--format: '{form}' is not known; {suggest(form, FORMATS)}")
    if quant and form != "lite":
        raise UserError(f"--quant: the format '{form}' takes none; leave it out or use --format lite")
    exported = export_inference(with_convolutions(network) if quant else network, image_shape)
    if form == "inference":
        runner = make_predictor(exported.model, exported.weights, os.cpu_count() or 1)
        files = {"model.pdmodel": exported.model, "model.pdiparams": exported.weights}
        return Made(files, exported, "Paddle Inference", lambda x: [run(runner, {exported.input: x})])
    if form == "onnx":
        model = onnx.convert(exported)
        session = onnx.session(model)
        return Made({"model.onnx": model}, exported, "ONNX Runtime", lambda x: [onnx.run(session, x)])
    if form == "openvino":
        xml, weights = openvino.convert(exported)
        compiled = openvino.compiled(xml, weights, image_shape)
        files = {"model.xml": xml, "model.bin": weights}
        return Made(files, exported, "OpenVINO", lambda x: [openvino.run(compiled, x)])
    made = {target: lite.convert(exported, target, quant) for target in dict.fromkeys([*targets, "x86"])}
    files = {f"model_{target}.nb": made[target] for target in targets}
    return Made(files, exported, "Paddle Lite x86", lambda x: [lite.run(made["x86"], x)])
