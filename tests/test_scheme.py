"""Which ratios: DEFAULT fits any head and size, targets are reached, other tools' files are mapped."""

import functools
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from paddleprune import models, plan_table, scheme
from paddleprune.config import PruneConfig, TargetConfig
from paddleprune.errors import UserError
from paddleprune.pruning import interop
from paddleprune.pruning.groups import find_groups
from paddleprune.pruning.narrow import narrow
from paddleprune.pruning.sensitivity import Sensitivities
from paddleprune.pruning.tables import default_file
from paddleprune.target import check_megabytes


@functools.cache
def groups_of(classes, size, scale):
    return find_groups(
        models.build("mobilenet_v2", {"num_classes": classes, "scale": scale}), (3, size, size)
    )


def mobilenet(classes=3, size=32, scale=0.5):
    network = models.build("mobilenet_v2", {"num_classes": classes, "scale": scale})
    return network, groups_of(classes, size, scale)


@pytest.mark.parametrize(("classes", "size", "scale"), [(3, 32, 0.5), (7, 64, 1.0), (1000, 96, 0.35)])
def test_default_fits_any_head_and_size(classes, size, scale):
    network, groups = mobilenet(classes, size, scale)
    chosen = scheme.choose(
        PruneConfig(sensitivities="DEFAULT", loss=0.1, compensate=0), groups, "mobilenet_v2"
    )
    assert set(chosen.ratios) == set(groups)
    assert chosen.criterion == "l1_norm"
    plan = scheme.plan_of(chosen, 8, groups, network)
    narrow(network, plan, (3, size, size))
    assert 0 < groups.cost(plan.counts()).params < groups.cost().params


def test_the_default_file_says_where_it_comes_from():
    table = Sensitivities.read(default_file("mobilenet_v2"))
    assert table.provenance.images == 744
    assert table.provenance.compensated > 100
    assert table.baseline == pytest.approx(0.788, abs=0.02)
    assert table.note["command"].startswith("paddleprune sensitivity")
    assert table.note["dataset"] == "imagenet_split"
    assert all(len(curve) == 9 for curve in table.curves.values())


@pytest.mark.parametrize(
    "target", [TargetConfig(macs=0.6), TargetConfig(params=0.4), TargetConfig(megabytes=6.0)]
)
@pytest.mark.parametrize("strategy", ["for_target", "least_loss"])
@pytest.mark.parametrize("align", [1, 8])
def test_a_target_is_reached(target, align, strategy):
    network, groups = mobilenet(scale=1.0)
    prune = PruneConfig(strategy=strategy, target=target, align=align, sensitivities="DEFAULT", compensate=0)
    chosen = scheme.choose(prune, groups, "mobilenet_v2")
    narrow = groups.cost(scheme.plan_of(chosen, align, groups, network).counts())
    what = "macs" if target.macs else "params" if target.params else "size_bytes"
    left = getattr(narrow, what) / getattr(groups.cost(), what)
    asked = target.macs or target.params or 6e6 / groups.cost().size_bytes
    assert asked - 0.12 < left <= asked


@pytest.mark.parametrize("strategy", ["for_target", "least_loss"])
def test_megabytes_that_it_has_not_are_refused(strategy):
    _, groups = mobilenet(scale=1.0)
    whole = groups.cost().size_bytes / 1e6
    prune = PruneConfig(strategy=strategy, sensitivities="DEFAULT", compensate=0)
    for megabytes in (20.0, 0.05):
        wrong = replace(prune, target=TargetConfig(megabytes=megabytes))
        said = f"prune.target.megabytes: {megabytes:g} is out of range; the network has {whole:.3g} MB, and "
        with pytest.raises(UserError, match=said):
            scheme.choose(wrong, groups, "mobilenet_v2")


def test_the_least_size_is_that_of_the_groups_that_may_go():
    _, groups = mobilenet(scale=1.0)
    half = groups.cost().size_bytes / 2e6
    check_megabytes(half, groups, groups, 8, "here")
    with pytest.raises(UserError, match=f"here: {half:g} is out of range"):
        check_megabytes(half, groups, list(groups)[:3], 8, "here")


def test_the_table_for_reading(caplog):
    network, groups = mobilenet()
    chosen = scheme.choose(PruneConfig(sensitivities="DEFAULT", compensate=0), groups, "mobilenet_v2")
    assert "the sensitivities are of channels that are made up for, which these are not" in caplog.text
    lines = plan_table.table(groups, scheme.plan_of(chosen, 8, groups, network), chosen).splitlines()
    assert len(lines) == 2 + len(groups) + 4  # with how sure it is
    assert sum(line.endswith("whole") for line in lines) == len(chosen.whole) > 0
    assert "eval_metric_loss 0.05" in lines[0]


def test_a_model_without_a_default_scheme():
    network = models.build("mobilenet_v1", models.card("mobilenet_v1").args)
    with pytest.raises(UserError, match="no DEFAULT scheme for mobilenet_v1; there is one for: mobilenet_v2"):
        scheme.choose(PruneConfig(sensitivities="DEFAULT"), find_groups(network, (3, 32, 32)), "mobilenet_v1")


def curves(names):
    return {name: {0.1: 0.01 * i, 0.5: 0.1 * i} for i, name in enumerate(names)}


def test_names_of_paddleslim_are_matched_by_order(tmp_path):
    _, groups = mobilenet()
    convolutions = [w for w in groups.layers if len(groups.shapes[w]) == 4]
    for first in (0, 52):  # the second model of a process has higher numbers
        given = curves([f"conv2d_{first + i}.w_0" for i in range(52)])
        (tmp_path / "s.data").write_bytes(pickle.dumps(given))
        matched, mapping = interop.match(interop.read_pickle(tmp_path / "s.data"), groups)
        assert list(mapping.values()) == convolutions
        assert set(matched) == set(groups)
        # a group of several convolutions takes the largest loss
        stream = groups["features.2.conv.2.weight"]
        numbers = [convolutions.index(s.parameter) for s in stream.role("out")]
        assert matched[stream.name][0.5] == pytest.approx(0.1 * max(numbers))


def test_names_of_paddlex_are_matched_by_count(tmp_path):
    _, groups = mobilenet()
    for count in (35, 25):  # convolutions that make channels, and groups
        names = [f"conv{i}_weights" for i in range(count)]
        matched, mapping = interop.match(curves(names), groups)
        assert list(mapping) == names
        assert set(matched) == set(groups)
    with pytest.raises(UserError, match="35 prunable convolutions in 25 groups"):
        interop.match(curves(["x", "y"]), groups)


def test_uniform_needs_no_sensitivities():
    _, groups = mobilenet()
    chosen = scheme.choose(PruneConfig(strategy="uniform", ratio=0.25), groups, "any")
    assert set(np.unique(list(chosen.ratios.values()))) == {0.25}


def test_a_scope_prunes_that_part_alone():
    network = models.build("yolov3", models.card("yolov3").args)
    groups = find_groups(network, (3, 64, 64))
    parts = {}
    for scope in ("", "backbone", "yolo_blocks"):
        prune = PruneConfig(strategy="uniform", ratio=0.5, scope=scope)
        parts[scope] = set(scheme.choose(prune, groups, "yolov3").ratios)
    assert parts[""] == set(groups)
    assert all(name.startswith("backbone.") for name in parts["backbone"])
    assert all(name.startswith("blocks.") for name in parts["yolo_blocks"])
    assert len(parts["backbone"]) > 10
    assert len(parts["yolo_blocks"]) == 18
    with pytest.raises(UserError, match=r"prune.scope: 'neck' is not known; valid: backbone, yolo_blocks"):
        scheme.choose(PruneConfig(strategy="uniform", scope="neck"), groups, "yolov3")
    with pytest.raises(UserError, match=r"prune.scope: 'backbone' is not known; mobilenet_v2 names no parts"):
        scheme.choose(PruneConfig(strategy="uniform", scope="backbone"), groups, "mobilenet_v2")


@pytest.mark.parametrize(
    "file", sorted((Path(__file__).parents[1] / "sensitivities").glob("*.json")), ids=lambda f: f.stem
)
def test_every_default_knows_every_group_at_any_width(file):
    name = Sensitivities.read(file).provenance.model
    example = models.card(name)
    groups = find_groups(models.build(name, example.args), example.image_shape)
    chosen = scheme.choose(PruneConfig(sensitivities="DEFAULT", loss=0.1, compensate=0), groups, name)
    assert set(chosen.ratios) == set(groups)
    assert any(ratio > 0.2 for ratio in chosen.ratios.values())
