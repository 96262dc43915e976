"""Give a network whose batch norms were folded away real ones again, for fine-tuning.

    python benchmarks/unfold_batch_norm.py --weights W.pdparams --dataset DIR --save_file OUT.pdparams

Weights that come from a deployed file have their batch norms folded into the convolutions: mean 0,
variance 1, scale 1, the bias in the shift. In evaluation they are right; in training a batch norm
normalises by the statistics of the batch, and the network is another one. For each batch norm
(scale s, shift b) this measures mean m and variance v of its input on training images and sets

    running mean = m / d,  running variance = v / d^2,  scale = s * sqrt(v / d^2 + eps) * d,
    shift = b + s * m,     weight of the convolution before it: / d,        with d = sqrt(v)

which leaves the function in evaluation as it was and makes it (nearly) the same in training. The
division by d gives each filter an output of variance 1: the step size of a filter before a batch
norm is its learning rate over its squared norm, and folded filters are of all sizes.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import paddle
from paddle import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from paddleprune import models
from paddleprune.data.images import ENDINGS, read_image
from paddleprune.data.transforms import Compose
from paddleprune.engine.checkpoint import put_weights, read_weights, save_weights
from paddleprune.files import atomic_file


def unfold(network: nn.Layer, images: np.ndarray) -> None:
    """Reset every batch norm of `network` after one forward pass of `images` [N, 3, H, W]."""
    measured: dict[int, tuple] = {}

    def measure(norm: nn.BatchNorm2D, inputs: tuple) -> None:
        x = inputs[0]
        measured[id(norm)] = (x.mean([0, 2, 3]), x.var([0, 2, 3], unbiased=False))

    layers = [x for x in network.sublayers() if isinstance(x, (nn.BatchNorm2D, nn.Conv2D))]
    norms = [layer for layer in layers if isinstance(layer, nn.BatchNorm2D)]
    hooks = [norm.register_forward_pre_hook(measure) for norm in norms]
    network.eval()
    with paddle.no_grad():
        network(paddle.to_tensor(images))
    for hook in hooks:
        hook.remove()
    for conv, norm in zip(layers[::2], layers[1::2], strict=True):
        mean, variance = measured[id(norm)]
        eps = norm._epsilon
        d = paddle.where(variance > 1e-4, variance.sqrt(), paddle.ones_like(variance))
        slope = norm.weight / (norm._variance + eps).sqrt()
        norm.bias.set_value(norm.bias + slope * (mean - norm._mean))
        norm.weight.set_value(slope * (variance / d**2 + eps).sqrt() * d)
        norm._mean.set_value(mean / d)
        norm._variance.set_value(variance / d**2)
        conv.weight.set_value(conv.weight / d.reshape([-1, 1, 1, 1]))


def some_images(folder: str, count: int, size: int) -> np.ndarray:
    """`count` random pictures below `folder`, as the network takes them: [N, 3, size, size]."""
    files = sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in ENDINGS)
    chosen = np.random.default_rng(0).permutation(len(files))[:count]
    half = {"Normalize": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}
    prepare = Compose([{"ResizeByShort": {"size": size * 8 // 7}}, {"CenterCrop": {"size": size}}, half])
    rng = np.random.default_rng(0)
    images = [prepare({"image": read_image(files[i], folder)}, rng)["image"] for i in chosen]
    return np.stack(images).transpose(0, 3, 1, 2).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--dataset", required=True, help="folder with pictures, in it or below")
    parser.add_argument("--save_file", required=True)
    parser.add_argument("--model", default="mobilenet_v2")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--images", type=int, default=256)
    options = parser.parse_args()
    images = some_images(options.dataset, options.images, options.size)
    network = models.build(options.model, {})
    problems = put_weights(network, read_weights(options.weights))
    network.eval()
    before = network(paddle.to_tensor(images[:8])).numpy()
    unfold(network, images)
    after = network(paddle.to_tensor(images[:8])).numpy()
    with atomic_file(options.save_file) as temporary:
        save_weights(network, temporary)
    print(f"max |difference| in evaluation {np.abs(before - after).max():.2e}; {len(problems)} not loaded")


if __name__ == "__main__":
    main()
