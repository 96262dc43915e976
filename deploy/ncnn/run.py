"""Run an ncnn export on a picture, a folder of pictures or a video.

    python deploy/ncnn/run.py --model_dir output/ncnn --image street.jpg --save_dir output/drawn

Needs ncnn, numpy and opencv-python; reads manifest.json, model.ncnn.param and model.ncnn.bin.
"""

import os
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import Fault, file_of, main


def load(folder, manifest, threads):
    """The network as a function: images [1, C, H, W] -> list of outputs."""
    try:
        import ncnn
    except ImportError as error:
        raise Fault("ncnn is missing; pip install ncnn") from error

    network = ncnn.Net()
    network.opt.num_threads = threads or os.cpu_count() or 1
    for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
        setattr(network.opt, option, False)
    files = [file_of(folder, name, manifest) for name in ("model.ncnn.param", "model.ncnn.bin")]
    if network.load_param(files[0]) or network.load_model(files[1]):
        raise Fault(f"ncnn cannot load '{files[0]}'; export again")

    def run(images):
        extractor = network.create_extractor()
        extractor.input("in0", ncnn.Mat(images[0]).clone())
        found = [extractor.extract(f"out{i}") for i in range(len(manifest["outputs"]))]
        if any(code for code, _ in found):
            raise ValueError(f"it has not {len(found)} outputs")
        return [np.array(map_)[None] for _, map_ in found]

    return run


if __name__ == "__main__":
    main(__doc__, load, "ncnn")
