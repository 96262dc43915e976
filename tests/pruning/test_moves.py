"""Operators that move channels, in the spellings that people use: groups by hand, and the law on each."""

import numpy as np
import paddle
import pytest
from conftest import conv, randomize, unaccounted
from paddle import nn
from paddle.nn import functional as F
from paddle.vision.ops import DeformConv2D

from paddleprune import Pruner, UserError
from paddleprune.channels.rules.points import pass_on
from paddleprune.pruning import criteria
from paddleprune.pruning.groups import find_groups
from paddleprune.pruning.narrow import narrow
from paddleprune.pruning.plan import make_plan
from paddleprune.pruning.surgery import masked
from paddleprune.strategies import Uniform

SHAPE = (3, 8, 8)


class Of(nn.Layer):
    """a: 3 -> 8, b: 8 -> 12, head: `width` -> 2, and a forward."""

    def __init__(self, forward, width=12, **layers):
        super().__init__()
        self.a, self.b, self.head = conv(3, 8), conv(8, 12), nn.Conv2D(width, 2, 1)
        for name, layer in layers.items():
            setattr(self, name, layer)
        self.how = forward

    def forward(self, x):
        return self.how(self, x)


def shuffled(x, groups):
    n, c, h, w = x.shape
    return x.reshape([n, groups, c // groups, h, w]).transpose([0, 2, 1, 3, 4]).reshape([n, c, h, w])


def reorg_by_reshape(x):
    n, c, h, w = x.shape
    x = x.reshape([n, c, h // 2, 2, w // 2, 2]).transpose([0, 3, 5, 1, 2, 4])
    return x.reshape([n, 4 * c, h // 2, w // 2])


def reorg_by_slices(x):
    return paddle.concat([x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)], 1)


def pooled_and_back(net, x):
    y = F.relu(net.b(net.a(x)))
    small, where = F.max_pool2d(y, 2, return_mask=True)
    return net.head(F.max_unpool2d(net.c(small), where, 2))


def attention(net, x):
    n = x.shape[0]
    x = net.b(net.a(x)).flatten(2).transpose([0, 2, 1])
    q, k, v = net.qkv(x).reshape([n, x.shape[1], 3, 2, -1]).transpose([2, 0, 3, 1, 4])
    y = F.softmax(q @ k.transpose([0, 1, 3, 2]), -1) @ v
    return net.fc(y.transpose([0, 2, 1, 3]).reshape([n, x.shape[1], -1]))


def unequal(net, x):
    y = F.relu(net.b(net.a(x)))
    first, second = y.split([y.shape[1] // 2, -1], 1)
    return net.head(paddle.concat([second, first], 1))


def gated(net, x):
    y = F.relu(net.b(net.a(x)))
    return net.head(y * F.sigmoid(net.gate(y)))  # one map for all channels


def by_labels(net, x):
    x = net.b(net.a(x))
    q, k, v = (layer(x).flatten(2) for layer in (net.q, net.k, net.v))
    y = paddle.einsum("bnm,bcm->bcn", F.softmax(paddle.einsum("bcn,bcm->bnm", q, k)), v)
    return net.head(x * paddle.einsum("bcn,bcn->bcn", y, y).reshape(x.shape))


def of_windows(net, x):
    y = F.unfold(F.relu(net.b(net.a(x))), 3, paddings=1)
    return net.head(F.fold(y * 0.5, x.shape[2:], 3, paddings=1))


def deformed(net, x):
    y = F.relu(net.a(x))
    return net.head(net.c(y, net.places(y), F.sigmoid(net.much(y))))


def over_positions(net, x):
    y = F.relu(net.b(net.a(x))).mean(3)
    return net.fc(net.line(y))


# name -> (network, {group: size}); units of b's twelve filters where some go together
CASES = {
    "shuffle": (lambda: Of(lambda n, x: n.head(shuffled(F.relu(n.b(n.a(x))), 3))), {"a": 8, "b": 4}),
    "channel_shuffle": (lambda: Of(lambda n, x: n.head(F.channel_shuffle(F.relu(n.b(n.a(x))), 3))), {"a": 8, "b": 4}),
    "pixel_shuffle": (lambda: Of(lambda n, x: n.head(F.pixel_shuffle(n.b(n.a(x)), 2)), 3), {"a": 8, "b": 3}),
    "pixel_unshuffle": (lambda: Of(lambda n, x: n.head(F.pixel_unshuffle(n.b(n.a(x)), 2)), 48), {"a": 8, "b": 12}),
    "reorg": (lambda: Of(lambda n, x: n.head(reorg_by_reshape(n.b(n.a(x)))), 48), {"a": 8, "b": 12}),
    "reorg by slices": (lambda: Of(lambda n, x: n.head(reorg_by_slices(n.b(n.a(x)))), 48), {"a": 8, "b": 12}),
    "unpool": (lambda: Of(pooled_and_back, c=nn.Conv2D(12, 12, 1)), {"a": 8, "b": 12}),
    "flip": (lambda: Of(lambda n, x: n.head(n.b(n.a(x)).flip(1))), {"a": 8, "b": 12}),
    "strides": (lambda: Of(lambda n, x: n.head(n.b(n.a(x))[:, ::2]), 6), {"a": 8, "b": 6}),
    "stack": (lambda: Of(lambda n, x: n.head(paddle.stack([n.b(n.a(x)), n.c(x)], 1).sum(1)), c=conv(3, 12)), {"a": 8, "b": 12}),
    "one for all": (lambda: Of(gated, gate=nn.Conv2D(12, 1, 1)), {"a": 8, "b": 12}),
    "attention": (lambda: Of(attention, qkv=nn.Linear(12, 24), fc=nn.Linear(8, 3)), {"a": 8, "b": 12, "qkv": 4}),
    "as long as x": (lambda: Of(lambda n, x: n.head((y := n.b(n.a(x))) * paddle.linspace(0.1, 1, y.shape[1]).reshape([1, -1, 1, 1]))), {"a": 8}),
    "ones": (lambda: Of(lambda n, x: n.head((y := n.b(n.a(x))) * paddle.ones([1, y.shape[1], 1, 1]))), {"a": 8, "b": 12}),
    "einsum": (lambda: Of(by_labels, q=nn.Conv2D(12, 6, 1), k=nn.Conv2D(12, 6, 1), v=nn.Conv2D(12, 12, 1)), {"a": 8, "b": 12, "q": 6}),
    "windows": (lambda: Of(of_windows), {"a": 8, "b": 12}),
    "maxout": (lambda: Of(lambda n, x: n.head(F.maxout(n.b(n.a(x)), 3)), 4), {"a": 8, "b": 4}),
    "deformed": (lambda: Of(deformed, 10, c=DeformConv2D(8, 10, 3, padding=1), places=nn.Conv2D(8, 18, 3, padding=1),
                            much=nn.Conv2D(8, 9, 3, padding=1)), {"a": 8, "c": 10}),
    "unequal": (lambda: Of(unequal), {"a": 8, "b": 6}),
    "Conv1D": (lambda: Of(over_positions, line=nn.Conv1D(12, 5, 3), fc=nn.Linear(6, 2)), {"a": 8, "b": 12}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_groups_by_hand_and_the_law(name):
    build, expected = CASES[name]
    network = randomize(build())
    groups = find_groups(network, SHAPE)
    assert {n.split(".")[0]: g.size for n, g in groups.items()} == expected, groups.describe()
    holds(network, groups)


def holds(network, groups, shape=SHAPE):
    """Narrow = masked, and every parameter of two or more axes is in a group or has a reason."""
    assert unaccounted(network, groups) == []
    x = paddle.to_tensor(np.random.default_rng(1).normal(size=(2, *shape)).astype("float32"))
    plan = make_plan(groups, dict.fromkeys(groups, 0.5), criteria.scores("l1_norm", groups, network))
    with masked(network, groups, plan):
        wanted = network(x).numpy()
    narrow(network, plan, shape, groups)
    np.testing.assert_allclose(network(x).numpy(), wanted, atol=1e-5 * max(1, np.abs(wanted).max()))


def test_random_numbers_of_training_lock_nothing():
    network = randomize(
        Of(lambda n, x: n.head(n.drop(F.relu(n.b(n.a(x))))), drop=nn.Dropout2D(0.3), unused=nn.Linear(3, 4))
    )
    assert {n: g.size for n, g in find_groups(network, SHAPE).items()} == {"a.0.weight": 8, "b.0.weight": 12}


EINSUMS = {
    "bchw,bchw->bhw": None,  # of both: what is summed over goes together
    "bchw->bhw": "sums over its channels",
    "bchw,bhcw->bchw": "pairs its channels with something else",
    "bcii->bci": "diagonal",
}


@pytest.mark.parametrize("equation", EINSUMS)
def test_einsums_that_have_no_rule_say_so(equation):
    def forward(net, x):
        return paddle.einsum(equation, *[net.c(x)] * (1 + equation.count(",")))  # as many rows as channels

    network, reason = randomize(Of(forward, c=conv(3, 8))), EINSUMS[equation]
    groups = find_groups(network, SHAPE)
    assert list(groups) == ([] if reason else ["c.0.weight"]), groups.describe()
    assert (reason or "") in groups.reasons.get("c.0.weight", "")


@pytest.mark.parametrize("norm", [nn.utils.spectral_norm, nn.utils.weight_norm])
def test_layers_that_compute_their_weight_stay_whole_and_as_they_are(norm):
    network = randomize(Of(lambda n, x: n.head(n.b(n.c(n.a(x)))), c=norm(nn.Conv2D(8, 8, 3, padding=1))))
    before = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    pruner = Pruner(network, SHAPE)
    assert list(pruner.groups) == ["b.0.weight"]
    small = pruner.narrow(pruner.plan(Uniform(0.5)))
    assert small.b[0].weight.shape[0] == 6
    for name, tensor in network.state_dict().items():
        assert (tensor.numpy() == before[name]).all(), name


def test_a_network_of_which_nothing_can_go():
    with pytest.raises(UserError, match=r"no channel of the network can be removed; print\(pruner\)"):
        Pruner(nn.Sequential(nn.Conv2D(3, 4, 1)), SHAPE).plan(Uniform(0.5))


class TrainsAnother(nn.Layer):
    """A head that exists in training only, and reads what is pruned."""

    def __init__(self):
        super().__init__()
        self.a, self.head, self.helper = conv(3, 8), nn.Conv2D(8, 2, 1), conv(8, 4)
        self.unused = nn.Linear(3, 4)

    def forward(self, x):
        x = F.relu(self.a(x))
        return [self.head(x), self.helper(x)] if self.training else self.head(x)


def test_a_head_of_training_alone_is_narrowed_with_the_rest():
    network = randomize(TrainsAnother())
    groups = find_groups(network, SHAPE)
    assert list(groups) == ["a.0.weight"]
    assert groups.reasons["helper.0.weight"] == "its channels are the network's output"
    assert "does not use it" in groups.reasons["unused.weight"]
    holds(network, groups)
    assert network.helper[0].weight.shape == [4, 4, 3, 3]
    network.train()
    assert network(paddle.rand([2, *SHAPE]))[1].shape == [2, 4, 8, 8]


class Volume(nn.Layer):
    """Conv3D, a list of inputs, a dict of outputs, and a number made of a shape."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.words = nn.Conv3D(1, 6, 3), nn.Conv3D(6, 2, 1), nn.Embedding(5, 6)

    def forward(self, volume, word):
        x = F.relu(self.a(volume)) + self.words(word).reshape([int(volume.shape[0]), -1, 1, 1, 1])
        return {"out": self.b(x), "more": [self.b(x * 2)]}


def test_volumes_words_and_several_inputs():
    example = {"volume": paddle.rand([2, 1, 4, 4, 4]), "word": paddle.to_tensor([1, 3])}
    network = randomize(Volume())
    groups = find_groups(network, example)
    assert {n: g.size for n, g in groups.items()} == {"a.weight": 6}
    assert {(s.parameter, s.axis) for s in groups["a.weight"].role("out")} == {
        ("a.weight", 0),
        ("words.weight", 1),
    }
    plan = make_plan(groups, {"a.weight": 0.5}, criteria.scores("l1_norm", groups, network))
    narrow(network, plan, example, groups)
    assert network.words.weight.shape == [5, 3]
    assert network(**example)["more"][0].shape == [2, 2, 2, 2, 2]


class Tokens(nn.Layer):
    """[N, tokens, 6] through two linear layers, or [N, 6, length] through two convolutions."""

    def __init__(self, layer):
        super().__init__()
        self.a, self.b = layer(6, 8), layer(8, 2)

    def forward(self, x):
        return self.b(F.relu(self.a(x)))


@pytest.mark.parametrize(
    ("layer", "shape"), [(nn.Linear, (5, 6)), (lambda i, o: nn.Conv1D(i, o, 3), (6, 9)), (nn.Linear, (6,))]
)
def test_inputs_that_are_no_images(layer, shape):
    groups = find_groups(randomize(network := Tokens(layer)), shape)
    assert {n: g.size for n, g in groups.items()} == {"a.weight": 8}
    holds(network, groups, shape)


def test_a_rule_of_ones_own():
    build = lambda: Of(lambda n, x: n.head(paddle.cos(paddle.lgamma(F.relu(n.b(n.a(x))) + 1))))  # noqa: E731
    without = find_groups(build(), SHAPE)
    assert "the operator 'lgamma' has no rule" in without.reasons["b.0.weight"]
    assert list(find_groups(build(), SHAPE, rules={"lgamma": pass_on})) == ["a.0.weight", "b.0.weight"]


@pytest.mark.parametrize("name", ["einsum", "windows", "maxout", "deformed"])
def test_cut_networks_say_the_same(name, caplog):
    network, images = randomize(CASES[name][0]()), np.random.default_rng(2).random((4, *SHAPE), "float32")
    pruner = Pruner(network, SHAPE)

    def energy(out):
        return float((np.asarray(out, "float64") ** 2).mean())

    whole = pruner.sensitivities(
        lambda net: energy(net(paddle.to_tensor(images)).numpy()), ratios=(0.5,)
    ).curves
    cut = pruner.sensitivities(batches=[images], metric=lambda out: energy(out[0][0]), ratios=(0.5,)).curves
    assert "slowly" not in caplog.text
    for group, curve in cut.items():
        assert curve == pytest.approx(whole[group], abs=1e-4)
