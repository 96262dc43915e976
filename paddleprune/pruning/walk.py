"""The walk over traced operators that tells which channels are one (see groups.py).

To teach it an operator: add its type to `PASS` if it works on each channel alone and keeps the
shape's rank, or write a method and name it in `RULES`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .atoms import UnionFind
from .trace import Traced

PASS = frozenset(
    """relu relu6 leaky_relu elu gelu sigmoid hard_sigmoid tanh swish silu hard_swish mish softplus
    hardtanh brelu exp log sqrt rsqrt square abs pow clip scale cast assign dropout""".split()
)
# The same, but on axes of the image: they want the channels on axis 1.
SPATIAL = frozenset("pool2d nearest_interp_v2 bilinear_interp_v2 bicubic_interp_v2 pad3d pad2d".split())
# Read only the shape: nothing of a channel passes through them.
SHAPE_ONLY = frozenset(["shape", "fill_any_like", "fill_constant_batch_size_like"])


class Refused(Exception):
    """An operator that the walk cannot follow; the message says why."""


class Channels:
    """The channel axis of a variable and the atom of each channel on it."""

    def __init__(self, axis: int, atoms: np.ndarray):
        self.axis, self.atoms = axis, np.asarray(atoms, np.int64)


class Walk(UnionFind):
    """Result of the walk: `slots` [(parameter, axis, role, atoms)], `reads` [(operator number,
    variable, axis, atoms)], `layers` (weights in order), `positions`, and the union-find."""

    def __init__(self, traced: Traced):
        self.block, self.outputs = traced.program.global_block(), traced.outputs
        self.names = {variable: name for variable, (name, _) in traced.tensors.items()}
        super().__init__()
        self.channels: dict[str, Channels] = {}
        self.slots: list[tuple[str, int, str, np.ndarray]] = []
        self.reads: list[tuple[int, str, int, np.ndarray]] = []
        self.layers: list[str] = []
        self.refused: dict[str, str] = {}
        self.positions: dict[str, int] = {}
        image = Channels(1, self.new(self.shape(traced.input)[1]))
        self.channels[traced.input] = image
        self.lock(image.atoms, "it is the network's input")
        for number, op in enumerate(self.block.ops):
            self.visit(number, op)
        for output in (*traced.outputs, *traced.helpers):
            if output in self.channels:
                self.lock(self.channels[output].atoms, "its channels are the network's output")

    def lock_helpers(self, helpers: Sequence[str]) -> None:
        """Lock the filters that only outputs for training depend on: nothing would be won."""
        served, helping = needed_by(self.block, self.outputs), needed_by(self.block, helpers)
        for op in self.block.ops:
            made = set(op.output_arg_names)
            if made & helping and not made & served and op.type in LAYERS:
                for variable in made & set(self.channels):
                    self.lock(self.channels[variable].atoms, "it serves training alone")

    def reason(self, weight: str) -> str | None:
        """Why no filter of `weight` is in a group; None if one is."""
        if weight in self.refused:
            return self.refused[weight]
        atoms = [a for name, _, role, atoms in self.slots if name == weight and role != "in" for a in atoms]
        reasons = [self.lock_of(atom) for atom in atoms]
        return None if None in reasons or not reasons else reasons[0]

    # variables ---------------------------------------------------------------------------

    def shape(self, variable: str) -> tuple[int, ...]:
        return tuple(self.block._var_recursive(variable).shape)

    def get(self, variable: str) -> Channels | None:
        """Channels of an activation, or of a parameter with one axis longer than 1."""
        if variable not in self.channels and variable in self.names:
            shape = self.shape(variable)
            long = [axis for axis, n in enumerate(shape) if n > 1]
            if len(long) == 1:
                self.channels[variable] = Channels(long[0], self.slot(variable, long[0], "follow"))
        return self.channels.get(variable)

    def slot(self, variable: str, axis: int, role: str, atoms: np.ndarray | None = None) -> np.ndarray:
        """Tie an axis of a parameter to atoms (new ones if None). A parameter that is used twice
        keeps its first atoms, merged with the new."""
        name = self.names[variable]
        for known, known_axis, _, old in self.slots:
            if (known, known_axis) == (name, axis):
                if atoms is not None:
                    self.merge(old, atoms)
                return old
        if atoms is None:
            atoms = self.new(self.shape(variable)[axis])
        self.slots.append((name, axis, role, np.array(atoms)))
        return atoms

    # operators ---------------------------------------------------------------------------

    def visit(self, number: int, op: Any) -> None:
        """Apply the operator's rule; where there is none, lock what it reads. What it makes is
        then unknown from here on."""
        try:
            if op.type in LAYERS:
                LAYERS[op.type](self, op, number)
            elif op.type not in SHAPE_ONLY:
                self._pass_on(op)
        except Refused as refused:
            for variable in op.input_arg_names:
                if variable in self.channels:
                    self.lock(self.channels[variable].atoms, str(refused))
                if variable in self.names and op.type in LAYERS:
                    self.refused[self.names[variable]] = str(refused)

    def _pass_on(self, op: Any) -> None:
        inputs = [v for v in op.input_arg_names if self.get(v) is not None]
        if not inputs:
            return
        if op.type in PASS or op.type in SPATIAL:
            if op.type in SPATIAL and self.channels[inputs[0]].axis != 1:
                raise Refused(f"'{op.type}' works on another axis than the channels'")
            self.channels[_one(op, "Out")] = self.channels[inputs[0]]
        elif op.type in RULES:
            RULES[op.type](self, op)
        else:
            raise Refused(f"the operator '{op.type}' has no rule")

    def _conv(self, op: Any, number: int) -> None:
        source, weight, out = _one(op, "Input"), _one(op, "Filter"), _one(op, "Output")
        transposed, groups = "transpose" in op.type, op.attr("groups")
        if weight not in self.names:
            raise Refused("its weight is computed by another operator")
        self._layer(weight, self.shape(source if transposed else out)[2:])
        if op.attr("data_format") not in ("NCHW", "AnyLayout"):
            raise Refused("the data format NHWC has no rule")
        x, shape = self._known(source, 1), self.shape(weight)
        if x.axis != 1:
            raise Refused("a convolution runs over another axis than the channels'")
        per_group = len(x.atoms) // groups
        depthwise = groups > 1 and per_group == 1 and (not transposed or shape[1] == 1)
        if depthwise:
            atoms = np.repeat(x.atoms, 1 if transposed else shape[0] // groups)
            self.slot(weight, 0, "follow", atoms)
        elif groups > 1 and transposed:
            raise Refused("a grouped transposed convolution has no rule")
        else:
            in_axis = 0 if transposed else 1
            self._tie(x.atoms, groups)
            self.slot(weight, in_axis, "in", x.atoms[:per_group])
            self.reads.append((number, source, 1, x.atoms))
            atoms = self.slot(weight, 1 - in_axis, "out")
            self._tie(atoms, groups)
        self.channels[out] = Channels(1, atoms)

    def _known(self, variable: str, axis: int) -> Channels:
        """Channels of a layer's input; where an operator lost track of them, new locked ones."""
        if variable not in self.channels:
            channels = Channels(axis, self.new(self.shape(variable)[axis]))
            self.lock(channels.atoms, "where its channels come from is unknown")
            return channels
        return self.channels[variable]

    def _tie(self, atoms: np.ndarray, parts: int) -> None:
        """Channel j of each of `parts` equal parts becomes one."""
        rows = atoms.reshape(parts, -1)
        for row in rows[1:]:
            self.merge(rows[0], row)

    def _layer(self, weight: str, positions: Sequence[int]) -> None:
        name = self.names[weight]
        if name not in self.layers:
            self.layers.append(name)
        self.positions[name] = self.positions.get(name, 0) + int(np.prod(positions))

    def _matmul(self, op: Any, number: int) -> None:
        source, weight, out = _one(op, "X"), _one(op, "Y"), _one(op, "Out")
        rank = len(self.shape(source))
        if weight not in self.names or len(self.shape(weight)) != 2:
            raise Refused("it is multiplied with something else than a weight of two axes")
        self._layer(weight, self.shape(out)[1:-1])
        x = self._known(source, rank - 1)
        if x.axis != rank - 1 or op.attr("trans_x"):
            raise Refused("a linear layer runs over another axis")
        in_axis = 1 if op.attr("trans_y") else 0
        self.slot(weight, in_axis, "in", x.atoms)
        self.reads.append((number, source, x.axis, x.atoms))
        self.channels[out] = Channels(rank - 1, self.slot(weight, 1 - in_axis, "out"))

    def _norm(self, op: Any, number: int) -> None:
        x = self.channels.get(_one(op, "X"))
        if x is None:
            return
        if x.axis != 1 or any(v not in self.names for v in op.input("Scale") if "Scale" in op.input_names):
            raise Refused(f"'{op.type}' of another axis, or with a computed scale, has no rule")
        for argument in ("Scale", "Bias", "Mean", "Variance"):
            for variable in op.input(argument) if argument in op.input_names else []:
                self.slot(variable, 0, "scale" if argument == "Scale" else "follow", x.atoms)
        self.channels[_one(op, "Y")] = x

    def _mixing_norm(self, op: Any) -> None:
        raise Refused(f"'{op.type}' computes statistics over several channels")

    def _prelu(self, op: Any) -> None:
        x, a = self.channels.get(_one(op, "X")), self.get(_one(op, "Alpha"))
        if x is None:
            raise Refused("the channels of a PReLU's input are unknown")
        if a is not None:
            self.merge(a.atoms, x.atoms)
        self.channels[_one(op, "Out")] = x

    def _elementwise(self, op: Any) -> None:
        left, right, out = _one(op, "X"), _one(op, "Y"), _one(op, "Out")
        rank = len(self.shape(out))
        offsets = [rank - len(self.shape(left)), rank - len(self.shape(right))]
        if op.attr("axis") not in (-1, None):  # the older broadcasting: Y starts at that axis of X
            offsets[1] = op.attr("axis")
        sides = []
        for variable, offset in zip((left, right), offsets, strict=True):
            c = self.get(variable)
            if c is not None:
                sides.append(Channels(c.axis + offset, c.atoms))
        wide = [s for s in sides if len(s.atoms) > 1] or sides
        if len({s.axis for s in wide}) > 1:
            raise Refused(f"'{op.type}' pairs channels with another axis")
        if len(wide) == 2:
            self.merge(wide[0].atoms, wide[1].atoms)
        if len(sides) < 2 and self._untracked_vector(left, right, wide[0].axis, rank):
            raise Refused(f"'{op.type}' takes a vector whose channels are unknown")
        self.channels[out] = wide[0]

    def _untracked_vector(self, left: str, right: str, axis: int, rank: int) -> bool:
        """Is the operand without atoms longer than 1 on the channel axis?"""
        for variable in (left, right):
            shape = self.shape(variable)
            position = axis - (rank - len(shape))
            if self.get(variable) is None and 0 <= position < len(shape) and shape[position] != 1:
                return True
        return False

    def _concat(self, op: Any) -> None:
        names = op.input("X")
        parts = [self.get(name) for name in names]
        if any(part is None for part in parts):
            raise Refused("it is concatenated with something whose channels are unknown")
        axis = op.attr("axis") % len(self.shape(names[0]))
        known = [part for part in parts if part is not None]
        if len({part.axis for part in known}) > 1:
            raise Refused("it is concatenated along mixed axes")
        if axis == known[0].axis:
            atoms = np.concatenate([part.atoms for part in known])
        else:
            atoms = known[0].atoms
            for part in known[1:]:
                self.merge(atoms, part.atoms)
        self.channels[_one(op, "Out")] = Channels(known[0].axis, atoms)

    def _split(self, op: Any) -> None:
        x, outs = self.channels[_one(op, "X")], op.output("Out")
        axis = op.attr("axis") % len(self.shape(_one(op, "X")))
        if axis != x.axis:
            for out in outs:
                self.channels[out] = x
            return
        widths = {self.shape(out)[axis] for out in outs}
        if len(widths) > 1:
            raise Refused("it is split into unequal parts at fixed channels")
        self._tie(x.atoms, len(outs))
        for out, atoms in zip(outs, x.atoms.reshape(len(outs), -1), strict=True):
            self.channels[out] = Channels(axis, atoms)

    def _slice(self, op: Any) -> None:
        source, out = _one(op, "Input"), _one(op, "Out")
        x = self.channels[source]
        if any("Tensor" in name and op.input(name) for name in op.input_names):
            raise Refused("it is sliced at computed places")
        dropped = op.attr("decrease_axis") or []
        if dropped and any(d <= x.axis for d in dropped):
            raise Refused("a single channel or image is picked out")
        if x.axis not in op.attr("axes"):
            self.channels[out] = x
            return
        which = op.attr("axes").index(x.axis)
        count = len(x.atoms)
        start, end = (min(v + count if v < 0 else v, count) for v in (
            op.attr("starts")[which], op.attr("ends")[which]))  # fmt: skip
        width = end - start
        if width <= 0 or count % width or start % width:
            raise Refused("it is sliced at fixed channels")
        self._tie(x.atoms, count // width)  # equal parts stay equal
        self.channels[out] = Channels(x.axis, x.atoms[start:end])

    def _flatten(self, op: Any) -> None:
        self._reshape_to(op, self.shape(_one(op, "Out")))

    def _reshape_to(self, op: Any, after: tuple[int, ...]) -> None:
        """Follow the channel axis through a change of shape that keeps each channel together."""
        x, before = self.channels[_one(op, "X")], self.shape(_one(op, "X"))
        channels, tail = len(x.atoms), int(np.prod([abs(n) for n in before[x.axis + 1 :]]))
        head = [abs(n) for n in before[: x.axis]]
        for axis, n in enumerate(after):
            lead = [abs(m) for m in after[:axis]]
            if int(np.prod(lead)) != int(np.prod(head)) or n <= 0:
                continue
            rest = int(np.prod([abs(m) for m in after[axis + 1 :]]))
            if n == channels and rest == tail:
                self.channels[_one(op, "Out")] = Channels(axis, x.atoms)
                return
            if n == channels * tail and rest == 1:
                self.channels[_one(op, "Out")] = Channels(axis, np.repeat(x.atoms, tail))
                return
        raise Refused("a reshape mixes its channels with other axes")

    def _transpose(self, op: Any) -> None:
        x = self.channels[_one(op, "X")]
        order = list(op.attr("axis"))
        self.channels[_one(op, "Out")] = Channels(order.index(x.axis), x.atoms)

    def _reduce(self, op: Any) -> None:
        source = _one(op, "X")
        x, rank = self.channels[source], len(self.shape(source))
        dims = {d % rank for d in op.attr("dim")}
        if x.axis in dims or op.attr("reduce_all"):
            raise Refused(f"'{op.type}' runs over its channels")
        lost = 0 if op.attr("keep_dim") else sum(d < x.axis for d in dims)
        self.channels[_one(op, "Out")] = Channels(x.axis - lost, x.atoms)

    def _softmax(self, op: Any) -> None:
        source = _one(op, "X")
        x = self.channels[source]
        if op.attr("axis") % len(self.shape(source)) == x.axis:
            raise Refused(f"'{op.type}' runs over its channels")
        self.channels[_one(op, "Out")] = x


def needed_by(block: Any, outputs: Sequence[str], stop: int = 0) -> set[str]:
    """All variables that `outputs` depend on through operators from number `stop` on."""
    needed = set(outputs)
    for op in reversed(block.ops[stop:]):
        if needed & set(op.output_arg_names):
            needed.update(op.input_arg_names)
    return needed


def _one(op: Any, argument: str) -> str:
    names = op.output(argument) if argument in op.output_names else op.input(argument)
    return names[0]


# Rules of the operators that own parameters: they say which axis of which is what.
LAYERS: dict[str, Any] = {
    "conv2d": Walk._conv,
    "depthwise_conv2d": Walk._conv,
    "conv2d_transpose": Walk._conv,
    "depthwise_conv2d_transpose": Walk._conv,
    "matmul_v2": Walk._matmul,
    "batch_norm": Walk._norm,
    "sync_batch_norm": Walk._norm,
    "instance_norm": Walk._norm,
}
# Rules of the others.
RULES: dict[str, Any] = {
    "layer_norm": Walk._mixing_norm,
    "group_norm": Walk._mixing_norm,
    "prelu": Walk._prelu,
    "elementwise_add": Walk._elementwise,
    "elementwise_sub": Walk._elementwise,
    "elementwise_mul": Walk._elementwise,
    "elementwise_div": Walk._elementwise,
    "elementwise_max": Walk._elementwise,
    "elementwise_min": Walk._elementwise,
    "concat": Walk._concat,
    "split": Walk._split,
    "slice": Walk._slice,
    "flatten_contiguous_range": Walk._flatten,
    "reshape2": Walk._flatten,
    "squeeze2": Walk._flatten,
    "unsqueeze2": Walk._flatten,
    "transpose2": Walk._transpose,
    "reduce_mean": Walk._reduce,
    "reduce_sum": Walk._reduce,
    "reduce_max": Walk._reduce,
    "softmax": Walk._softmax,
    "log_softmax": Walk._softmax,
}
