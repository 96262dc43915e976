"""Run an OpenVINO export on a picture, a folder of pictures or a video.

    python deploy/openvino/run.py --model_dir output/openvino --image portrait.jpg --save_dir output/drawn

Needs openvino, numpy and opencv-python; reads manifest.json, model.xml and model.bin.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import Fault, file_of, main


def load(folder, manifest, threads):
    """The compiled model as a function: images [N, 3, H, W] -> list of outputs."""
    try:
        import openvino
    except ImportError as error:
        raise Fault("OpenVINO is missing; pip install openvino") from error

    hints = {"INFERENCE_NUM_THREADS": threads} if threads else {}
    hints["INFERENCE_PRECISION_HINT"] = "f32"
    files = [file_of(folder, name, manifest) for name in ("model.xml", "model.bin")]
    try:
        compiled = openvino.Core().compile_model(files[0], "CPU", hints)
    except RuntimeError as error:
        raise Fault(
            f"OpenVINO cannot load '{files[0]}' ({str(error).splitlines()[0]}); export again"
        ) from error

    def run(images):
        found = compiled(images)
        return [np.array(found[output]) for output in compiled.outputs]

    return run


if __name__ == "__main__":
    main(__doc__, load, "openvino")
