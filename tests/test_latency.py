"""Choosing by latency: the knapsack, the table, and the loop that measures what it planned."""

import itertools
import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import knowing
from hypothesis import given
from hypothesis import strategies as st
from tqdm import tqdm

from paddleprune import latency, models
from paddleprune.config import PruneConfig, TargetConfig, load_config
from paddleprune.engine.checkpoint import SavedModel
from paddleprune.errors import UserError
from paddleprune.export import lite
from paddleprune.pipeline import train
from paddleprune.pruning.groups import find_groups
from paddleprune.pruning.plan import keep_count
from paddleprune.pruning.ratios import for_latency
from paddleprune.pruning.sensitivity import Provenance, Sensitivities
from paddleprune.tasks import of

ARGS = {"num_classes": 3, "scale": 0.25}
SHAPE = (3, 32, 32)


def test_the_cheapest_savings_by_hand():
    curves = {"a": {0.5: 0.01, 0.9: 0.05}, "b": {0.5: 0.02}}
    left = {"a": {0.5: 0.8, 0.9: 0.7}, "b": {0.5: 0.9}}
    assert for_latency(curves, left, 0.701) == {"a": 0.5, "b": 0.5}  # 0.03, and not a alone for 0.05
    assert for_latency(curves, left, 0.801) == {"a": 0.5, "b": 0.0}
    assert for_latency(curves, left, 1.0) == {"a": 0.0, "b": 0.0}
    with pytest.raises(UserError, match=r"0.5 cannot be reached; the groups together save 0.400"):
        for_latency(curves, left, 0.5)


@given(st.data())
def test_no_choice_is_cheaper(data):
    """Against all combinations; savings are whole steps of the knapsack, so that nothing is rounded."""
    names = ["a", "b", "c"]
    step = st.integers(0, 400).map(lambda n: n / 2000)
    loss = st.floats(0, 0.5)
    curves = {n: {r: data.draw(loss) for r in (0.3, 0.6)} for n in names}
    saved = {n: {r: data.draw(step) for r in (0.3, 0.6)} for n in names}
    left = {n: {r: 1 - s for r, s in curve.items()} for n, curve in saved.items()}
    target = 1 - data.draw(st.integers(0, 900)) / 2000
    cheapest = np.inf
    for choice in itertools.product((0.0, 0.3, 0.6), repeat=3):
        saving = sum(saved[n].get(r, 0) for n, r in zip(names, choice, strict=True))
        if saving >= 1 - target + 4 / 2000:  # rounding may cost a step a group, and one in all
            cheapest = min(cheapest, sum(curves[n].get(r, 0) for n, r in zip(names, choice, strict=True)))
    try:
        chosen = for_latency(curves, left, target)
    except UserError:
        assert cheapest == np.inf
        return
    assert sum(saved[n].get(r, 0) for n, r in chosen.items()) >= 1 - target - 1e-9
    assert sum(curves[n].get(r, 0) for n, r in chosen.items()) <= cheapest + 1e-9


def test_a_few_ratios_are_timed_and_the_others_lie_between(model, by_macs):
    watch = latency.Stopwatch.__new__(latency.Stopwatch)
    watch.groups, watch.runtime = model[2], "inference"
    name = next(n for n, group in model[2].items() if group.size >= 16)
    ratios = [round(0.1 * i, 1) for i in range(1, 10)]
    assert latency.few(ratios) == [0.3, 0.6, 0.9]
    assert latency.few(ratios[:2]) == [0.1, 0.2]
    table = latency._group(watch, name, ratios, 1, tqdm(disable=True))
    assert [list(call.values()) for call in by_macs] == [[0.3], [0.6], [0.9]]
    whole = model[2].cost().macs
    for ratio in ratios:  # macs fall evenly with the channels of one group
        kept = {name: keep_count(model[2][name].size, ratio)}
        assert table[ratio] == pytest.approx(model[2].cost(kept).macs / whole, abs=2e-3)


def test_noise_is_smoothed_downwards():
    assert latency.falling({0.1: 1.05, 0.2: 0.9, 0.3: 0.94, 0.4: 0.5}) == {
        0.1: 1.0,
        0.2: 0.92,
        0.3: 0.92,
        0.4: 0.5,
    }


@pytest.fixture(scope="module")
def model():
    facts = {"task": "classification", "model": {"name": "mobilenet_v2", "args": ARGS}, "labels": list("abc"),
             "image_shape": list(SHAPE)}  # fmt: skip
    saved = SavedModel(models.build("mobilenet_v2", ARGS), facts)
    return saved, of("classification", "mobilenet_v2", list("abc")), find_groups(saved.network, SHAPE)


@pytest.fixture
def table_file(model, tmp_path):
    """Sensitivities that rise with the ratio, differently for each group."""
    groups = model[2]
    curves = {n: {r: 0.01 * (1 + i % 7) * r for r in (0.3, 0.6, 0.9)} for i, n in enumerate(groups)}
    provenance = Provenance("mobilenet_v2", "w", "d", 10, "acc1", True, "l1_norm")
    file = tmp_path / "s.json"
    file.write_text(json.dumps(Sensitivities(provenance, 0.9, curves, {}).as_dict()))
    return str(file)


@pytest.fixture
def by_macs(monkeypatch):
    """Latency as a function of the macs: what a machine without noise would measure."""
    calls = []

    def left(self, chosen, align):
        kept = {
            n: keep_count(self.groups[n].size, r, self.groups[n].units_of(align)) for n, r in chosen.items()
        }
        calls.append(dict(chosen))
        return self.groups.cost(kept).macs / self.groups.cost().macs

    monkeypatch.setattr(latency.Stopwatch, "left", left)
    return calls


@pytest.mark.parametrize("target", [0.4, 0.7])
def test_the_plan_has_the_latency_that_was_asked_for(model, table_file, tmp_path, by_macs, target):
    prune = PruneConfig(
        sensitivities=str(table_file), strategy="for_target", align=1, target=TargetConfig(latency=target)
    )
    chosen = latency.choose(*model, prune, tmp_path)
    groups = model[2]
    kept = {n: keep_count(groups[n].size, r) for n, r in chosen.ratios.items()}
    assert groups.cost(kept).macs / groups.cost().macs == pytest.approx(target, rel=0.1)
    assert f"{target:g} of the latency (inference" in chosen.title
    assert chosen.sure.startswith("predicted loss of all groups together, before retraining: 0.")


def test_a_point_that_is_not_certain_counts_less(model, by_macs, tmp_path, monkeypatch):
    """Of two groups alike in cost and curves, the one whose loss at 0.3 is an outlier with a wide interval is not shunned."""
    asked = []
    monkeypatch.setattr(
        latency.ratios, "for_latency", lambda harms, *_: asked.append(harms) or dict.fromkeys(harms, 0.3)
    )
    groups = model[2]
    name = next(iter(groups))
    curves = {n: {0.3: 0.02, 0.6: 0.04, 0.9: 0.06} for n in groups}
    curves[name][0.3] = 0.5
    intervals = {
        n: {r: (loss - 0.01, loss + 0.01) for r, loss in curve.items()} for n, curve in curves.items()
    }
    intervals[name][0.3] = (-0.4, 0.9)
    provenance = Provenance("mobilenet_v2", "w", "d", 10, "acc1", True, "l1_norm")
    for known in ({}, intervals):
        file = tmp_path / "s.json"
        file.write_text(json.dumps(Sensitivities(provenance, 0.9, curves, {}, intervals=known).as_dict()))
        prune = PruneConfig(sensitivities=str(file), strategy="for_target", target=TargetConfig(latency=0.9))
        with pytest.raises(UserError, match="cannot be reached"):
            latency.choose(*model, replace(prune, target=replace(prune.target, latency=0.01)), tmp_path)
    alike, certain = asked[0][name][0.3], asked[-1][name][0.3]
    assert alike == pytest.approx(-np.log(1 - 0.2), abs=1e-6), "the mean of 0.5, 0.04 and 0.06"
    assert certain == pytest.approx(-np.log(1 - 0.04), abs=0.002)


def test_the_table_is_kept_and_belongs_to_its_runtime(model, table_file, tmp_path, by_macs, caplog):
    prune = PruneConfig(
        sensitivities=str(table_file), strategy="for_target", target=TargetConfig(latency=0.7)
    )
    cache = tmp_path / "latency_inference_t1.json"
    latency.choose(*model, prune, tmp_path)
    points = sum(len(c) == 1 for c in by_macs)
    assert points > 20
    raw = json.loads(cache.read_text())
    first = next(iter(raw["left"]))
    del raw["left"][first]  # as if it had been broken off
    cache.write_text(json.dumps(raw))
    by_macs.clear()
    latency.choose(*model, prune, tmp_path)
    assert all(list(c) == [first] for c in by_macs if len(c) == 1)
    by_macs.clear()
    other = PruneConfig(
        sensitivities=str(table_file), strategy="for_target", align=4, target=TargetConfig(latency=0.7)
    )
    with caplog.at_level(logging.INFO):
        latency.choose(*model, other, tmp_path)
    assert "of another align; measured anew" in caplog.text
    assert sum(len(c) == 1 for c in by_macs) >= points
    by_macs.clear()
    raw = json.loads(Path(table_file).read_text())
    raw["sensitivities"][first]["0.95"] = 0.5  # a ratio that the table does not have
    Path(table_file).write_text(json.dumps(raw))
    latency.choose(*model, other, tmp_path)
    assert {next(iter(c)) for c in by_macs if len(c) == 1} == {first}


def test_a_plan_that_was_good_is_not_thrown_away(model, table_file, tmp_path, monkeypatch):
    """Savings that overlap: all groups together leave more than the table says."""
    measured = iter([0.5])

    def left(self, chosen, align):
        return 0.979 if len(chosen) == 1 else next(measured)

    monkeypatch.setattr(latency.Stopwatch, "left", left)
    prune = PruneConfig(
        sensitivities=str(table_file), strategy="for_target", align=1, target=TargetConfig(latency=0.5)
    )
    assert "0.500 measured" in latency.choose(*model, prune, tmp_path).title
    measured = iter([0.56])  # more is asked for then, which the table cannot give
    with pytest.raises(UserError, match=r"latency: 0.5 cannot be reached on inference; 0.560 is the least"):
        latency.choose(*model, prune, tmp_path)


def test_what_cannot_be_reached_is_one_line(model, table_file, tmp_path, by_macs):
    prune = PruneConfig(
        sensitivities=str(table_file), strategy="for_target", target=TargetConfig(latency=0.02)
    )
    with pytest.raises(UserError, match=r"prune.target.latency: .* cannot be reached"):
        latency.choose(*model, prune, tmp_path)
    with pytest.raises(UserError, match="needs sensitivities"):
        latency.choose(*model, replace(prune, sensitivities=""), tmp_path)


@pytest.mark.parametrize("runtime", ["inference", "lite"])
def test_a_real_runtime_is_timed(model, runtime):
    if runtime == "lite" and not lite.installed():
        pytest.skip("Paddle Lite is not installed")
    watch = latency.Stopwatch(*model, runtime, 1, repeats=10)
    everywhere = dict.fromkeys(model[2], 0.9)
    assert 0 < watch.left(everywhere, 8) < float("inf")  # how fast is for a benchmark to say
    assert len(watch._export(everywhere, 1)[0].weights) < 0.2 * len(
        watch.dense[0].weights
    )  # what is timed is pruned


def test_training_by_latency(sample_data, model, table_file, tmp_path, by_macs):
    small = ["model.args.scale=0.25", "data.image_shape=[3,32,32]", f"data.root={sample_data}", "train.epochs=0",
             "data.train_transforms=[{Resize: {size: 32}}, Normalize]",
             "data.eval_transforms=[{Resize: {size: 32}}, Normalize]"]  # fmt: skip
    settings = [*small, "prune.strategy=for_target", "prune.target.latency=0.6"]
    config = load_config("configs/classification/mobilenet_v2_sample.yml", settings)
    metrics = train(config, tmp_path / "run", knowing("classification"), table_file)
    assert "0.6 of the latency" in metrics["pruning"]["scheme"]
    assert metrics["macs"] / metrics["pruning"]["dense"]["macs"] == pytest.approx(0.6, rel=0.1)
    assert (tmp_path / "run/latency_inference_t1.json").is_file()
