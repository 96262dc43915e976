"""Groups by hand on toy nets, and against PaddleSlim's own where it has them."""

import numpy as np
import paddle
import pytest
import slim_reference
from conftest import TOY_SHAPE, Chain, Concat, Depthwise, Grouped, PRelu, Residual, Split, SplitBySlice
from paddle import nn
from paddle.nn import functional as F

from paddleprune import models
from paddleprune.pruning.groups import find_groups


def places(group, role):
    return {(s.parameter, s.axis) for s in group.role(role)}


def test_a_chain_with_a_flatten():
    groups = find_groups(Chain(), TOY_SHAPE)
    assert {n: g.size for n, g in groups.items()} == {"a.weight": 8, "b.weight": 6, "fc1.weight": 10}
    assert places(groups["a.weight"], "in") == {("b.weight", 1)}
    assert places(groups["a.weight"], "follow") == {("a.bias", 0)}
    (flat,) = groups["b.weight"].role("in")
    assert (flat.parameter, flat.axis) == ("fc1.weight", 0)
    # channel 2 of 4x4 pixels is the flat inputs 32..47
    np.testing.assert_array_equal(flat.index[2], np.arange(32, 48))
    assert groups.reasons == {"fc2.weight": "its channels are the network's output"}


def test_a_residual_stream_is_one_group():
    groups = find_groups(Residual(), TOY_SHAPE)
    assert list(groups) == ["stem.0.weight"]
    stream = groups["stem.0.weight"]
    assert places(stream, "out") == {("stem.0.weight", 0), ("f.0.weight", 0), ("g.0.weight", 0)}
    assert places(stream, "in") == {("f.0.weight", 1), ("g.0.weight", 1), ("head.weight", 1)}
    assert places(stream, "scale") == {("stem.1.weight", 0), ("f.1.weight", 0), ("g.1.weight", 0)}
    assert len(stream.reads) == 3


def test_depthwise_follows_and_the_gate_joins():
    groups = find_groups(Depthwise(), TOY_SHAPE)
    assert {n: g.size for n, g in groups.items()} == {"expand.0.weight": 6, "squeeze.weight": 4}
    wide = groups["expand.0.weight"]
    (depth,) = [s for s in wide.slots if s.parameter == "depth.0.weight"]
    np.testing.assert_array_equal(depth.index, [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]])
    # the gate multiplies the depthwise output channel by channel, so both go
    assert places(wide, "out") == {("expand.0.weight", 0), ("excite.weight", 0)}
    assert places(wide, "in") == {("squeeze.weight", 1), ("project.weight", 1)}


def test_a_grouped_convolution_ties_its_groups():
    groups = find_groups(Grouped(), TOY_SHAPE)
    assert {n: g.size for n, g in groups.items()} == {"a.0.weight": 4, "grouped.0.weight": 6}
    (made,) = groups["a.0.weight"].role("out")
    np.testing.assert_array_equal(made.index, [[0, 4], [1, 5], [2, 6], [3, 7]])
    (read,) = groups["a.0.weight"].role("in")
    np.testing.assert_array_equal(read.index, [[0], [1], [2], [3]])
    assert groups["a.0.weight"].reads[0].units.ravel().tolist() == [0, 1, 2, 3, 0, 1, 2, 3]


def test_a_concat_lines_channels_up():
    groups = find_groups(Concat(), TOY_SHAPE)
    assert {n: g.size for n, g in groups.items()} == {
        "a.0.weight": 8, "down.0.weight": 12, "join.0.weight": 6, "up.weight": 4,
    }  # fmt: skip
    (join,) = [s for s in groups["down.0.weight"].role("in") if s.parameter == "join.0.weight"]
    np.testing.assert_array_equal(join.index[:, 0], np.arange(8, 20))
    # a transposed convolution has its inputs on axis 0 and its filters on axis 1
    assert places(groups["join.0.weight"], "in") == {("up.weight", 0)}
    assert places(groups["up.weight"], "out") == {("up.weight", 1)}


@pytest.mark.parametrize("net", [Split, SplitBySlice])
def test_equal_parts_stay_equal(net):
    groups = find_groups(net(), TOY_SHAPE)
    assert {n: g.size for n, g in groups.items()} == {"a.weight": 4}
    (made,) = groups["a.weight"].role("out")
    np.testing.assert_array_equal(made.index, [[0, 4], [1, 5], [2, 6], [3, 7]])
    assert places(groups["a.weight"], "scale") == {("batch.weight", 0), ("instance.scale", 0)}


def test_a_prelu_and_padding():
    groups = find_groups(PRelu(), TOY_SHAPE)
    assert {n: g.size for n, g in groups.items()} == {"a.weight": 8, "b.weight": 6}
    assert ("act._weight", 0) in places(groups["a.weight"], "follow")


class Refusing(nn.Layer):
    """What cannot be followed: group norm, unequal split, an operator without a rule, softmax."""

    def __init__(self):
        super().__init__()
        self.a, self.norm = nn.Conv2D(3, 8, 1), nn.GroupNorm(2, 8)
        self.b, self.c, self.d = nn.Conv2D(8, 8, 1), nn.Conv2D(3, 8, 1), nn.Conv2D(8, 8, 1)
        self.e, self.head = nn.Conv2D(8, 8, 1), nn.Conv2D(8, 8, 1)

    def forward(self, x):
        x = self.b(F.relu(self.norm(self.a(x))))
        first, second = paddle.split(x, [3, 5], axis=1)
        x = self.d(paddle.concat([first, self.c(first)[:, :5]], axis=1) + F.pixel_unshuffle(x, 1))
        x = self.e(F.softmax(x, axis=1))
        return self.head(x.flip(1)) + second.mean()


def test_what_is_not_followed_stays_with_a_reason():
    groups = find_groups(Refusing(), TOY_SHAPE)
    # of c nobody reads the last three filters, and a flip turns whatever is there
    assert {n: g.size for n, g in groups.items()} == {"c.weight": 3, "e.weight": 8}
    assert "group_norm" in groups.reasons["a.weight"]
    assert "paddle.split(x, [3, 5], axis=1)" in groups.reasons["b.weight"]
    assert "softmax" in groups.reasons["d.weight"]
    assert "F.softmax(x, axis=1)" in groups.reasons["d.weight"], "the line of the forward"
    assert "output" in groups.reasons["head.weight"]
    assert set(groups.reasons) | set(groups) == set(groups.layers)


class Shared(nn.Layer):
    """One convolution applied twice: its filters meet themselves."""

    def __init__(self):
        super().__init__()
        self.a, self.twice, self.head = nn.Conv2D(3, 6, 1), nn.Conv2D(6, 6, 1), nn.Conv2D(6, 2, 1)

    def forward(self, x):
        return self.head(self.twice(F.relu(self.twice(F.relu(self.a(x))))))


def test_a_layer_applied_twice_joins_its_ends():
    groups = find_groups(Shared(), TOY_SHAPE)
    assert {n: g.size for n, g in groups.items()} == {"a.weight": 6}
    assert places(groups["a.weight"], "out") == {("a.weight", 0), ("twice.weight", 0)}


def test_mobilenet_v2_by_hand():
    """52 convolutions: the stem, 17 blocks whose outputs form 7 streams, the last one. Each block
    but the first expands, so groups are 1 (stem) + 7 streams + 16 expansions + 1 (last) = 25."""
    groups = find_groups(models.build("mobilenet_v2", {"num_classes": 3}), (3, 32, 32))
    assert len(groups) == 25
    assert sum(len(groups.shapes[w]) == 4 for w in groups.layers) == 52
    assert groups.reasons == {"classifier.1.weight": "its channels are the network's output"}


@pytest.mark.parametrize(
    ("name", "left_out"), [("mobilenet_v1", []), ("mobilenet_v2", ["features.18.0.weight"])]
)
def test_paddleslim_finds_the_same_groups(name, left_out, tmp_path):
    """PaddleSlim's plan for the filters of a group touches exactly the group's slots. It has no
    plan for MobileNetV2's last convolution, which it takes for a leaf."""
    example = models.card(name)
    groups = find_groups(models.build(name, example.args), example.image_shape)
    theirs = slim_reference.ask(
        tmp_path,
        what="groups",
        model=name,
        args=example.args,
        shape=example.image_shape,
        names=list(groups),
    )
    assert [n for n in groups if not theirs[n]] == left_out
    for group in groups.values():
        if group.name not in left_out:
            slots = sorted((s.parameter, s.axis) for s in group.slots)
            assert sorted(map(tuple, theirs[group.name])) == slots


class Decides(paddle.nn.Layer):
    """Takes one of two ways by what the picture is."""

    def __init__(self):
        super().__init__()
        self.a, self.b = paddle.nn.Conv2D(3, 4, 1), paddle.nn.Conv2D(3, 4, 1)

    def forward(self, x):
        if x.mean() > 0:
            return self.a(x)
        return self.b(x)


class MakesBatches(paddle.nn.Layer):
    """Runs only where the rewriting of its source makes a tensor of the batch's size."""

    def __init__(self):
        super().__init__()
        self.a = paddle.nn.Conv2D(3, 4, 1)

    def forward(self, x):
        return paddle.zeros([x.shape[0], 4, 1, 1]) + self.a(x)


def test_a_forward_that_decides_by_a_tensor_is_no_half_of_it():
    network = Decides()
    groups = find_groups(network, (3, 8, 8))
    assert not groups
    assert all("decided by a tensor" in groups.reasons[name] for name in ("a.weight", "b.weight"))
    assert paddle.in_dynamic_mode()
    assert network(paddle.ones([1, 3, 8, 8])).shape == [1, 4, 8, 8], "it was left as it was"
    assert find_groups(MakesBatches(), (3, 8, 8)).layers
