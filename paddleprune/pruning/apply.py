"""(dense network, Plan) -> narrow network, and the zero mask that must equal it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import paddle
from paddle import nn

from ..cost import is_statistic
from ..errors import UserError
from ..modes import evaluating
from .groups import Groups, find_groups
from .plan import Plan


def apply(
    network: nn.Layer,
    plan: Plan,
    image_shape: tuple[int, ...],
    groups: Groups | None = None,
    check: bool = True,
) -> None:
    """Narrow `network` in place: parameters, statistics, and the widths its layers remember.

    `groups` of the dense network are found anew if not given. With `check` the narrow network is
    compared with the masked dense one on random images, and tried in training mode.
    Raises UserError if the plan was made for another network, or, the network then being spoiled,
    if a forward insists on the old widths.
    """
    groups = groups or find_groups(network, image_shape)
    for name, size in plan.sizes.items():
        if name not in groups or groups[name].size != size:
            here = groups[name].size if name in groups else "no such group"
            raise UserError(
                f"plan: group '{name}' of {size} channels does not fit this network ({here}); "
                "the plan was made for another model"
            )
    image = paddle.to_tensor(np.random.default_rng(0).random((2, *image_shape), np.float32))
    if check:
        with masked(network, groups, plan):
            expected = _outputs(network, image)
    gone = _removed_positions(groups, plan)
    _slice_tensors(network, gone)
    for layer in network.sublayers(include_self=True):
        _update_widths(layer)
    if check:
        _compare(network, image, expected)


@contextmanager
def masked(network: nn.Layer, groups: Groups, plan: Plan) -> Iterator[None]:
    """Inside the block no layer reads the channels that `plan` removes: their input weights are 0.

    Outputs equal those of the narrow network for any activation function, also where a zero
    channel would not stay zero (sigmoid). Afterwards all weights are bit-equal to before.
    """
    tensors = dict(groups.traced.tensors.values())
    saved: dict[str, np.ndarray] = {}
    try:
        for name in plan.kept:
            removed = plan.removed(name)
            for slot in groups[name].role("in"):
                tensor = tensors[slot.parameter]
                array = tensor.numpy()
                saved.setdefault(slot.parameter, array.copy())
                np.moveaxis(array, slot.axis, 0)[slot.index[removed].ravel()] = 0
                tensor.set_value(array)
        yield
    finally:
        for name, array in saved.items():
            tensors[name].set_value(array)


def _removed_positions(groups: Groups, plan: Plan) -> dict[tuple[str, int], np.ndarray]:
    """(parameter, axis) -> positions to delete, over all groups."""
    gone: dict[tuple[str, int], list[np.ndarray]] = {}
    for name in plan.kept:
        removed = plan.removed(name)
        for slot in groups[name].slots:
            gone.setdefault((slot.parameter, slot.axis), []).append(slot.index[removed].ravel())
    return {key: np.concatenate(parts) for key, parts in gone.items()}


def _slice_tensors(network: nn.Layer, gone: Mapping[tuple[str, int], np.ndarray]) -> None:
    replaced: dict[int, paddle.Tensor] = {}  # a weight under two names stays one
    axes: dict[str, list[int]] = {}
    for name, axis in gone:
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
                        array = np.delete(array, gone[name, axis], axis)
                    replaced[id(old)] = _like(old, array)
                table[key] = replaced[id(old)]


def _like(old: paddle.Tensor, array: np.ndarray) -> paddle.Tensor:
    """A parameter (or plain tensor) with another shape and the same settings for training."""
    if not isinstance(old, paddle.base.framework.EagerParamBase):
        return paddle.to_tensor(array, stop_gradient=old.stop_gradient)
    new = paddle.create_parameter(
        list(array.shape), old.dtype, default_initializer=nn.initializer.Assign(array)
    )
    for key in ("optimize_attr", "regularizer", "need_clip", "trainable", "is_distributed"):
        setattr(new, key, getattr(old, key))
    return new


def _update_widths(layer: nn.Layer) -> None:
    """Layers remember their widths besides their weights; bring the two in step."""
    if isinstance(layer, (nn.Conv2D, nn.Conv2DTranspose)):
        transposed = isinstance(layer, nn.Conv2DTranspose)
        first, second = layer.weight.shape[:2]
        if layer._groups > 1 and layer._groups == layer._in_channels:  # depthwise
            multiplier = layer._out_channels // layer._in_channels
            layer._groups = first if transposed else first // multiplier
        layer._in_channels = first if transposed else second * layer._groups
        layer._out_channels = second * layer._groups if transposed else first
    elif hasattr(layer, "_num_features"):  # a normalisation, with or without a scale
        scale = getattr(layer, "weight", None)
        scale = getattr(layer, "scale", None) if scale is None else scale
        if scale is not None:
            layer._num_features = scale.shape[0]


def _outputs(network: nn.Layer, image: paddle.Tensor, train: bool = False) -> list[np.ndarray]:
    with evaluating(network, train), paddle.no_grad():
        outputs = network(image)
    return [o.numpy() for o in (outputs if isinstance(outputs, (list, tuple)) else [outputs])]


def _compare(network: nn.Layer, image: paddle.Tensor, expected: list[np.ndarray]) -> None:
    """The narrow network must say what the masked one said, and run in training mode."""
    advice = "the model's forward holds fixed channel counts; read widths from shapes there"
    statistics = {n: t.clone() for n, t in network.state_dict().items() if is_statistic(n)}
    try:
        found = _outputs(network, image)
        _outputs(network, image, train=True)
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise UserError(f"plan: the pruned network does not run ({reason}): {advice}") from error
    network.set_state_dict(statistics)
    for a, b in zip(expected, found, strict=True):
        if a.shape != b.shape or np.abs(a - b).max() > 1e-3 * max(1.0, np.abs(a).max()):
            raise UserError(f"plan: the pruned network computes something else: {advice}")
