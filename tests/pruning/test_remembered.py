"""Numbers that layers remember shrink with the channels that they count, and no others do."""

import copy

import paddle
import pytest
from conftest import TOY_SHAPE, Remembering, Tokens, randomize
from paddle import nn

from paddleprune.errors import UserError
from paddleprune.pruning.groups import find_groups
from paddleprune.pruning.narrow import narrow
from paddleprune.pruning.plan import Plan, plan_keeping


@pytest.fixture(scope="module")
def found():
    network = Remembering()
    return network, find_groups(network, TOY_SHAPE)


def test_what_is_needed_is_found_and_nothing_is_changed(found):
    network, groups = found
    assert {name: dict(group.numbers) for name, group in groups.items()} == {
        "a.0.weight": {"tokens.dim": 12}, "b.0.weight": {"widths[0]": 6}, "c.0.weight": {"widths[1]": 10},
    }  # fmt: skip
    assert (network.tokens.dim, network.classes, network.widths) == (12, 12, [6, 10])
    assert "group a.0.weight (12 channels, tokens.dim)" in groups.describe()


def test_a_plan_says_them_and_needs_no_look_at_the_network(found):
    _, groups = found
    plan = plan_keeping(groups, {"a.0.weight": (0, 3, 5, 6, 11), "c.0.weight": (1, 2, 9)})
    assert plan.numbers == {"tokens.dim": 5, "widths[1]": 3}
    plan = Plan.from_dict(plan.as_dict())
    one, other = Remembering(), Remembering()
    other.widths = one.widths
    narrow(one, plan)
    assert (one.tokens.dim, one.classes, one.widths) == (5, 12, [6, 3])
    assert other.widths == [6, 10]  # a list may be shared
    assert one(paddle.ones([1, *TOY_SHAPE])).shape == [1, 2, 8, 8]
    later = plan_keeping(find_groups(one, TOY_SHAPE), {"a.0.weight": (0, 1), "b.0.weight": (4,)})
    assert plan.then(later).numbers == {"tokens.dim": 2, "widths[0]": 1, "widths[1]": 3}
    narrow(other, plan.then(later))
    assert (other.tokens.dim, other.widths) == (2, [1, 3])


def test_a_refused_plan_leaves_them(found):
    network, groups = found
    network = randomize(copy.deepcopy(network))
    network.tokens.register_forward_post_hook(
        lambda layer, inputs, output: output * layer.dim
    )  # means the number
    with pytest.raises(UserError, match="computes something else"):
        narrow(network, plan_keeping(groups, {"a.0.weight": (0, 1)}), TOY_SHAPE, groups)
    assert network.tokens.dim == 12


class Twice(nn.Layer):
    """One number for two layers that may have other widths than each other."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.tokens = nn.Conv2D(3, 8, 1), nn.Conv2D(3, 8, 1), Tokens(8)
        self.head = nn.Conv2D(16, 2, 1)

    def forward(self, x):
        n, _, h, w = x.shape
        b = self.b(x).flatten(2).reshape([n, self.tokens.dim, h, w])
        return self.head(paddle.concat([self.tokens(self.a(x)), b], axis=1))


def test_a_number_that_counts_two_things_keeps_both_whole():
    groups = find_groups(Twice(), TOY_SHAPE)
    assert not groups
    assert all("without some of its channels" in groups.reasons[name] for name in ("a.weight", "b.weight"))


@pytest.mark.parametrize(
    "place",
    ["tokens.depth._stride[0]", "nowhere.dim", "tokens.name", "widths[7]", "widths", "head._groups.x"],
)
def test_a_plan_for_another_network_is_refused(found, place):
    plan = plan_keeping(found[1], {"a.0.weight": (0, 1)}).as_dict()
    network = Remembering()
    with pytest.raises(UserError, match="made for another model"):
        narrow(network, Plan.from_dict({**plan, "numbers": {place: 2}}))
    assert network.a[0].weight.shape[0] == 12


@pytest.mark.parametrize("value", [0, -3, 1.5, "9", True, None])
def test_a_number_that_is_no_width_is_refused(found, value):
    plan = plan_keeping(found[1], {"a.0.weight": (0, 1)}).as_dict()
    with pytest.raises(UserError, match="damaged"):
        Plan.from_dict({**plan, "numbers": {"tokens.dim": value}})
