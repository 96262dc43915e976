"""Run an MNN export on a picture, a folder of pictures or a video.

    python deploy/mnn/run.py --model_dir output/mnn --image street.jpg --save_dir output/drawn

Needs MNN, numpy and opencv-python; reads manifest.json and model.mnn.
"""

import os
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import Fault, file_of, main


def load(folder, manifest, threads):
    """The model as a function: images [1, C, H, W] -> list of outputs."""
    try:
        import MNN
    except ImportError as error:
        raise Fault("MNN is missing; pip install MNN") from error

    settings = {"backend": "CPU", "precision": "normal", "numThread": threads or os.cpu_count() or 1}
    file, outputs = file_of(folder, "model.mnn", manifest), range(len(manifest["outputs"]))
    ends = [manifest["input"]["name"]], [f"fetch_name_{i}" for i in outputs]
    manager = MNN.nn.create_runtime_manager((settings,))
    try:
        module = MNN.nn.load_module_from_file(file, *ends, runtime_manager=manager)
    except (SystemError, RuntimeError, ValueError) as error:
        raise Fault(f"MNN cannot load '{file}' ({error}); export again") from error

    def run(images):
        given = MNN.expr.const(images, list(images.shape), MNN.expr.NCHW)
        return [np.array(MNN.expr.convert(one, MNN.expr.NCHW).read()) for one in module.forward([given])]

    return run


if __name__ == "__main__":
    main(__doc__, load, "mnn")
