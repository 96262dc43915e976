"""Post-training quantisation for Paddle Inference: 8-bit integers for weights and for what layers are fed, by Paddle's own tool."""

import json
import os
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from paddle.base.proto import framework_pb2

from ..errors import UserError
from ..files import scratch_folder
from ..progress import bar
from ._runtime import Exported

WORKER = Path(__file__).with_name("inference_worker.py")
# Names of --quant_algorithm: Paddle's. Its `min_max` writes ranges down and leaves the weights floats.
ALGORITHMS = {"min_max": "abs_max", "KL": "KL"}
LAYERS = ("conv2d", "depthwise_conv2d", "conv2d_transpose", "mul", "matmul", "matmul_v2")
# Operators whose outputs are without a sign, to oneDNN, if all that they are given is.
RECTIFIERS = ("relu", "relu6")
KEEPERS = (
    "concat", "dropout", "nearest_interp", "nearest_interp_v2", "pool2d", "reshape2", "slice", "split", "squeeze2",
    "transpose2", "unsqueeze2",
)  # fmt: skip


def cut_at_zero(model: bytes) -> list[str]:
    """What is fed to the convolutions and linear layers of a program that must stay floats.

    oneDNN adds a shortcut inside the layer that is added to it, and Paddle (3.3) then writes the sum in the shortcut's type. Where
    that is a rectified one, the sum's negative values are lost, unless it is rectified itself.
    """
    block = framework_pb2.ProgramDesc.FromString(model).blocks[0]
    # Weights, and what is made of them alone.
    fixed = {variable.name for variable in block.vars if variable.persistable}
    readers = _readers(block)
    unsigned: set[str] = set()
    fed: dict[str, str] = {}  # a sum with weights, biases and norms of it: what the layer is fed
    found = []
    for op in block.ops:
        given = [name for end in op.inputs for name in end.arguments if name not in fixed]
        made = [name for end in op.outputs for name in end.arguments]
        layer = any(name in fixed for end in op.inputs for name in end.arguments)
        if not given and op.type != "feed":
            fixed.update(made)
        elif op.type in RECTIFIERS or (op.type in KEEPERS and unsigned.issuperset(given)):
            unsigned.update(made)
        elif op.type in LAYERS and layer:
            fed.update((name, given[0]) for name in made)
        elif op.type in ("batch_norm", "elementwise_add") and layer:
            fed.update((name, fed[given[0]]) for name in made if given[0] in fed)
        elif op.type == "elementwise_add" and unsigned.intersection(given):
            rectified = all(reader.type in RECTIFIERS for reader in readers[made[0]])
            found += [fed[name] for name in given if name in fed and not rectified]
    return found


def with_plain_biases(model: bytes) -> bytes:
    """The program with the biases of its convolutions added as they are, [C] along axis 1, where they were made [1, C, 1, 1] first:
    else they are rounded to 8 bits, too, and the batch norm behind them is not folded."""
    program = framework_pb2.ProgramDesc.FromString(model)
    block = program.blocks[0]
    fixed = {variable.name: _shape(variable) for variable in block.vars if variable.persistable}
    readers = _readers(block)
    for op in [op for op in block.ops if op.type == "reshape2"]:
        bias, made = _end(op.inputs, "X"), _end(op.outputs, "Out")
        shape = next((list(a.ints) for a in op.attrs if a.name == "shape"), [])
        adds = [
            (add, axis)
            for add in readers[made]
            for axis in add.attrs
            if add.type == "elementwise_add" and axis.name == "axis"
        ]
        if (
            len(fixed.get(bias, ())) == 1
            and len(shape) == 4
            and shape[0] == shape[2] == shape[3] == 1
            and len(adds) == len(readers[made])
            and all(_end(add.inputs, "Y") == made and axis.i == -1 for add, axis in adds)
        ):
            for add, axis in adds:
                next(end for end in add.inputs if end.parameter == "Y").arguments[0] = bias
                axis.i = 1
            block.ops.remove(op)
    return program.SerializeToString()


def _readers(block: Any) -> dict[str, list]:
    found: dict[str, list] = defaultdict(list)
    for op in block.ops:
        for end in op.inputs:
            for name in end.arguments:
                found[name].append(op)
    return found


def _end(ends: Any, parameter: str) -> str:
    return next((name for end in ends if end.parameter == parameter for name in end.arguments), "")


def _shape(variable: Any) -> list[int]:
    return list(variable.type.dense_tensor.tensor.dims)


def quantised(exported: Exported, images: np.ndarray, algorithm: str) -> tuple[bytes, bytes]:
    """The program and its weights with 8-bit integers, by Paddle's own post-training quantisation, which PaddleSlim's
    `quant_post_static` calls: weights by output channel, what convolutions and linear layers are fed in ranges seen on `images`
    [n, C, H, W]. `algorithm`: how a range is chosen, min_max (the largest value) or KL (least divergence of the histograms;
    minutes). Layers of `cut_at_zero` stay floats. Raises UserError with Paddle's words where it fails."""
    with scratch_folder() as folder:
        replace(exported, model=with_plain_biases(exported.model)).write(folder)
        np.save(folder / "images.npy", images)
        task = {"algorithm": ALGORITHMS[algorithm], "layers": LAYERS, "floats": cut_at_zero(exported.model)}
        (folder / "task.json").write_text(json.dumps(task))
        command = [sys.executable, str(WORKER), str(folder)]
        # The tool edits programs of the form that Paddle had before PIR, and asks for static mode in the whole process.
        environment = os.environ | {"FLAGS_enable_pir_api": "0", "CUDA_VISIBLE_DEVICES": ""}
        with (folder / "said").open("w+") as said:
            with subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=said, text=True, env=environment
            ) as worker:
                _watch(worker)
            if worker.returncode:
                said.seek(0)
                why = (said.read().strip() or f"exit code {worker.returncode}").splitlines()[-1][:200]
                raise UserError(
                    f"--quant: Paddle's quantisation failed ({why}); use another format, or leave it out"
                )
        made = folder / "integers"
        return (made / "model.pdmodel").read_bytes(), (made / "model.pdiparams").read_bytes()


def _watch(worker: subprocess.Popen) -> None:
    """A bar of each thing that the worker does; it prints a line `WHAT COUNT` at each step."""
    shown, progress = "", None
    for line in worker.stdout or ():
        title, _, count = line.strip().rpartition(" ")
        if title != shown:
            if progress:
                progress.close()
            shown, progress = title, bar(None, title, int(count), unit="")
        progress.update()
    if progress:
        progress.close()
