"""Paddle Inference on a program held in memory, or in a file."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from .progress import silent


def make_predictor(model: bytes, weights: bytes, threads: int, onednn: bool = True) -> Any:
    """A Paddle Inference predictor from a legacy program's bytes; oneDNN on a CPU, or the GPU. A quantised program calculates
    with integers in oneDNN."""
    config = paddle.inference.Config()
    config.set_model_buffer(model, len(model), weights, len(weights))
    config.enable_memory_optim()
    if b"quantize_linear" not in model:
        return _predictor(config, threads, onednn)
    with silent(sys.stderr):  # 32 lines that no setting turns off
        return _predictor(config, threads, onednn, integers=True)


def open_predictor(path: Path, threads: int, onednn: bool = True) -> Any:
    """The same for `path`.json and `path`.pdiparams, which may go afterwards."""
    config = paddle.inference.Config(f"{path}.json", f"{path}.pdiparams")
    config.enable_new_ir(True)
    config.enable_new_executor(True)
    return _predictor(config, threads, onednn)


def _predictor(config: Any, threads: int, onednn: bool, integers: bool = False) -> Any:
    config.disable_glog_info()
    if paddle.device.get_device().startswith("gpu"):
        config.enable_use_gpu(256, int(paddle.device.get_device().split(":")[1]))
    else:
        config.disable_gpu()
        if onednn:
            config.enable_mkldnn()
            config.set_mkldnn_cache_capacity(16)
            if integers:
                config.enable_mkldnn_int8()  # without it, in floats, three times slower than the whole program
        else:
            config.disable_mkldnn()  # which is on without being asked for
        config.set_cpu_math_library_num_threads(threads)
    config.switch_ir_optim(True)
    return paddle.inference.create_predictor(config)


def run(predictor: Any, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Outputs of a predictor, in its order. `feed` holds all its inputs."""
    return run_again(predictor, {name: feed[name] for name in predictor.get_input_names()})


def run_again(predictor: Any, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Like `run`; inputs that `feed` does not hold are those of the last run, unless the predictor
    has used their memory for something else since."""
    for name, given in feed.items():
        handle = predictor.get_input_handle(name)
        array = np.ascontiguousarray(given)
        handle.reshape(array.shape)
        handle.copy_from_cpu(array)
    predictor.run()
    return [predictor.get_output_handle(n).copy_to_cpu() for n in predictor.get_output_names()]
