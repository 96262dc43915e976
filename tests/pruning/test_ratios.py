"""Planners by hand and against PaddleSlim's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddleprune.errors import UserError
from paddleprune.pruning.groups import Group, Groups, Slot
from paddleprune.pruning.plan import Plan, Slice, keep_count, make_plan
from paddleprune.pruning.ratios import for_target, under_budget, uniform

CURVE = {0.1: 0.01, 0.2: 0.02, 0.3: 0.06}
GRID = [0.1, 0.3, 0.5, 0.7, 0.9]
curves = st.lists(st.floats(-0.2, 1), min_size=5, max_size=5).map(lambda v: dict(zip(GRID, v, strict=True)))


def test_a_budget_by_hand():
    assert under_budget({"g": CURVE}, 0.03) == {"g": pytest.approx(0.225)}
    assert under_budget({"g": CURVE}, 0.06) == {"g": 0.3}
    assert under_budget({"g": CURVE}, 0.5) == {"g": 0.3}
    assert under_budget({"g": CURVE}, 0.005) == {"g": 0.0}
    # not monotone: the largest ratio within the budget counts
    assert under_budget({"g": {0.1: 0.2, 0.3: 0.04}}, 0.05) == {"g": 0.3}


@given(table=st.dictionaries(st.sampled_from("abc"), curves, min_size=1), budget=st.floats(0, 0.5))
def test_budgets_equal_paddleslims(table, budget):
    from paddleslim.prune import get_ratios_by_loss

    theirs = get_ratios_by_loss(table, budget)
    ours = under_budget(table, budget)
    assert ours == pytest.approx({name: theirs.get(name, 0.0) for name in table})


@given(curves, st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_larger_budget_never_keeps_more(curve, first, second):
    low, high = sorted((first, second))
    assert under_budget({"g": curve}, low)["g"] <= under_budget({"g": curve}, high)["g"] + 1e-12


@pytest.mark.parametrize("budget", [-0.1, 1.0, float("nan")])
def test_a_budget_out_of_range_is_refused(budget):
    with pytest.raises(UserError, match="eval_metric_loss"):
        under_budget({"g": CURVE}, budget)


def test_uniform():
    assert uniform(["a", "b"], 0.3) == {"a": 0.3, "b": 0.3}
    with pytest.raises(UserError, match="out of range"):
        uniform(["a"], 1.0)


@given(st.lists(curves, min_size=1, max_size=4), st.floats(0.3, 1))
def test_for_target_is_reached_with_the_least_budget(several, target):
    table = {str(i): curve for i, curve in enumerate(several)}

    def cost(ratios):
        return 1 - sum(ratios.values()) / len(ratios)

    chosen, budget = for_target(table, cost, target)
    assert cost(chosen) <= target
    if budget > 1e-5:
        assert cost(under_budget(table, max(0.0, budget - 1e-5))) > target
    assert chosen == pytest.approx(under_budget(table, min(max(budget, 0), 0.999999)), abs=1e-3)


def test_a_target_out_of_reach_is_refused():
    with pytest.raises(UserError, match=r"0\.700 is left"):
        for_target({"g": CURVE}, lambda r: 1 - r["g"], 0.5)


@pytest.mark.parametrize(
    ("size", "ratio", "align", "kept"),
    [(24, 0.5, 8, 16), (24, 0.5, 1, 12), (24, 0.0, 8, 24), (4, 0.9, 8, 4), (4, 0.9, 1, 1), (10, 0.99, 1, 1),
     (96, 0.45, 8, 56), (64, 0.25, 1, 48)],
)  # fmt: skip
def test_kept_channels(size, ratio, align, kept):
    assert keep_count(size, ratio, align) == kept


@given(st.integers(2, 300), st.floats(0, 0.99))
def test_kept_channels_without_rounding_are_paddleslims(size, ratio):
    pruned = min(size - 1, round(size * ratio))  # FilterPruner.cal_mask
    assert keep_count(size, ratio) == size - pruned


def test_the_channels_of_lowest_score_go():
    group = Group("w", 4, (Slot("w", 0, "out", np.arange(4)[:, None]),), ())
    groups = Groups({"w": group}, {}, ("w",), {"w": (4, 3)}, {}, frozenset("w"), frozenset("w"), None)
    plan = make_plan(groups, {"w": 0.5}, {"w": np.array([3.0, 1.0, 2.0, 1.0])})
    assert plan.kept == {"w": (0, 2)}
    assert list(plan.removed("w")) == [1, 3]
    assert plan.slices == {("w", 0): Slice(4, (0, 2))}
    assert Plan.from_dict(plan.as_dict()) == plan


@pytest.mark.parametrize("kept", [[], [0, 0], [2, 1], [-1, 0], [4], ["x"], None])
def test_a_damaged_plan_is_refused(kept):
    with pytest.raises(UserError, match="plan"):
        Plan.from_dict({"format": 1, "groups": {"g": {"size": 4, "kept": kept}}})


@pytest.mark.parametrize(
    "changes",
    [
        {"groups": {}},
        {"groups": {"g": {"size": 4, "kept": [0]}}},
        {"groups": {"g": {"size": 10**12, "kept": [0, 2]}}},
        {"groups": {"g": {"size": 4, "kept": [0, 2]}, "../x": {"size": 4, "kept": [0]}}},
        {"slices": []},
        {"slices": [{"parameter": "g", "axis": 0, "size": 4, "kept": [0, 1, 2]}]},
        {"slices": [{"parameter": "g", "axis": 0, "size": 2, "kept": [0]}]},
    ],
)
def test_a_plan_that_contradicts_itself_is_refused(changes):
    whole = {"format": 2, "groups": {"g": {"size": 4, "kept": [0, 2]}},
             "slices": [{"parameter": "g", "axis": 0, "size": 4, "kept": [0, 2]}]}  # fmt: skip
    assert Plan.from_dict(whole).as_dict() == whole
    with pytest.raises(UserError, match="prune again"):
        Plan.from_dict({**whole, **changes})


def test_groups_that_share_an_axis_are_one_plan():
    """Two halves of the filters `w`, and units of two positions each."""
    groups = {
        "w": {"size": 4, "kept": [0, 1, 2]},
        "w#2": {"size": 4, "kept": [1]},
        "v": {"size": 2, "kept": [1]},
    }
    slices = [{"parameter": "w", "axis": 0, "size": 8, "kept": [0, 1, 2, 5]},
              {"parameter": "v", "axis": 0, "size": 4, "kept": [2, 3]}]  # fmt: skip
    raw = {"format": 2, "groups": groups, "slices": slices}
    assert Plan.from_dict(raw).as_dict() == raw
