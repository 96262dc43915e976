"""(dense network, Plan) -> narrow network. Either all of it is done, or nothing."""

from typing import Any

from paddle import nn

from ..errors import UserError
from ..graph.example import Example
from .groups import Groups, find_groups
from .plan import Plan, plan_keeping
from .remembered import number
from .surgery import Fault, Saved, carry_out, compare, expected_of, runs_in_training


def narrow(
    network: nn.Layer, plan: Plan, example: Any = None, groups: Groups | None = None, check: bool = True
) -> None:
    """Narrow `network` in place: parameters, statistics, and the widths its layers remember.

    `example` (an image shape [C, H, W], or as in `Example`) is needed to `check`: the narrow network is compared
    with the masked dense one on it, and tried in training mode. `groups` of the dense network
    are found anew if not given. Where it is not to be checked, a plan needs neither.

    Raises UserError if the plan was made for another network, or if a forward insists on the old widths; the
    network is then as it was.
    """
    check = check and example is not None
    if check or plan.slices is None:
        groups = groups or find_groups(network, example)
    plan = fitting(network, plan, groups)
    if not check:
        carry_out(network, plan)
        return
    assert groups is not None
    example, saved = Example(example), Saved(network, plan)
    try:
        expected, trains = expected_of(network, groups, plan, example), runs_in_training(network, example)
        carry_out(network, plan)
        compare(network, example, expected, trains)
    except Fault as fault:
        saved.put_back()
        advice = "the model's forward holds fixed channel counts; read widths from shapes there"
        raise UserError(f"plan: the pruned network {fault}: {advice}") from fault
    except BaseException:
        saved.put_back()
        raise


def fitting(network: nn.Layer, plan: Plan, groups: Groups | None) -> Plan:
    """The plan with its slices. Raises UserError if it was made for another network."""
    if groups is not None:
        plan = _with_slices(plan, groups)
    _refuse_unfit(network, plan)
    return plan


def _with_slices(plan: Plan, groups: Groups) -> Plan:
    for name, size in plan.sizes.items():
        if name not in groups or groups[name].size != size:
            here = groups[name].size if name in groups else "no such group"
            raise UserError(
                f"plan: group '{name}' of {size} channels does not fit this network ({here}); "
                "the plan was made for another model"
            )
    return plan_keeping(groups, plan.kept) if plan.slices is None else plan


def _refuse_unfit(network: nn.Layer, plan: Plan) -> None:
    shapes = {n: t.shape for n, t in [*network.named_parameters(), *network.named_buffers()]}
    for (name, axis), part in (plan.slices or {}).items():
        there = shapes.get(name)
        if there is None or axis >= len(there) or there[axis] != part.length:
            here = f"has the shape {list(there)}" if there is not None else "is not there"
            raise UserError(
                f"plan: '{name}' of {part.length} on axis {axis} does not fit this network, where it {here}; "
                "the plan was made for another model"
            )
    for place in plan.numbers:
        number(network, place)
