"""ncnn: `.param` and `.bin` files, converted from ONNX by pnnx, run here on the CPU."""

import importlib.util
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from ..files import scratch_folder
from ..processor import cores
from . import onnx
from ._runtime import Converted, Exported, Runtime

# pnnx declares PyTorch, which its converter of ONNX files does not need
INSTALL = "pip install ncnn==1.0.20261020, and pip install --no-deps pnnx==20261020"


def convert(exported: Exported) -> tuple[bytes, bytes]:
    """The `.param` and the `.bin` file as bytes, weights in float32. Raises UserError for a layer that ncnn has not:
    of boxes' NMS and of unpooling."""
    converter = _converter()
    with scratch_folder() as folder:
        (folder / "model.onnx").write_bytes(onnx.convert(exported))
        size = ",".join(map(str, (1, *exported.shape)))
        command = [str(converter), "model.onnx", f"inputshape=[{size}]", "fp16=0"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
        files = [folder / "model.ncnn.param", folder / "model.ncnn.bin"]
        if not all(file.is_file() for file in files):
            raise UserError(
                f"pnnx cannot convert this model (exit code {done.returncode}); use --format mnn or lite"
            )
        _refuse_missing(files[0].read_text())
        return files[0].read_bytes(), files[1].read_bytes()


def _refuse_missing(param: str) -> None:
    """What pnnx has no layer of ncnn for keeps its name in PyTorch, which has a dot."""
    kinds = [line.split()[0] for line in param.splitlines()[2:] if line.strip()]
    missing = sorted({kind for kind in kinds if "." in kind or kind.startswith("pnnx")})
    if missing:
        raise UserError(f"ncnn has no layer for {', '.join(missing)} of this model; use --format mnn or lite")


def _converter() -> Path:
    """The program inside the package."""
    found = importlib.util.find_spec("pnnx")
    if found is None or not found.submodule_search_locations:
        raise UserError(f"pnnx is not installed; {INSTALL}")
    return Path(found.submodule_search_locations[0]) / "pnnx"


def opened(param: bytes, weights: bytes, threads: int = 0) -> Any:
    """A network ready to run on the CPU in float32. `threads`: 0 = all cores."""
    try:
        import ncnn
    except ImportError as error:
        raise UserError(f"ncnn is not installed; {INSTALL}") from error
    network = ncnn.Net()
    network.opt.num_threads = threads or cores()
    for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
        setattr(network.opt, option, False)
    with scratch_folder() as folder:
        (folder / "model.param").write_bytes(param)
        (folder / "model.bin").write_bytes(weights)
        if network.load_param(f"{folder}/model.param") or network.load_model(f"{folder}/model.bin"):
            raise UserError("ncnn cannot load the converted model; use --format mnn or lite")
    return network


def run(network: Any, images: np.ndarray, outputs: int) -> list[np.ndarray]:
    """Outputs for images [N, C, H, W], one image at a time: ncnn knows no batch."""
    import ncnn

    every = []
    for image in images:
        extractor = network.create_extractor()
        extractor.input("in0", ncnn.Mat(np.ascontiguousarray(image)).clone())
        every.append([np.array(extractor.extract(f"out{i}")[1]) for i in range(outputs)])
    return [np.stack(part) for part in zip(*every, strict=True)]


def _convert(exported: Exported, targets: Sequence[str], quant: str) -> Converted:
    made = convert(exported)
    return Converted(dict(zip(RUNTIME.files, made, strict=True)), made)


def _open(here: tuple[bytes, bytes], exported: Exported, threads: int) -> Callable[[Any], list[Any]]:
    network = opened(*here, threads)
    return lambda images: run(network, images, len(exported.outputs))


RUNTIME = Runtime("ncnn", "ncnn", "ncnn", ("model.ncnn.param", "model.ncnn.bin"), _convert, _open)
