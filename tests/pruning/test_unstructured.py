"""Weights set to zero: by hand, against PaddleSlim, and through retraining, resuming and export."""

import json

import cv2
import numpy as np
import pytest
from conftest import Chain, knowing, randomize

from paddleprune.cli import main
from paddleprune.config import load_config
from paddleprune.data.sample_data import make
from paddleprune.engine.checkpoint import load_model
from paddleprune.errors import UserError
from paddleprune.export.inference import export_inference
from paddleprune.pipeline import export_model, train
from paddleprune.pruning.unstructured import apply_masks, magnitude_masks, present_masks
from paddleprune.sweep import sweep
from paddleprune.texts import read_json

CONFIG = "configs/classification/mobilenet_v2_sample.yml"
SMALL = ["model.args.scale=0.25", "data.image_shape=[3,32,32]", "train.epochs=1",
         "data.train_transforms=[{Resize: {size: 32}}, Normalize]",
         "data.eval_transforms=[{Resize: {size: 32}}, Normalize]"]  # fmt: skip


def test_the_smallest_of_all_go():
    weights = {"a": np.float32([[0.9, -0.1, 0.4]]), "b": np.float32([0.05, -0.6])}
    masks = magnitude_masks(weights, 0.4)
    assert masks["a"].tolist() == [[True, False, True]]
    assert masks["b"].tolist() == [False, True]
    assert all(mask.all() for mask in magnitude_masks(weights, 0.0).values())
    assert sum(mask.sum() for mask in magnitude_masks({"a": np.ones(10)}, 0.35).values()) == 6  # equal ones


@pytest.mark.parametrize("ratio", [0.3, 0.55, 0.9])
def test_the_same_weights_go_as_with_paddleslim(ratio):
    slim = pytest.importorskip("paddleslim.dygraph")
    network = randomize(Chain())
    names = [name for name, p in network.named_parameters() if p.ndim > 1]
    weights = {name: network.state_dict()[name].numpy() for name in names}
    masks = magnitude_masks(weights, ratio)
    pruner = slim.UnstructuredPruner(
        network,
        mode="ratio",
        ratio=ratio,
        skip_params_func=lambda m: {p.name for p in m.parameters() if p.ndim == 1},
    )
    pruner.step()
    theirs = {name: pruner.masks[network.state_dict()[name].name].numpy() for name in names}
    differ = sum(int((theirs[name].astype(bool) != masks[name]).sum()) for name in names)
    assert differ <= 1  # they take the threshold's weight with them


def test_masks_of_a_pruned_network_are_its_zeros():
    network = randomize(Chain())
    names = ["a.weight", "fc1.weight"]
    masks = magnitude_masks({name: network.state_dict()[name].numpy() for name in names}, 0.5)
    apply_masks(network, masks)
    found = present_masks({name: network.state_dict()[name].numpy() for name in names})
    for name in names:
        np.testing.assert_array_equal(found[name], masks[name])


@pytest.fixture(scope="module")
def dense(sample_data, tmp_path_factory):
    """A config and a trained model directory."""
    config = load_config(CONFIG, [f"data.root={sample_data}", *SMALL])
    folder = tmp_path_factory.mktemp("dense")
    train(config, folder)
    return config, folder / "best_model"


def zeros(folder):
    """{weight: where it is 0} of a model directory's layers."""
    state = load_model(folder).network.state_dict()
    return {n: t.numpy() == 0 for n, t in state.items() if t.ndim > 1}


def test_zeros_stay_zero_through_retraining_resuming_and_export(dense, sample_data, tmp_path):
    config = load_config(
        CONFIG, [f"data.root={sample_data}", *SMALL, "prune.strategy=magnitude", "prune.ratio=0.7"]
    )
    metrics = train(config, tmp_path / "run", str(dense[1]))
    first = zeros(tmp_path / "run/best_model")
    count = sum(z.size for z in first.values())
    assert sum(z.sum() for z in first.values()) == round(0.7 * count)
    assert metrics["params"] - metrics["nonzero_params"] >= round(0.7 * count)
    assert metrics["pruning"]["scheme"] == "magnitude 0.7"
    more = load_config(tmp_path / "run/config.yml", ["train.epochs=2"])
    train(more, tmp_path / "run", resume=True)
    for name, where in zeros(tmp_path / "run/latest").items():
        np.testing.assert_array_equal(where, first[name])
    network = load_model(tmp_path / "run/latest").network
    exported = export_inference(network, (3, 32, 32))
    for name in first:
        assert network.state_dict()[name].numpy().tobytes() in exported.weights
    parity = export_model(tmp_path / "run/best_model", tmp_path / "out", "inference")["parity"]
    assert parity["max_abs_diff"] < 1e-4


def test_a_part_alone_loses_weights(sample_data, tmp_path):
    config = load_config(
        "configs/detection/yolov3_sample.yml",
        ["prune.strategy=magnitude", "prune.ratio=0.5", "prune.scope=yolo_blocks", "model.args.width=0.0625",
         f"data.root={make('detection', tmp_path / 'data', 8, 4)}", "train.epochs=0", "data.batch_size=4"],
    )  # fmt: skip
    train(config, tmp_path / "run", knowing("detection"))
    for name, where in zeros(tmp_path / "run/best_model").items():
        assert where.any() == name.startswith("blocks."), name
    more = ["prune.strategy=magnitude", "prune.recalibrate=3", f"data.root={sample_data}", *SMALL]
    with pytest.raises(UserError, match=r"takes neither prune.recalibrate nor"):
        train(load_config(CONFIG, more), tmp_path / "other")


def test_a_file_or_budget_is_refused(dense, sample_data, tmp_path):
    config = load_config(CONFIG, [f"data.root={sample_data}", *SMALL, "prune.strategy=magnitude"])
    with pytest.raises(UserError, match=r"--sensitivities_file: prune.strategy 'magnitude' takes none"):
        train(config, tmp_path, str(dense[1]), "DEFAULT")


@pytest.mark.parametrize("what", ["filters", "weights"])
def test_a_sweep_makes_a_row_a_ratio_and_goes_on(dense, tmp_path, what):
    config, model = dense
    rows = sweep(config, model, what, [0.5, 0.25], tmp_path)
    assert [row["removed"] for row in rows] == [0.0, 0.25, 0.5]
    assert rows[0]["value"] == pytest.approx(read_json(model.parent / "metrics.json", "metrics")["value"])
    left = [row["params" if what == "filters" else "nonzero_params"] for row in rows]
    assert left == sorted(left, reverse=True)
    assert all(row["before_retrain"] is not None for row in rows[1:])
    stamp = (tmp_path / f"{what}_0.25/metrics.json").stat().st_mtime_ns
    (tmp_path / f"{what}_0.5/metrics.json").unlink()  # as if it had been broken off
    other = {"filters": "is pruned already", "weights": "began with another model"}[what]
    with pytest.raises(UserError, match=other):
        sweep(config, tmp_path / f"{what}_0.5/best_model", what, [0.5], tmp_path)
    assert sweep(config, model, what, [0.25, 0.5], tmp_path) == rows
    assert (tmp_path / f"{what}_0.25/metrics.json").stat().st_mtime_ns == stamp
    command = ["sweep", "--config", CONFIG, "--set", f"data.root={config.data.root}", *SMALL]
    more = ["--model_dir", str(model), "--what", what, "--ratios", "0.25,0.5", "--save_dir", str(tmp_path)]
    assert main([*command, *more]) == 0
    assert json.loads((tmp_path / f"{what}.json").read_text())["rows"] == rows
    assert cv2.imread(str(tmp_path / f"{what}.png")).std() > 5
    facts = json.loads((tmp_path / f"{what}_0.25/metrics.json").read_text())
    facts["pruning"]["dense"]["weights"] = "another"
    (tmp_path / f"{what}_0.25/metrics.json").write_text(json.dumps(facts))
    with pytest.raises(UserError, match="began with another model"):
        sweep(config, model, what, [0.25], tmp_path)


def test_bad_sweeps_are_one_line(dense, tmp_path):
    with pytest.raises(UserError, match="--what: 'layers' is not known"):
        sweep(*dense, "layers", [0.5], tmp_path)
    with pytest.raises(UserError, match="--ratios"):
        sweep(*dense, "filters", [1.5], tmp_path)
