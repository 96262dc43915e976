"""The criterion taylor: by hand, without a trace on the network, and through the commands."""

import json
from dataclasses import replace

import numpy as np
import paddle
import pytest
from conftest import TOY_NETS, randomize
from paddle import nn
from test_fit import config_for

from paddleprune import Pruner
from paddleprune.cli import main
from paddleprune.config import load_config
from paddleprune.data.sample_data import make
from paddleprune.engine.checkpoint import load_model
from paddleprune.engine.taylor import FirstOrder
from paddleprune.errors import UserError
from paddleprune.pipeline import train
from paddleprune.pruning.groups import find_groups
from paddleprune.strategies import Uniform


def mean(network, batch):
    return network(paddle.to_tensor(batch["image"])).mean()


def test_what_goes_is_what_the_loss_changes_by():
    """w = [2, -1, 3], v = [1, 5, 0], one pixel of 1: without each channel the mean changes by 2, -5, 0."""
    network = nn.Sequential(nn.Conv2D(1, 3, 1, bias_attr=False), nn.Conv2D(3, 1, 1, bias_attr=False))
    network[0].weight.set_value(np.float32([2, -1, 3]).reshape(3, 1, 1, 1))
    network[1].weight.set_value(np.float32([1, 5, 0]).reshape(1, 3, 1, 1))
    groups = find_groups(network, (1, 4, 4))
    found = FirstOrder(network, groups, mean, [{"image": np.ones((2, 1, 4, 4), np.float32)}]).scores()
    np.testing.assert_allclose(found["0.weight"], [4, 25, 0], rtol=1e-6)


@pytest.mark.parametrize("frozen", [False, True])
def test_behind_a_batch_norm(frozen):
    """Filters before a norm have no say by their size; scale x value + shift, times the reader's weight, is the change."""
    network = nn.Sequential(
        nn.Conv2D(1, 2, 1, bias_attr=False), nn.BatchNorm2D(2, epsilon=1e-12), nn.Conv2D(2, 1, 1, bias_attr=False)
    )  # fmt: skip
    network[0].weight.set_value(np.float32([1, 2]).reshape(2, 1, 1, 1))
    network[1].weight.set_value(np.float32([3, 1]))
    network[1].bias.set_value(np.float32([-1, 4]))
    network[2].weight.set_value(np.float32([1, -1]).reshape(1, 2, 1, 1))
    for parameter in network[1].parameters():
        parameter.stop_gradient = frozen or parameter.stop_gradient
    groups = find_groups(network, (1, 4, 4))
    batches = [{"image": np.full((2, 1, 4, 4), value, np.float32)} for value in (1, 2)]
    found = FirstOrder(network, groups, mean, batches).scores()
    first = [(3 * x - 1) ** 2 for x in (1, 2)]
    second = [(2 * x + 4) ** 2 for x in (1, 2)]
    np.testing.assert_allclose(found["0.weight"], [np.mean(first), np.mean(second)], rtol=1e-5)


@pytest.mark.parametrize("build", TOY_NETS)
def test_the_network_is_left_as_it_was(build):
    network = randomize(build())
    network.eval()
    groups = find_groups(network, (3, 8, 8))
    before = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    modes = [layer.training for layer in network.sublayers()]
    batch = {"image": np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)}

    def loss(network, batch):
        found = network(paddle.to_tensor(batch["image"]))
        return sum(o.square().mean() for o in (found if isinstance(found, (list, tuple)) else [found]))

    scores = FirstOrder(network, groups, loss, [batch]).scores()
    assert all(scores[name].shape == (group.size,) for name, group in groups.items())
    for name, tensor in network.state_dict().items():
        assert (tensor.numpy() == before[name]).all(), name
    assert modes == [layer.training for layer in network.sublayers()]
    assert all(p.grad is None or not p.grad.numpy().any() for p in network.parameters())


def test_a_loss_gets_what_it_needs_besides_the_picture(tmp_path):
    """MODNet's takes a trimap, which evaluation does without."""
    data = make("matting", tmp_path / "data", 6, 2)
    settings = [f"data.root={data}", "train.epochs=0", "model.args.scale=0.25", "model.args.width=8"]
    config = load_config("configs/matting/modnet_sample.yml", settings)
    train(config, tmp_path / "dense")
    pruned = replace(config, prune=replace(config.prune, strategy="uniform", criterion="taylor"))
    metrics = train(pruned, tmp_path / "pruned", str(tmp_path / "dense/best_model"))
    assert metrics["pruning"]["criterion"] == "taylor"


def test_it_is_chosen_by_name(sample_data, tmp_path):
    train(config_for(sample_data, "train.epochs=1"), tmp_path / "dense")
    dense = str(tmp_path / "dense/best_model")
    settings = ["train.epochs=0", "prune.strategy=uniform", "prune.criterion=taylor"]
    metrics = train(config_for(sample_data, *settings), tmp_path / "pruned", dense)
    assert metrics["pruning"]["criterion"] == "taylor"
    assert load_model(tmp_path / "pruned/best_model").plan is not None
    file = tmp_path / "s.json"
    command = ["sensitivity", "--model_dir", dense, "--save_file", str(file), "--criterion", "taylor", "--ratios", "0.5",
               "--shard", "1/8"]  # fmt: skip
    assert main(command) == 0
    assert json.loads(file.read_text())["criterion"] == "taylor"
    pruner = Pruner(nn.Sequential(nn.Conv2D(3, 8, 3), nn.Conv2D(8, 2, 1)), (3, 8, 8))
    with pytest.raises(UserError, match="criterion: 'taylor' needs a loss"):
        pruner.plan(Uniform(0.5), criterion="taylor")
