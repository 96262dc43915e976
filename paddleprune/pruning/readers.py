"""What the layers that read prunable channels are fed, on a few pictures.

Criteria and compensation (reconstruction.py, compensate.py) know a network by this: for each reader a sample
of positions of its input, for each batch norm the mean and variance of what it is given.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import paddle
from paddle import nn

from ..channels.groups import Groups
from ..graph.example import Example
from ..graph.ir import Operator
from ..modes import evaluating

LEAST, MOST = 2048, 4  # positions that are looked at: LEAST, or MOST a channel where that is more
BYTES = 2**31  # that the activations of one pass may take

Conv = nn.layer.conv._ConvNd
Norm = (nn.layer.norm._BatchNormBase, nn.BatchNorm)
TURNED = (nn.Conv1DTranspose, nn.Conv2DTranspose, nn.Conv3DTranspose)


@dataclass(eq=False)
class Reader:
    """A convolution or linear layer. `inputs`: what it was fed, [positions, channels] a call. `weight` as it was then.
    `constant`: whether a constant that is added to its inputs can be had by its bias, or is taken out by the
    normalisation behind it."""

    name: str
    layer: nn.Layer
    constant: bool
    weight: np.ndarray = field(init=False)
    inputs: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.weight = self.layer.weight.numpy().copy()

    @property
    def parameter(self) -> str:
        return f"{self.name}.weight"

    @property
    def into(self) -> int:
        """The axis of the weight that meets the input's channels."""
        return 0 if isinstance(self.layer, (nn.Linear, *TURNED)) else 1

    @property
    def blocks(self) -> int:
        """Groups of a grouped convolution."""
        return self.layer._groups if isinstance(self.layer, Conv) else 1

    @property
    def axis(self) -> int:
        """The channels' axis of its input."""
        return 1 if isinstance(self.layer, Conv) and self.layer._data_format.startswith("NC") else -1

    def block(self, x: np.ndarray, number: int) -> np.ndarray:
        """The channels of one block of what the reader is fed, in double precision."""
        return np.split(x, self.blocks, 1)[number].astype(np.float64)

    def sample(self, x: np.ndarray) -> np.ndarray:
        """[positions, channels] at some positions of an input; of inputs with as many positions the same ones."""
        channels = self.weight.shape[self.into] * (1 if self.into == 0 else self.blocks)
        axis, batch = self.axis % x.ndim, len(x)
        inner = int(np.prod(x.shape[1:])) // x.shape[axis]
        count = min(batch * inner, max(LEAST, MOST * channels))
        chosen = np.random.default_rng(0).permutation(batch * inner)[:count]
        if axis == 1:
            return x.reshape(batch, x.shape[1], inner)[chosen // inner, :, chosen % inner]
        return x.reshape(-1, x.shape[axis])[chosen]


@dataclass(eq=False)
class Normed:
    """A batch norm, the mean and variance that it remembers, and those of what it was given a call."""

    name: str
    layer: nn.Layer
    mean: np.ndarray = field(init=False)
    variance: np.ndarray = field(init=False)
    given: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.mean, self.variance = self.layer._mean.numpy().copy(), self.layer._variance.numpy().copy()

    def statistics(self, x: paddle.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance a channel."""
        form = getattr(self.layer, "_data_format", None) or self.layer._data_layout
        channels = 1 if form.startswith("NC") else x.ndim - 1
        axes = [axis for axis in range(x.ndim) if axis != channels]
        mean = x.mean(axes).numpy().astype(np.float64)
        return mean, np.maximum((x * x).mean(axes).numpy().astype(np.float64) - mean**2, 0)


def readers_of(network: nn.Layer, groups: Groups, names: Iterable[str]) -> dict[str, Reader]:
    """{weight: reader} of the layers that read the groups `names`, in the network's order. Not among them: products
    without a weight, weights that are no layer's, and grouped transposed convolutions."""
    layers = dict(network.named_sublayers(include_self=True))
    wanted = {slot.parameter for name in names for slot in groups[name].role("in")}
    found = {}
    for parameter in groups.layers:
        prefix, _, key = parameter.rpartition(".")
        layer = layers.get(prefix)
        if parameter not in wanted or key != "weight" or not isinstance(layer, (Conv, nn.Linear)):
            continue
        if isinstance(layer, TURNED) and layer._groups > 1:
            continue
        found[parameter] = Reader(prefix, layer, _takes_constant(layers, prefix, groups))
    return found


def _takes_constant(layers: dict[str, nn.Layer], name: str, groups: Groups) -> bool:
    """Not where zeros are padded: there a constant is another at the border. Without a bias, where all that reads the
    output are batch norms whose statistics are settled anew."""
    layer, parameter = layers[name], f"{name}.weight"
    if int(np.prod(layer.weight.shape[2:])) > 1:
        return False
    if layer.bias is not None:
        return True
    graph = groups.graph
    weights = {v for v, name in graph.parameters.items() if name == parameter}
    made = {out for op in graph.operators if not weights.isdisjoint(op.reads()) for out in op.outputs}
    users = [op for op in graph.operators if not made.isdisjoint(op.reads())]
    return bool(users) and all("batch_norm" in op.kind and _settled(op, layers, groups) for op in users)


def _settled(op: Operator, layers: dict[str, nn.Layer], groups: Groups) -> bool:
    """Is it of a layer that is a batch norm, and that is called once?"""
    mean = op.input(1)
    calls = [other for other in groups.graph.operators if mean in other.reads()]
    name = groups.graph.parameters.get(mean, "")
    return len(calls) == 1 and isinstance(layers.get(name.rpartition(".")[0]), Norm)


def norms_of(network: nn.Layer) -> list[Normed]:
    return [Normed(name, layer) for name, layer in network.named_sublayers() if isinstance(layer, Norm)]


def observe(
    network: nn.Layer, example: Example, pictures: np.ndarray, readers: Iterable[Reader], norms: Iterable[Normed] = ()
) -> None:  # fmt: skip
    """Run the network once and note what readers and norms are given."""

    def fed(reader: Reader) -> Any:
        return lambda layer, inputs: reader.inputs.append(reader.sample(inputs[0].numpy()))

    def given(norm: Normed) -> Any:
        return lambda layer, inputs: norm.given.append(norm.statistics(inputs[0]))

    hooks = [(r.layer, fed(r)) for r in readers] + [(n.layer, given(n)) for n in norms]
    run_with(network, example, pictures, hooks)


def run_with(
    network: nn.Layer, example: Example, pictures: np.ndarray, hooks: Sequence[tuple[nn.Layer, Any]]
) -> None:
    """Run the network on the pictures, in one batch; a hook is called with a layer and its inputs before it runs."""

    def silent(hook: Any) -> Any:
        def call(layer: nn.Layer, inputs: Any) -> None:
            if inputs:  # not of a layer that is called by keyword: of that one nothing is known
                hook(layer, inputs)

        return call

    with (
        hooked([(layer, silent(hook)) for layer, hook in hooks]),
        evaluating(network),
        paddle.no_grad(),
    ):
        example.call(network, [paddle.to_tensor(pictures)])


@contextmanager
def hooked(hooks: Sequence[tuple[nn.Layer, Any]]) -> Iterator[None]:
    """Inside the block the hooks are called before the layers; what one returns, if not None, is the layer's input."""
    handles = [layer.register_forward_pre_hook(hook) for layer, hook in hooks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def pictures_that_fit(groups: Groups, limit: int = BYTES) -> int:
    """How many pictures can go through the network at once: four of its largest activations within `limit` bytes."""
    graph = groups.graph
    batch = max(1, abs(graph.shapes[graph.inputs[0]][0]))
    made = (shape for variable, shape in graph.shapes.items() if variable not in graph.parameters)
    largest = max(abs(int(np.prod(shape))) for shape in made) / batch
    return max(1, int(limit / (16 * largest)))
