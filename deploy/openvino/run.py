"""Run an OpenVINO export on a picture, a folder of pictures or a video.

    python deploy/openvino/run.py --model output/openvino --input portrait.jpg --save_dir output/drawn

Needs openvino, numpy and opencv-python; reads manifest.json, model.xml and model.bin.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import VIDEOS, Model, process_pictures, process_video


def load(folder, threads=0):
    """The compiled model as a function: images [N, 3, H, W] -> list of outputs."""
    import openvino

    hints = {"INFERENCE_NUM_THREADS": threads} if threads else {}
    hints["INFERENCE_PRECISION_HINT"] = "f32"
    compiled = openvino.Core().compile_model(str(Path(folder) / "model.xml"), "CPU", hints)

    def run(images):
        found = compiled(images)
        return [np.array(found[output]) for output in compiled.outputs]

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", required=True, help="--save_dir of tools/export.py --format openvino")
    parser.add_argument("--input", required=True, help="a picture, a folder of pictures, or a video")
    parser.add_argument("--save_dir", required=True, help="folder for the drawn pictures or the video")
    parser.add_argument("--threads", type=int, default=0, help="0 = as many as OpenVINO likes")
    options = parser.parse_args()
    if not (Path(options.model) / "model.xml").is_file():
        raise SystemExit(f"'{options.model}' has no model.xml; pass the --save_dir of an openvino export")
    model = Model(options.model, load(options.model, options.threads))
    start = time.perf_counter()
    if Path(options.input).suffix.lower() in VIDEOS:
        count, what = process_video(model, options.input, options.save_dir), "frames"
    else:
        count, what = len(process_pictures(model, options.input, options.save_dir)), "pictures"
    seconds = time.perf_counter() - start
    print(f"{count} {what} in {seconds:.1f} s ({count / seconds:.1f} a second), in {options.save_dir}")


if __name__ == "__main__":
    main()
