"""Parts of a legacy program, cut out of its message (a protobuf): Paddle's own way clones the program four times.

image -> ... -> a | b -> c      feeds (a), fetches (c), a mask on what b reads:
feed a, feed mask -> a * mask -> b -> c -> fetch
"""

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from paddle.base.proto import framework_pb2

from .ir import Graph, Mask, Mix, Variable
from .legacy import Legacy

pb: Any = framework_pb2  # its names are made when it is imported
KINDS = {np.dtype(name): getattr(pb.VarType, kind) for name, kind in (
    ("float32", "FP32"), ("float64", "FP64"), ("float16", "FP16"), ("int64", "INT64"), ("int32", "INT32"),
    ("int16", "INT16"), ("int8", "INT8"), ("uint8", "UINT8"), ("bool", "BOOL"),
)}  # fmt: skip


def legacy_part(
    graph: Graph, feeds: Sequence[Variable], fetches: Sequence[Variable], masks: Sequence[Mask | Mix] = ()
) -> tuple[bytes, bytes]:
    """What computes `fetches` from `feeds` and masks, as (.pdmodel, .pdiparams) bytes."""
    source: Legacy = graph.source
    editor = _Editor(source.program)
    for mask in masks:
        insert: Any = editor.mask if isinstance(mask, Mask) else editor.mix
        insert(source.names[mask.variable], mask)
    given = [*(source.names[v] for v in feeds), *(mask.name for mask in masks)]
    given += [mask.shift for mask in masks if isinstance(mask, Mix)]
    program = editor.part(given, [source.names[v] for v in fetches])
    weights = sorted(v.name for v in program.blocks[0].vars if v.name in source.traced.tensors)
    stored = b"".join(_stored(source.traced.tensors[name][1].numpy()) for name in weights)
    return program.SerializeToString(), stored


def _stored(array: np.ndarray) -> bytes:
    """A tensor as Paddle's parameter files hold it: versions, no levels, its description, its values."""
    facts = pb.VarType.TensorDesc(data_type=KINDS[array.dtype], dims=array.shape).SerializeToString()
    return struct.pack("<IQIi", 0, 0, 0, len(facts)) + facts + np.ascontiguousarray(array).tobytes()


def _operator(kind: str, inputs: dict, outputs: dict, **attributes: Any) -> Any:
    op = pb.OpDesc(type=kind)
    for ends, given in ((op.inputs, inputs), (op.outputs, outputs)):
        for parameter, name in given.items():
            ends.add(parameter=parameter, arguments=[name])
    for name, value in attributes.items():
        if isinstance(value, bool):
            op.attrs.add(name=name, type=pb.BOOLEAN, b=value)
        elif isinstance(value, int):
            op.attrs.add(name=name, type=pb.INT, i=value)
        else:
            op.attrs.add(name=name, type=pb.INTS, ints=value)
    return op


def _tensor(name: str, shape: Sequence[int], kind: int) -> Any:
    variable = pb.VarDesc(name=name)
    variable.type.type = pb.VarType.DENSE_TENSOR
    variable.type.dense_tensor.tensor.data_type = kind
    variable.type.dense_tensor.tensor.dims.extend(shape)
    return variable


class _Editor:
    """Operators put before those of a program, which itself stays as it is."""

    def __init__(self, program: Any):
        self.program, self.block = program, program.blocks[0]
        self.variables = {v.name: v for v in self.block.vars}
        self.before: dict[int, list[Any]] = {}  # operator -> those that are put before it
        self.renamed: dict[int, dict[str, str]] = {}  # operator -> other names of what it reads

    def _described(self, name: str) -> tuple[list[int], int]:
        tensor = self.variables[name].type.dense_tensor.tensor
        return list(tensor.dims), tensor.data_type

    def _make(self, name: str, shape: Sequence[int], kind: int) -> str:
        self.variables[name] = _tensor(name, shape, kind)
        return name

    def mask(self, name: str, mask: Mask) -> None:
        """The mask's operator reads variable * mask."""
        shape, kind = self._described(name)
        given = self._make(mask.name, mask.shape, kind)
        product = self._make(f"{mask.name}_kept", shape, kind)
        op = _operator("elementwise_mul", {"X": name, "Y": given}, {"Out": product}, axis=-1)
        self._put(mask.operator, [op], name, product)

    def mix(self, name: str, mix: Mix) -> None:
        """The mix's operator reads matrix @ variable + shift."""
        shape, kind = self._described(name)
        channels = shape[-1] if mix.last else shape[1]
        matrix = self._make(mix.name, [channels, channels], kind)
        shift = self._make(mix.shift, mix.shape(channels), kind)
        made = [self._make(f"{mix.name}_at_{i}", shape, kind) for i in range(4)]
        no_turn = {"trans_x": False, "trans_y": False}
        if mix.last:
            steps = [
                _operator(
                    "matmul_v2", {"X": name, "Y": matrix}, {"Out": made[0]}, trans_x=False, trans_y=True
                ),
                _operator("elementwise_add", {"X": made[0], "Y": shift}, {"Out": made[3]}, axis=-1),
            ]
        else:
            flat = [-1, channels, int(np.prod(shape[2:]))]
            for number in range(3):
                self._make(made[number], flat, kind)
            ends = [self._make(f"{mix.name}_before_{i}", [0], kind) for i in range(2)]
            steps = [
                _operator("reshape2", {"X": name}, {"Out": made[0], "XShape": ends[0]}, shape=flat),
                _operator("matmul_v2", {"X": matrix, "Y": made[0]}, {"Out": made[1]}, **no_turn),
                _operator("elementwise_add", {"X": made[1], "Y": shift}, {"Out": made[2]}, axis=-1),
                _operator(
                    "reshape2", {"X": made[2]}, {"Out": made[3], "XShape": ends[1]}, shape=[-1, *shape[1:]]
                ),
            ]  # fmt: skip
        self._put(mix.operator, steps, name, made[3])

    def _put(self, operator: int, steps: list[Any], name: str, result: str) -> None:
        self.before.setdefault(operator, []).extend(steps)
        self.renamed.setdefault(operator, {})[name] = result

    def part(self, feeds: Sequence[str], fetches: Sequence[str]) -> Any:
        """The program from `feeds` to `fetches`."""
        kept = self._kept(set(feeds), set(fetches))
        program = pb.ProgramDesc(version=self.program.version, op_version_map=self.program.op_version_map)
        block = program.blocks.add(idx=self.block.idx, parent_idx=self.block.parent_idx)
        for column, name in enumerate(feeds):
            block.ops.append(_operator("feed", {"X": "feed"}, {"Out": name}, col=column))
        block.ops.extend(kept)
        for column, name in enumerate(fetches):
            block.ops.append(_operator("fetch", {"X": name}, {"Out": "fetch"}, col=column))
        for name, kind in (("feed", pb.VarType.FEED_MINIBATCH), ("fetch", pb.VarType.FETCH_LIST)):
            block.vars.add(name=name, persistable=True).type.type = kind
        inner = self.program.blocks[1:]  # of branches and loops, which may read any variable
        used = {*feeds, *fetches, *(name for op in kept for name in _names(op.inputs, op.outputs))}
        block.vars.extend(v for name, v in self.variables.items() if inner or name in used)
        program.blocks.extend(inner)
        return program

    def _kept(self, feeds: set[str], fetches: set[str]) -> list[Any]:
        """The operators between, in order."""
        needed, kept = set(fetches), []
        for number in reversed(range(len(self.block.ops))):
            for op in reversed([*self.before.get(number, []), self.block.ops[number]]):
                if op.type in ("feed", "fetch") or (needed - feeds).isdisjoint(_names(op.outputs)):
                    continue
                if op is self.block.ops[number] and number in self.renamed:
                    op = self._reading(op, self.renamed[number])
                needed.update(_names(op.inputs))
                kept.append(op)
        return kept[::-1]

    @staticmethod
    def _reading(op: Any, other: dict[str, str]) -> Any:
        changed = pb.OpDesc()
        changed.CopyFrom(op)
        for end in changed.inputs:
            end.arguments[:] = [other.get(name, name) for name in end.arguments]
        return changed


def _names(*ends: Any) -> list[str]:
    return [name for group in ends for end in group for name in end.arguments]
