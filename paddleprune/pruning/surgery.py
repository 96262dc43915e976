"""Taking channels out of a network and putting them back, and the zero mask that must equal it."""

import os
import traceback
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import paddle
from paddle import nn

from ..channels.cost import is_statistic
from ..channels.groups import Groups
from ..errors import UserError
from ..graph.example import Example, outputs_of
from ..modes import evaluating
from .plan import Plan
from .remembered import held, remember

WIDTHS = "_groups _in_channels _out_channels _num_features _embedding_dim _num_parameters".split()
OTHERS = (f"{Path(paddle.__file__).parent}{os.sep}", f"{Path(__file__).parents[1]}{os.sep}")  # no user's code


class Fault(Exception):
    """A network that does not run, or computes something else, with fewer channels."""


@contextmanager
def narrowed(network: nn.Layer, plan: Plan) -> Iterator[None]:
    """Inside the block the network is narrow; afterwards it is as it was, bit for bit."""
    saved = Saved(network, plan)
    try:
        carry_out(network, plan)
        yield
    finally:
        saved.put_back()


class Saved:
    """What a plan changes in a network: which tensors its layers have, and what widths they remember."""

    def __init__(self, network: nn.Layer, plan: Plan):
        self.numbers = held(network, plan.numbers)
        self.layers = [
            (
                layer, dict(layer._parameters), dict(layer._buffers),
                {key: vars(layer)[key] for key in WIDTHS if key in vars(layer)},
            )
            for layer in network.sublayers(include_self=True)
        ]  # fmt: skip

    def put_back(self) -> None:
        for layer, parameters, buffers, widths in self.layers:
            layer._parameters.update(parameters)
            layer._buffers.update(buffers)
            vars(layer).update(widths)
        for layer, name, value in self.numbers:
            vars(layer)[name] = value


def carry_out(network: nn.Layer, plan: Plan) -> None:
    _slice_tensors(network, plan)
    for layer in network.sublayers(include_self=True):
        _update_widths(layer)
    remember(network, plan.numbers)


@contextmanager
def masked(network: nn.Layer, groups: Groups, plan: Plan, but: Collection[str] = ()) -> Iterator[None]:
    """Inside the block no layer reads the channels that `plan` removes: their input weights are 0, and where no
    weight reads them (a product of two activations), those that make them. Weights that read and are among `but` stay.

    Outputs equal those of the narrow network for any activation function, also where a zero
    channel would not stay zero (sigmoid). Afterwards all weights are bit-equal to before.
    """
    tensors = dict([*network.named_buffers(), *network.named_parameters()])
    saved: dict[str, np.ndarray] = {}
    try:
        for name in plan.kept:
            removed = plan.removed(name)
            weighted = all(read.weighted for read in groups[name].reads)
            for slot in groups[name].slots:
                if (slot.role != "in" and weighted) or (slot.role == "in" and slot.parameter in but):
                    continue
                tensor = tensors[slot.parameter]
                array = tensor.numpy()
                saved.setdefault(slot.parameter, array.copy())
                np.moveaxis(array, slot.axis, 0)[slot.index[removed].ravel()] = 0
                tensor.set_value(array)
        yield
    finally:
        for name, array in saved.items():
            tensors[name].set_value(array)


def _slice_tensors(network: nn.Layer, plan: Plan) -> None:
    replaced: dict[int, paddle.Tensor] = {}  # a weight under two names stays one
    axes: dict[str, list[int]] = {}
    slices = plan.slices or {}
    for name, axis in slices:
        axes.setdefault(name, []).append(axis)
    for prefix, layer in network.named_sublayers(include_self=True):
        for table in (layer._parameters, layer._buffers):
            for key, old in list(table.items()):
                name = f"{prefix}.{key}" if prefix else key
                if old is None or (name not in axes and id(old) not in replaced):
                    continue
                if id(old) not in replaced:
                    array = old.numpy()
                    for axis in axes[name]:
                        array = np.take(array, slices[name, axis].kept, axis)
                    replaced[id(old)] = _like(old, array)
                table[key] = replaced[id(old)]


def _like(old: paddle.Tensor, array: np.ndarray) -> paddle.Tensor:
    """A parameter (or plain tensor) with another shape and the same settings for training."""
    if not isinstance(old, paddle.base.framework.EagerParamBase):
        return paddle.to_tensor(array, stop_gradient=old.stop_gradient)
    new = paddle.create_parameter(
        list(array.shape), old.dtype, default_initializer=nn.initializer.Constant(0.0)
    )
    new.set_value(array)  # Paddle's Assign makes a Python number of each value: seconds for a ResNet50
    for key in ("optimize_attr", "regularizer", "need_clip", "trainable", "is_distributed"):
        setattr(new, key, getattr(old, key))
    return new


def _update_widths(layer: nn.Layer) -> None:
    """Layers remember their widths besides their weights; bring the two in step."""
    if isinstance(layer, nn.layer.conv._ConvNd):
        transposed = isinstance(layer, (nn.Conv1DTranspose, nn.Conv2DTranspose, nn.Conv3DTranspose))
        first, second = layer.weight.shape[:2]
        if layer._groups > 1 and layer._groups == layer._in_channels:  # depthwise
            multiplier = layer._out_channels // layer._in_channels
            layer._groups = first if transposed else first // multiplier
        layer._in_channels = first if transposed else second * layer._groups
        layer._out_channels = second * layer._groups if transposed else first
    elif isinstance(layer, paddle.vision.ops.DeformConv2D):
        layer._out_channels, layer._in_channels = layer.weight.shape[:2]
    elif isinstance(layer, nn.Embedding):
        layer._embedding_dim = layer.weight.shape[1]
    elif isinstance(layer, nn.PReLU):
        layer._num_parameters = layer._weight.shape[0]
    elif hasattr(layer, "_num_features"):  # a normalisation, with or without a scale
        scale = getattr(layer, "weight", None)
        scale = getattr(layer, "scale", None) if scale is None else scale
        if scale is not None:
            layer._num_features = scale.shape[0]


def expected_of(network: nn.Layer, groups: Groups, plan: Plan, example: Example) -> list[np.ndarray]:
    """What the masked dense network says of the example."""
    with masked(network, groups, plan):
        return _outputs(network, example)


def refuse_not_running(network: nn.Layer, example: Example) -> None:
    """Raises UserError where the forward does not take the example."""
    try:
        _outputs(network, example)
    except Exception as error:  # whatever the forward raises
        shapes = ", ".join(str(list(shape)) for shape, _ in example.specs())
        raise UserError(
            f"the network does not run on inputs of {shapes}: {type(error).__name__}: {_said(error)}{_where(error)}; "
            "give an example that it takes"
        ) from error


def runs_in_training(network: nn.Layer, example: Example) -> bool:
    """Does the forward take the example in training mode too? Weights and statistics stay what they are."""
    try:
        _train_once(network, example)
    except Exception:  # whatever the forward raises, as where it wants labels
        return False
    return True


def _train_once(network: nn.Layer, example: Example) -> None:
    tensors = {name: tensor for name, tensor in network.state_dict().items() if is_statistic(name)}
    tensors |= dict(network.named_buffers())  # as of a spectral norm, which goes on with its vectors
    before = {name: tensor.numpy() for name, tensor in tensors.items()}
    try:
        _outputs(network, example, train=True)
    finally:
        for name, array in before.items():
            tensors[name].set_value(array)


def _outputs(network: nn.Layer, example: Example, train: bool = False) -> list[np.ndarray]:
    """Outputs for the example. Random numbers that a forward draws are the same each time, and drawn again later."""
    state = paddle.get_rng_state()
    try:
        with evaluating(network, train), paddle.no_grad():
            return [value.numpy() for value in outputs_of(example.call(network, example.values()))]
    finally:
        paddle.set_rng_state(state)


def compare(network: nn.Layer, example: Example, expected: list[np.ndarray], trains: bool) -> None:
    """The narrow network must say what the masked one said, and run in training mode if that one did.
    Raises Fault."""
    try:
        found = _outputs(network, example)
        if trains:
            _train_once(network, example)
    except Exception as error:
        raise Fault(f"does not run ({_said(error)}{_where(error)})") from error
    for a, b in zip(expected, found, strict=True):
        if a.shape != b.shape or not np.allclose(a, b, rtol=0, atol=1e-3 * _largest(a), equal_nan=True):
            raise Fault("computes something else")


def _largest(values: np.ndarray) -> float:
    finite = np.abs(values[np.isfinite(values)]) if values.dtype.kind == "f" else np.abs(values)
    return max(1e-6, float(finite.max(initial=0)))


def _said(error: BaseException) -> str:
    """The line of an error that says most; Paddle's begin with where in its own code, and end with a hint."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    hints = [line.split("Hint: ")[1].split("] (at")[0] for line in lines if "Hint: " in line]
    return (hints or lines or [type(error).__name__])[-1]


def _where(error: BaseException) -> str:
    """The line of the user's forward that raised it."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith(OTHERS):
            return f"; {Path(frame.filename).name}:{frame.lineno}: {frame.line}"
    return ""
