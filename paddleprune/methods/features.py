"""A teacher's feature maps: three ways to say how far a student's are from them.

nst   neuron selectivity transfer (Huang and Wang 2017, arXiv 1707.01219): the distributions of the channels
ofd   overhaul of feature distillation (Heo et al. 2019, arXiv 1904.01866): what the teacher's units let through
spkd  similarity-preserving distillation for matting (Yoon et al. 2020): which pixels are alike, and which channels

Maps are [N, C, H, W], from layers of one name in both networks; their height and width agree, their channels need not.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn
from scipy.stats import norm

from ..errors import UserError
from ..lookup import suggest

KINDS = ("nst", "ofd", "spkd")
TINY = 1e-7
RARELY = 1e-3  # probability of being below zero under which a unit has no margin of its own


def nst(said: paddle.Tensor, wanted: paddle.Tensor) -> paddle.Tensor:
    """The squared maximum mean discrepancy of the channels, each of length 1 over the pixels, for the kernel (x.y)^2,
    mean over the pictures."""
    said, wanted = (F.normalize(maps.flatten(2), axis=2) for maps in (said, wanted))
    kernel = lambda a, b: paddle.matmul(a, b, transpose_y=True).square().mean()  # noqa: E731
    return kernel(wanted, wanted) + kernel(said, said) - 2 * kernel(said, wanted)


def of_pixels(said: paddle.Tensor, wanted: paddle.Tensor) -> paddle.Tensor:
    """Mean squared difference of the cosine similarities of all pairs of pixels, mean over the pictures.

    Of the pairs no matrix [HW, HW] is made: the squares sum up to those of products over the channels,
    sum((T'T - S'S)^2) = |TT'|^2 - 2 |TS'|^2 + |SS'|^2, which are small.
    """
    pixels = said.shape[2] * said.shape[3]
    said, wanted = (
        maps.flatten(2) / (maps.flatten(2).norm(axis=1, keepdim=True) + TINY) for maps in (said, wanted)
    )
    square = lambda a, b: paddle.matmul(a, b, transpose_y=True).square().sum([1, 2])  # noqa: E731
    return (square(wanted, wanted) - 2 * square(wanted, said) + square(said, said)).mean() / pixels**2


def of_channels(said: paddle.Tensor, wanted: paddle.Tensor) -> paddle.Tensor:
    """Mean squared difference of the cosine similarities of all pairs of channels; as many in both."""
    said, wanted = (
        maps.flatten(2) / (maps.flatten(2).norm(axis=2, keepdim=True) + TINY) for maps in (said, wanted)
    )
    alike = lambda maps: paddle.matmul(maps, maps, transpose_y=True)  # noqa: E731
    return (alike(wanted) - alike(said)).square().mean()


def ofd(said: paddle.Tensor, wanted: paddle.Tensor, margin: paddle.Tensor) -> paddle.Tensor:
    """Squared distance to max(teacher, margin), a sum but for where the teacher's unit is off and the student's is
    further off; mean over the pictures. Maps are from before the ReLU."""
    aim = paddle.maximum(wanted, margin.reshape([1, -1, 1, 1]))
    counts = ((said > aim) | (aim > 0)).astype("float32")
    return ((said - aim).square() * counts).sum() / said.shape[0]


def margins(scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """What a unit behind a batch norm is on average where it is below zero: E[x | x < 0] of a normal distribution with
    mean `shift` and deviation |scale|; -3 deviations where it hardly ever is."""
    deviation = np.maximum(np.abs(scale.astype(np.float64)), 1e-12)
    below = norm.cdf(-shift / deviation)
    mean = shift - deviation * np.exp(-np.square(shift / deviation) / 2) / (
        math.sqrt(2 * math.pi) * np.maximum(below, 1e-300)
    )
    return np.where(below > RARELY, mean, -3 * deviation).astype(np.float32)


class Features(nn.Layer):
    """How far a student's maps are from its teacher's, summed over the layers `names`; the connectors, convolutions
    1 x 1 that make as many channels of the student's as the teacher has, are its parameters."""

    def __init__(
        self, kind: str, student: nn.Layer, teacher: nn.Layer, names: Sequence[str], image: paddle.Tensor
    ):
        super().__init__()
        if kind not in KINDS:
            raise UserError(f"train.match: '{kind}' is not known; {suggest(kind, KINDS)}")
        self.kind, self.names = kind, list(names)
        seen = [watched(network, self.names) for network in (student, teacher)]
        for network, (_, stop) in zip((student, teacher), seen, strict=True):
            network.eval()
            with paddle.no_grad():
                network(image)
            stop()
        pairs = [(a, b) for a, b in zip(seen[0][0](), seen[1][0](), strict=True)]
        for name, (a, b) in zip(self.names, pairs, strict=True):
            if a.ndim != 4 or a.shape[2:] != b.shape[2:]:
                raise UserError(
                    f"train.match_layers: '{name}' makes {list(a.shape)} in the student and {list(b.shape)} in the "
                    "teacher; name layers that make maps [N, C, H, W] of the same height and width"
                )
        self.connectors = nn.LayerList([self._connector(a.shape[1], b.shape[1]) for a, b in pairs])
        if kind == "ofd":
            self.margins = [_margin_of(teacher, name) for name in self.names]

    def _connector(self, before: int, after: int) -> nn.Layer:
        if self.kind == "ofd":
            start = nn.initializer.Normal(0.0, math.sqrt(2 / after))
            convolution = nn.Conv2D(
                before, after, 1, weight_attr=paddle.ParamAttr(initializer=start), bias_attr=False
            )
            return nn.Sequential(convolution, nn.BatchNorm2D(after))
        if self.kind == "spkd" and before != after:
            return nn.Conv2D(before, after, 1, bias_attr=False)
        return nn.Identity()

    def forward(self, said: Sequence[paddle.Tensor], wanted: Sequence[paddle.Tensor]) -> paddle.Tensor:
        parts = []
        for number, (a, b) in enumerate(zip(said, wanted, strict=True)):
            if self.kind == "nst":
                parts.append(nst(a, b))
            elif self.kind == "spkd":
                parts.append(of_pixels(a, b) + of_channels(self.connectors[number](a), b))
            else:
                a, b = (F.max_pool2d(maps, 2, 2) for maps in (a, b))
                weight = 2.0 ** (number + 1 - len(said)) / 1000  # 1/8, 1/4, 1/2, 1 of four
                parts.append(weight * ofd(self.connectors[number](a), b, self.margins[number]))
        return paddle.add_n(parts)


def watched(
    network: nn.Layer, names: Sequence[str]
) -> tuple[Callable[[], list[paddle.Tensor]], Callable[[], None]]:
    """(what the layers `names` said in the last forward, an end to it). Raises UserError for an unknown name."""
    layers, said = dict(network.named_sublayers()), {}
    for name in names:
        if name not in layers:
            raise UserError(f"train.match_layers: the network has no layer '{name}'; {suggest(name, layers)}")

    def keep(name: str) -> Callable:
        def hook(layer: nn.Layer, inputs: object, output: object) -> None:
            said[name] = output[0] if isinstance(output, (tuple, list)) else output

        return hook

    handles = [layers[name].register_forward_post_hook(keep(name)) for name in names]

    def stop() -> None:
        for handle in handles:
            handle.remove()

    return lambda: [said[name] for name in names], stop


def _margin_of(teacher: nn.Layer, name: str) -> paddle.Tensor:
    layer = dict(teacher.named_sublayers())[name]
    if not hasattr(layer, "_mean") or layer.weight is None or layer.bias is None:
        raise UserError(
            f"train.match_layers: '{name}' is a {type(layer).__name__}; ofd compares what batch norms make: name those"
        )
    return paddle.to_tensor(margins(layer.weight.numpy(), layer.bias.numpy()))
