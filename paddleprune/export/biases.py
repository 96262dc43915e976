"""What the rounding of a convolution's weights adds to its outputs on average, taken out of the batch norm behind it or of its
biases (Nagel et al. 2019, 'Data-Free Quantization Through Weight Equalization and Bias Correction', arXiv 1906.04721; here by
pictures, where they take batch norms'). A depthwise kernel has nine weights, so their errors do not cancel out: in a
MobileNetV2 this is most of what integers cost."""

import copy

import numpy as np
import paddle
from paddle import nn

from ..progress import bar
from ..pruning.readers import Norm

SMALLEST = 1e-9  # scale of a filter of zeros
BATCH = 8


def rounded(weight: np.ndarray, largest: int) -> np.ndarray:
    """[filters, ...] as integers of -largest to largest hold it, a scale for each filter, in floats again."""
    filters = weight.reshape(len(weight), -1)
    scale = np.maximum(np.abs(filters).max(axis=1, keepdims=True), SMALLEST) / largest
    return (np.round(filters / scale) * scale).astype(weight.dtype).reshape(weight.shape)


def corrected(network: nn.Layer, images: np.ndarray, largest: int) -> nn.Layer:
    """A copy in evaluation mode whose outputs are right on average over `images` [n, C, H, W] when the weights of its
    convolutions are rounded. Its weights are not: the batch norms that read a convolution have another running mean,
    convolutions that none reads have other biases. Folding a batch norm away afterwards rounds the same, scales are by filter.
    """
    changed = copy.deepcopy(network)
    changed.eval()
    watch = _Watch(changed, largest)
    starts = range(0, len(images), BATCH)
    with paddle.no_grad():
        for start in bar(starts, "correct biases", len(starts)):
            watch.see(images[start : start + BATCH])
    watch.correct()
    return changed


class _Watch:
    """Means [filters] of what rounding takes from the convolutions' outputs, by what reads them."""

    def __init__(self, network: nn.Layer, largest: int):
        self.network = network
        layers = network.sublayers(include_self=True)
        self.twins = {
            layer: _without(layer, rounded(layer.weight.numpy(), largest))
            for layer in layers
            if isinstance(layer, nn.Conv2D) and layer._data_format == "NCHW"
        }
        self.norms = [layer for layer in layers if isinstance(layer, Norm)]
        self.taken: dict[nn.Layer, np.ndarray] = {}  # by batch norm or convolution
        self.seen: dict[nn.Layer, int] = {}
        self.read: set[nn.Layer] = set()  # convolutions that a batch norm reads
        self.made: dict[int, tuple] = {}  # id of an output: (itself, its convolution, mean)
        self.hooks = [layer.register_forward_post_hook(self._made_by) for layer in self.twins]
        self.hooks += [layer.register_forward_pre_hook(self._read_by) for layer in self.norms]

    def see(self, images: np.ndarray) -> None:
        self.made.clear()
        self.network(paddle.to_tensor(images))

    def correct(self) -> None:
        for hook in self.hooks:
            hook.remove()
        for layer, total in self.taken.items():
            mean = paddle.to_tensor((total / self.seen[layer]).astype("float32"))
            if layer not in self.twins:
                layer._mean.set_value(layer._mean - mean)
            elif layer in self.read:
                continue
            elif layer.bias is None:
                layer.bias = paddle.create_parameter(
                    mean.shape, "float32", default_initializer=nn.initializer.Assign(mean)
                )
            else:
                layer.bias.set_value(layer.bias + mean)

    def _made_by(self, layer: nn.Layer, given: tuple, output: paddle.Tensor) -> None:
        mean = self.twins[layer](given[0]).mean([0, 2, 3]).numpy()
        self.made[id(output)] = output, layer, mean
        self._add(layer, mean, len(output))

    def _read_by(self, layer: nn.Layer, given: tuple) -> None:
        output, convolution, mean = self.made.get(id(given[0]), (None, None, None))
        if output is not None:
            self.read.add(convolution)
            self._add(layer, mean, len(output))

    def _add(self, layer: nn.Layer, mean: np.ndarray, count: int) -> None:
        self.taken[layer] = self.taken.get(layer, 0) + count * mean.astype(np.float64)
        self.seen[layer] = self.seen.get(layer, 0) + count


def _without(layer: nn.Conv2D, kept: np.ndarray) -> nn.Conv2D:
    """The same convolution by the rest of its weights, without biases."""
    twin = copy.deepcopy(layer)
    twin.weight.set_value(twin.weight - paddle.to_tensor(kept))
    twin.bias = None
    return twin
