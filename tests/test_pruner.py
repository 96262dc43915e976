"""The public face for any Layer."""

import json

import numpy as np
import paddle
import pytest
from conftest import Concat, Depthwise, randomize
from paddle import nn

import paddleprune as pp
from paddleprune import models
from paddleprune.errors import UserError
from paddleprune.models import own
from paddleprune.strategies import ForTarget, Given, Percentile, Slimming, UnderBudget, Uniform

SHAPE = (3, 8, 8)
IMAGES = np.random.default_rng(0).normal(size=(5, *SHAPE)).astype("float32")


def energy(network):
    return float(network(paddle.to_tensor(IMAGES)).square().mean())


def energy_of(outputs):
    return float(np.concatenate([batch[0] for batch in outputs]).astype("float64").__pow__(2).mean())


def test_the_whole_way(tmp_path):
    network = randomize(Concat())
    before = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    pruner = pp.Pruner(network, SHAPE)
    assert "group a.0.weight (8 channels)" in str(pruner)
    file = tmp_path / "s.json"
    table = pruner.sensitivities(energy, ratios=(0.25, 0.5), save_file=file)
    assert set(json.loads(file.read_text())["sensitivities"]) == set(pruner.groups)
    again = pruner.sensitivities(batches=[IMAGES[:3], IMAGES[3:]], metric=energy_of, ratios=(0.25, 0.5))
    for name in pruner.groups:
        assert again.curves[name] == pytest.approx(table.curves[name], abs=1e-4)
    plan = pruner.plan(UnderBudget(loss=0.9), align=2)
    small = pruner.narrow(plan)
    assert pruner.cost(plan).params == sum(
        p.numel() for n, p in small.named_parameters() if not n.endswith(("_mean", "_variance"))
    )
    plan.save(tmp_path / "plan.json")
    fresh = Concat()
    pp.narrow(fresh, pp.Plan.load(tmp_path / "plan.json"))
    fresh.set_state_dict(small.state_dict())
    fresh.eval()
    x = paddle.to_tensor(IMAGES)
    np.testing.assert_array_equal(fresh(x).numpy(), small(x).numpy())
    assert all((network.state_dict()[name].numpy() == array).all() for name, array in before.items())


def test_strategies_and_kept_layers():
    pruner = pp.Pruner(randomize(Concat()), SHAPE, keep=["a"])
    assert "a.0.weight" not in pruner.groups
    assert pruner.groups.reasons["a.0.weight"] == "it is to be kept"
    assert set(pruner.plan(Uniform(0.5)).counts()) == set(pruner.groups)
    with pytest.raises(UserError, match="UnderBudget: needs sensitivities"):
        pruner.plan(UnderBudget(0.1))
    pruner.sensitivities(energy, ratios=(0.3, 0.6, 0.9))
    plan = pruner.plan(ForTarget(params=0.7))
    assert pruner.cost(plan).params <= 0.7 * pruner.cost().params


def test_strategies_that_look_at_the_weights():
    pruner = pp.Pruner(randomize(Concat()), SHAPE)
    for strategy in (Percentile(0.4), Slimming(0.4)):
        assert pruner.cost(pruner.plan(strategy)).params < pruner.cost().params


def test_ratios_by_hand():
    pruner = pp.Pruner(randomize(Concat()), SHAPE)
    first, other = list(pruner.groups)[:2]
    member = pruner.groups[other].role("out")[-1].parameter
    counts = pruner.plan(Given({first: 0.5, member: 0.25})).counts()
    expected = {first: pruner.groups[first].size // 2, other: round(0.75 * pruner.groups[other].size)}
    assert {name: counts[name] for name in expected} == expected
    assert all(
        counts.get(name, g.size) == g.size for name, g in pruner.groups.items() if name not in expected
    )
    for ratios, why in (({f"{first}x": 0.5}, f"did you mean '{first}'"), ({first: 1.0}, "must be in"),
                        ({first: True}, "must be in")):  # fmt: skip
        with pytest.raises(UserError, match=why):
            pruner.plan(Given(ratios))


def test_narrowing_twice_is_the_composed_plan():
    network, twice, once = (randomize(Depthwise()) for _ in range(3))
    first = pp.Pruner(network, SHAPE)
    plan = first.plan(Uniform(0.3))
    pp.narrow(twice, plan)
    second = pp.Pruner(twice, SHAPE)
    later = second.plan(Uniform(0.5))
    pp.narrow(twice, later)
    pp.narrow(once, plan.then(later))
    for name, tensor in once.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), twice.state_dict()[name].numpy())
    with pytest.raises(UserError, match="do not fit"):
        plan.then(plan)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda n: pp.Pruner(n, "image"), "example: str 'image'"),
        (lambda n: pp.Pruner(n, (3, 0, 8)), "example: tuple"),
        (lambda n: pp.Pruner("net", SHAPE), "network is a str"),
        (lambda n: pp.Pruner(n, (4, 8, 8)), "does not run on inputs of [2, 4, 8, 8]"),
        (lambda n: pp.Pruner(n, SHAPE, keep=["hed"]), "did you mean 'head'"),
        (lambda n: pp.Pruner(n, SHAPE).sensitivities(), "one of the two"),
        (lambda n: pp.Pruner(n, SHAPE).sensitivities(energy, batches=[IMAGES]), "one of the two"),
        (
            lambda n: pp.Pruner(n, SHAPE).sensitivities(lambda network: 0.0),
            "score is 0.0; a relative loss of it",
        ),
        (lambda n: pp.Pruner(n, SHAPE).plan(ForTarget()), "give one of macs, params and size_bytes"),
        (lambda n: pp.slim.cal_params_sensitivities(n, [1]), "Pruner"),
    ],
)
def test_a_wrong_call_is_one_line(call, said):
    with pytest.raises(UserError, match="(?s).*") as error:
        call(randomize(Concat()))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_networks_by_name(tmp_path, monkeypatch):
    resnet = models.build("paddle.vision.resnet18", {"num_classes": 3})
    assert resnet.fc.weight.shape == [512, 3]
    (tmp_path / "mine_of_test.py").write_text(
        "from shutil import rmtree\nfrom paddle import nn\nclass Not: pass\n"
        "def build(num_classes): return nn.Linear(3, num_classes)\n"
        "from paddleprune.models import Card, Head\nCARD = Card(build, {'detection': Head})\n"
    )
    monkeypatch.chdir(tmp_path)
    assert isinstance(models.build("mine_of_test:build", {"num_classes": 4}), nn.Linear)
    assert list(models.card("mine_of_test:build").heads) == ["classification", "segmentation"]
    assert models.card("mine_of_test:CARD").heads == {"detection": models.Head}
    assert isinstance(models.build("mine_of_test:CARD", {"num_classes": 4}), nn.Linear)
    for what in ("rmtree", "Not", "nn", "none"):  # not its own, no layers, no functions
        with pytest.raises(UserError, match="has no network"):
            models.build(f"mine_of_test:{what}", {"num_classes": 4})
    assert own.imagenet("paddle.vision.resnet18")["1.0"][0].endswith(".pdparams")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("paddle.vision.resnet19", "did you mean 'resnet1"),
        ("torch.vision.resnet18", "is not known; valid: paddle.vision.NAME"),
        ("os:system", "of an installed package"),
        ("numpy:load", "of an installed package"),
        ("nowhere_at_all:build", "cannot be imported"),
        ("a b:build", "no name of a network"),
        (":build", "no name of a network"),
    ],
)
def test_names_that_are_none(name, said):
    with pytest.raises(UserError) as error:
        models.build(name, {"num_classes": 3})
    assert said in str(error.value)


def test_a_plan_of_the_first_format_is_still_read():
    network, same = randomize(Depthwise()), randomize(Depthwise())
    pruner = pp.Pruner(network, SHAPE)
    plan = pruner.plan(Uniform(0.4))
    groups = {name: {"size": plan.sizes[name], "kept": list(units)} for name, units in plan.kept.items()}
    old = pp.Plan.from_dict({"format": 1, "groups": groups})
    pp.narrow(network, plan)
    pp.narrow(same, old, SHAPE)
    for name, tensor in same.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), network.state_dict()[name].numpy())
