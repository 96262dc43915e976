"""Quantises a program in a process of its own: Paddle's tool wants the static mode, and flags that are read when Paddle is loaded.

    FLAGS_enable_pir_api=0 python inference_worker.py FOLDER

FOLDER holds `model.pdmodel`, `model.pdiparams`, `images.npy` [n, C, H, W] and `task.json`: Paddle's `algorithm`, the types of the
`layers` that become integers, and in `floats` what those are fed that do not; and gets `integers` with the quantised program.
Prints a line `WHAT COUNT` at each of COUNT steps; nothing else goes to the standard output. Imports nothing of this package.
"""

import json
import os
import sys

import numpy as np
import paddle
from paddle.static.quantization import PostTrainingQuantization, post_training_quantization

BATCH = 8
NAMES = {"model_filename": "model.pdmodel", "params_filename": "model.pdiparams"}


def main(folder, say):
    paddle.enable_static()
    executor = paddle.static.Executor(paddle.CPUPlace())
    images = np.load(f"{folder}/images.npy")
    _, (feed,), _ = paddle.static.load_inference_model(folder, executor, **NAMES)
    with open(f"{folder}/task.json") as file:
        task = json.load(file)
    starts = range(0, len(images), BATCH)
    passes = 2 if task["algorithm"] == "KL" else 1  # to see how large values are, then how often

    def batches():
        for start in starts:
            say("see pictures", passes * len(starts))
            yield {feed: images[start : start + BATCH]}

    quantisation = PostTrainingQuantization(
        executor,
        folder,
        data_loader=batches,
        batch_nums=len(starts),
        algo=task["algorithm"],
        quantizable_op_type=task["layers"],
        weight_quantize_type="channel_wise_abs_max",
        skip_tensor_list=task["floats"],
        optimize_model=True,  # batch norms into the weights before them
        onnx_format=True,  # weights are stored as integers
        **NAMES,
    )
    search = post_training_quantization.cal_kl_threshold

    def searched(*given):
        say("choose ranges", len(quantisation._sampling_act_histogram))
        return search(*given)

    post_training_quantization.cal_kl_threshold = searched
    quantisation.quantize()
    quantisation.save_quantized_model(f"{folder}/integers", **NAMES)


if __name__ == "__main__":
    steps = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # Paddle prints
    main(sys.argv[1], lambda what, count: print(what, count, file=steps))
