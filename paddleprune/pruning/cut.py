"""Where the network is cut for a group, and what is multiplied by 0 behind the cut.

For a group, the traced program is cut before the first operator that reads its channels. LIVE are
the activations made before the cut and used behind it; they are all that the rest of the network
needs to know. Behind the cut the channels are multiplied by a mask wherever an operator reads them:

    image -> ... -> live  |->  live * mask -> reader -> ... -> outputs
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .groups import Group, Groups, Read
from .trace import legacy
from .walk import needed_by


@dataclass(frozen=True, eq=False)
class Cut:
    """`first`: number of the operator behind the cut. `live`: variables that cross it.
    `early`: outputs of the network made before it, `late`: the others.
    `program`: a clone of the traced one that reads its masks as variables, `masks`: {name: Read}."""

    first: int
    live: tuple[str, ...]
    early: tuple[str, ...]
    late: tuple[str, ...]
    program: Any
    masks: dict[str, Read]


def cut(groups: Groups, group: Group) -> Cut | None:
    """The cut for a group; None if the outputs depend on no operator that reads it."""
    traced, readers = groups.traced, _readers(groups, group)
    if not readers:
        return None
    first = min(read.operator for read in readers)
    with legacy():
        program = traced.program.clone()
        block = program.global_block()
        made = {traced.input}
        for op in block.ops[:first]:
            made.update(op.output_arg_names)
        # From the last reader to the first, so that operator numbers stay true.
        masks = {}
        for i, read in enumerate(sorted(readers, key=lambda r: -r.operator)):
            masks[_insert_mask(block, read, i)] = read
        late = tuple(name for name in traced.outputs if name not in made)
        needed = needed_by(block, late, stop=first)
        live = sorted(n for n in made & needed if not block.var(n).persistable)
    early = tuple(name for name in traced.outputs if name in made)
    return Cut(first, tuple(live), early, late, program, masks)


def mask(shape: Sequence[int], read: Read, removed: np.ndarray) -> np.ndarray:
    """1 everywhere but 0 at the positions of `removed` units; 1 long but on the channel axis.

    `shape`: of the variable that is read."""
    values = np.ones(shape[read.axis], np.float32)
    values[read.index[removed].ravel()] = 0
    return values.reshape([-1 if axis == read.axis else 1 for axis in range(len(shape))])


def _insert_mask(block: Any, read: Read, number: int) -> str:
    """Make operator `read.operator` read variable * mask; the mask variable's name."""
    source = block.var(read.variable)
    shape = [n if axis == read.axis else 1 for axis, n in enumerate(source.shape)]
    given = block.create_var(name=f"keep_{number}", shape=shape, dtype=source.dtype)
    product = block.create_var(name=f"kept_{number}", shape=source.shape, dtype=source.dtype)
    block.ops[read.operator]._rename_input(read.variable, product.name)
    block._insert_op(
        read.operator,
        type="elementwise_mul",
        inputs={"X": [source], "Y": [given]},
        outputs={"Out": [product]},
        attrs={"axis": -1},
    )
    return given.name


def _readers(groups: Groups, group: Group) -> list[Read]:
    """The group's reads by operators that the outputs depend on."""
    block = groups.traced.program.global_block()
    needed = needed_by(block, groups.traced.outputs)
    return [r for r in group.reads if needed & set(block.ops[r.operator].output_arg_names)]
