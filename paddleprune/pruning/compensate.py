"""What a removed channel did is taken over by those that stay.

A layer reads channels X of which some go. The others can say much of what those said: of all mixes of
the kept channels, least squares finds the one nearest to what the dense network feeds the layer, and the
layer's weight takes it up:

    mix = argmin |mix X_K - X*|^2 + ridge |mix - keep|^2          W' = W mix
                                                 X* dense, X_K kept channels, keep: each kept one is itself

A mix of input channels commutes with a convolution of any kernel, so this serves convolutions, transposed
ones and linear layers, whatever is between a filter and them (normalisations, activations, additions, concats).
No labels are needed, only some pictures.

The network is run twice on the same pictures. The first time, whole, what its readers are fed is noted.
The second time, narrow, each reader is mended when the pictures reach it, so that it makes up for
what all layers before it do differently by then. Batch norms on the way get statistics under
which their outputs have the mean and the spread that they had.

Source: He et al. 2017, 'Channel Pruning for Accelerating Very Deep Neural Networks' (arXiv 1707.06168), sections
3.1 and 3.2: least squares a layer, its inputs those of the network pruned so far, its aim the dense network's.
"""

from typing import Any

import numpy as np
from paddle import nn

from ..channels.groups import Groups
from ..graph.example import Example
from .narrow import fitting, narrow
from .plan import Plan
from .readers import Normed, Reader, norms_of, observe, readers_of, run_with

RIDGE = 0.3  # of the mean variance of the kept channels, times channels per position that was looked at:
MOST = 0.1  # what a few pictures say by chance is not to be learnt


def narrow_compensated(
    network: nn.Layer, plan: Plan, example: Any, groups: Groups, pictures: np.ndarray
) -> list[str]:
    """`narrow`, and what reads the removed channels makes up for them, judged by `pictures`, inputs of the
    network in one batch.

    Returns the weights that were mended. Raises UserError where `narrow` does; the network is then as it was.
    """
    example, plan = Example(example), fitting(network, plan, groups)
    readers, norms = readers_of(network, groups, plan.kept), norms_of(network)
    observe(network, example, pictures, readers.values(), norms)
    narrow(network, plan, example, groups)
    for reader in readers.values():
        if (
            len(reader.inputs) > 1
        ):  # one weight for several calls, which are not known together until all were made
            seen = np.concatenate(reader.inputs)
            _mend(reader, plan, seen, seen[:, _kept_inputs(reader, plan)])
    once = [reader for reader in readers.values() if len(reader.inputs) == 1]
    hooks = [(reader.layer, _mending(reader, plan)) for reader in once]
    hooks += [(norm.layer, _settling(norm, plan)) for norm in norms if len(norm.given) == 1]
    run_with(network, example, pictures, hooks)
    return [reader.parameter for reader in readers.values() if reader.inputs]


def mix(
    wanted: np.ndarray, given: np.ndarray, kept: np.ndarray, constant: bool
) -> tuple[np.ndarray, np.ndarray]:
    """(matrix [channels, kept], shift [channels]) with wanted ~ given @ matrix.T + shift.

    `wanted` [positions, channels], `given` [positions, kept], `kept`: which channels those are. Without a `constant`
    the shift is 0."""
    middle, centre = (wanted.mean(0), given.mean(0)) if constant else (0.0, 0.0)
    x, y = given - centre, wanted - middle
    matrix = _solved(x.T @ x / len(x), y.T @ x / len(x), kept, len(x))
    return matrix, middle - matrix @ centre if constant else np.zeros(len(matrix))


def mix_of_dense(
    moments: np.ndarray, means: np.ndarray, kept: np.ndarray, constant: bool, positions: int
) -> tuple[np.ndarray, np.ndarray]:
    """The same where the kept channels are as in the dense network. `moments` [channels, channels]: mean products of what
    it is fed, less the `means` if there is a constant."""
    matrix = _solved(moments[np.ix_(kept, kept)], moments[:, kept], kept, positions)
    return matrix, means - matrix @ means[kept] if constant else np.zeros(len(matrix))


def _solved(gram: np.ndarray, cross: np.ndarray, kept: np.ndarray, positions: int) -> np.ndarray:
    """The mix, from mean products over `positions` of what is given with itself and with what is wanted."""
    stay = np.zeros(cross.shape)
    stay[kept, np.arange(len(kept))] = 1
    level = max(float(np.trace(gram)) / len(kept), 1e-12)
    ridge = level * min(MOST, RIDGE * len(kept) / positions)
    return stay + np.linalg.solve(gram + ridge * np.eye(len(kept)), (cross - stay @ gram).T).T


def _kept_inputs(reader: Reader, plan: Plan) -> np.ndarray:
    """Channels of the reader's input that stay, over all blocks of a grouped convolution."""
    part = (plan.slices or {})[reader.parameter, reader.into]
    return np.concatenate([np.array(part.kept) + b * part.length for b in range(reader.blocks)])


def _mending(reader: Reader, plan: Plan) -> Any:
    def hook(layer: nn.Layer, inputs: Any) -> None:
        _mend(reader, plan, reader.inputs[0], reader.sample(inputs[0].numpy()))

    return hook


def _mend(reader: Reader, plan: Plan, wanted: np.ndarray, given: np.ndarray) -> None:
    """Give the narrow layer the weight that makes of `given` what the dense one made of `wanted`."""
    layer, axis, slices = reader.layer, reader.into, plan.slices or {}
    kept = np.array(slices[reader.parameter, axis].kept)
    made = slices.get((reader.parameter, 1 - axis))
    dense = reader.weight if made is None else np.take(reader.weight, made.kept, 1 - axis)
    weights, shifts = [], []
    for number, weight in enumerate(np.split(dense, reader.blocks, 0) if reader.blocks > 1 else [dense]):
        columns = np.moveaxis(weight, axis, 0).astype(np.float64)
        matrix, shift = mix(reader.block(wanted, number), reader.block(given, number), kept, reader.constant)
        weights.append(np.moveaxis(np.tensordot(matrix.T, columns, 1), 0, axis))
        shifts.append(shift @ columns.reshape(len(columns), -1))
    layer.weight.set_value(np.concatenate(weights, 0).astype(dense.dtype))
    if layer.bias is not None and reader.constant:
        layer.bias.set_value(layer.bias.numpy() + np.concatenate(shifts).astype(dense.dtype))


def _settling(norm: Normed, plan: Plan) -> Any:
    """What the norm makes of its input shall have the mean and the variance that it had in the dense network."""

    def hook(layer: nn.Layer, inputs: Any) -> None:
        part = (plan.slices or {}).get((f"{norm.name}._mean", 0))
        kept = slice(None) if part is None else list(part.kept)
        before, spread = (values[kept] for values in norm.given[0])
        mean, variance = norm.statistics(inputs[0])
        if np.array_equal(mean, before) and np.array_equal(variance, spread):
            return
        ratio = (variance + layer._epsilon) / (spread + layer._epsilon)
        layer._variance.set_value((norm.variance[kept] * ratio).astype(np.float32))
        layer._mean.set_value((mean - (before - norm.mean[kept]) * np.sqrt(ratio)).astype(np.float32))

    return hook
