"""Run a Paddle Lite export on a picture, a folder of pictures or a video.

    python deploy/lite/python/run.py --model_dir output/lite --image street.jpg --save_dir output/drawn

Needs paddlelite, numpy and opencv-python; reads manifest.json and the .nb file of this machine's processor.
"""

import os
import platform
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from common import Fault, file_of, main


def load(folder, manifest, threads):
    """The model as a function: images [1, 3, H, W] -> list of outputs."""
    if threads:  # Lite's x86 kernels ask OpenMP and MKL, before they are loaded
        os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)
    try:
        from paddlelite import lite
    except ImportError as error:
        raise Fault("Paddle Lite's runtime is missing; pip install paddlelite==2.13rc0") from error

    config = lite.MobileConfig()
    config.set_model_from_file(file_of(folder, file_for(platform.machine(), manifest), manifest))
    if threads and hasattr(config, "set_threads"):  # of Lite's wheels for arm alone
        config.set_threads(threads)
    predictor = lite.create_paddle_predictor(config)

    def run(images):
        predictor.get_input(0).from_numpy(images)
        predictor.run()
        return [predictor.get_output(i).numpy().copy() for i in range(len(predictor.get_output_names()))]

    return run


def file_for(machine, manifest):
    """The .nb file for a processor."""
    target = "x86" if machine in ("x86_64", "AMD64", "i686") else "arm"
    name = f"model_{target}.nb"
    if name not in manifest["files"]:
        raise Fault(f"the export has no {name}; export again with --targets {target}")
    return name


if __name__ == "__main__":
    main(__doc__, load, "lite")
