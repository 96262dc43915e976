"""Run an ONNX export on a picture, a folder of pictures or a video.

    python deploy/onnx/run.py --model_dir output/onnx --image street.jpg --save_dir output/drawn

Needs onnxruntime, numpy and opencv-python; reads manifest.json and model.onnx.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import Fault, file_of, main


def load(folder, manifest, threads):
    """The session as a function: images [1, C, H, W] -> list of outputs."""
    try:
        import onnxruntime
    except ImportError as error:
        raise Fault("ONNX Runtime is missing; pip install onnxruntime") from error

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    file = file_of(folder, "model.onnx", manifest)
    try:
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common parent but this
        raise Fault(
            f"ONNX Runtime cannot load '{file}' ({str(error).splitlines()[0]}); export again"
        ) from error

    def run(images):
        try:
            return session.run(None, {manifest["input"]["name"]: images})
        except Exception as error:
            raise ValueError(str(error)) from error

    return run


if __name__ == "__main__":
    main(__doc__, load, "onnx")
