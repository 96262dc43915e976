"""Widths by MODNet-ModelCompression's rule, block by block."""

import numpy as np
import paddle
import pytest
from conftest import unaccounted

from paddleprune import cost, models
from paddleprune.config import PruneConfig, load_config
from paddleprune.data.sample_data import make
from paddleprune.engine.checkpoint import load_model
from paddleprune.errors import UserError
from paddleprune.models._widths import PUBLISHED, untied
from paddleprune.pipeline import train
from paddleprune.pruning.groups import find_groups

SHAPE = (3, 64, 64)


def test_the_network_that_modnet_model_compression_published():
    """1,368,619 parameters, 1,342,435 without those of normalisations, 4.384 G at 512 px, and shortcuts where widths
    happen to be equal: blocks 1, 6 and 9."""
    network = models.build("modnet", {"widths": "published"})
    measured = cost.count(network, (3, 512, 512))
    norms = [layer for layer in network.sublayers() if isinstance(layer, paddle.nn.BatchNorm2D)]
    assert measured.params == 1_368_619
    assert measured.params - sum(2 * norm.weight.shape[0] for norm in norms) == 1_342_435
    assert measured.macs == pytest.approx(4.384e9, rel=1e-4)
    blocks = list(network.backbone.features)[1:-1]
    assert [i for i, block in enumerate(blocks, start=1) if block.use_res_connect] == [1, 6, 9]
    groups = find_groups(network, SHAPE)
    assert not unaccounted(network, groups)
    with pytest.raises(UserError, match="widths 'theirs' must be 'published'"):
        models.build("modnet", {"widths": "theirs"})
    with pytest.raises(UserError, match="scale 0.5 and width 32 have no say"):
        models.build("modnet", {"widths": "published", "scale": 0.5})


def with_norms(convolution, count):
    """Give `count` filters a norm of 1 and the others none; as many as are rounded to `count` by the rule."""
    weight = np.zeros(convolution.weight.shape, "float32")
    weight[: count - 1] = 1 / weight[0].size  # the first below the threshold is the next, and stays, too
    convolution.weight.set_value(weight)


def test_the_untied_rule_gives_the_published_widths():
    """From norms that count as their layers' hidden widths do: 8, 72, 112, ..., of which expansions 1, 9, 14, ... come."""
    hidden = [8, 72, 112, 64, 168, 144, 48, 336, 304, 352, 192, 480, 480, 544, 728, 832, 960]
    dense = models.build("modnet", {})
    first, *blocks, last = dense.backbone.features
    for block, inside, after in zip(blocks, hidden, PUBLISHED["blocks"], strict=True):
        *inner, project = [layer for layer in block.sublayers() if isinstance(layer, paddle.nn.Conv2D)]
        for convolution, count in zip(inner, (inside, 8), strict=False):  # the larger one counts
            with_norms(convolution, count)
        with_norms(project, after)
    for convolution, count in ((first[0], 8), (last[0], 584), (dense.low.at16[0], 16)):
        with_norms(convolution, count)
    assert untied(dense, 0.5, 0.5) == PUBLISHED
    kept = untied(dense, 0.5, 0.5, keep_backbone=True)
    assert (kept["blocks"][-1], kept["expansions"][-1], kept["last"], kept["middle"]) == (320, 6, 1280, 16)
    assert models.build("modnet", {"widths": kept}).low.at16[0].weight.shape[:2] == [16, 1280]
    for wrong in ({**PUBLISHED, "blocks": [8, 8]}, {**PUBLISHED, "last": 0}, {"first": 8}):
        with pytest.raises(UserError, match="widths"):
            models.build("modnet", {"widths": wrong})


def test_untied_pruning_is_a_training_of_new_widths(tmp_path):
    data = make("matting", tmp_path / "data", 8, 4)
    settings = [f"data.root={data}", "train.epochs=0", "model.args.scale=0.25", "model.args.width=8"]
    config = "configs/matting/modnet_sample.yml"
    train(load_config(config, settings), tmp_path / "dense")
    dense = str(tmp_path / "dense/best_model")
    asked = [*settings, "prune.strategy=adaptive_fixed", "prune.residuals=untied"]
    with pytest.raises(UserError, match="add prune.weights=scratch"):
        train(load_config(config, asked), tmp_path / "small", dense)
    asked.append("prune.weights=scratch")
    train(load_config(config, asked), tmp_path / "small", dense)
    found = load_config(tmp_path / "small/config.yml")
    assert found.model.args == {"widths": untied(load_model(dense).network, 0.5, 0.5)}
    assert (found.model.weights, found.prune) == ("", PruneConfig())
    assert cost.count(load_model(tmp_path / "small/best_model").network, SHAPE).params < cost.count(load_model(dense).network, SHAPE).params  # fmt: skip
    with pytest.raises(UserError, match="no model directory, whose weights say the widths"):
        train(load_config(config, asked), tmp_path / "other")
    with pytest.raises(UserError, match="'untied' is for modnet with"):
        train(load_config(config, [*asked, "prune.strategy=uniform"]), tmp_path / "other", dense)
