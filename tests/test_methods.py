"""A teacher: what it says counts as much as it was asked to, it stays as it is, and a broken run goes on exactly."""

import json

import numpy as np
import paddle
import pytest
from conftest import knowing, randomize
from paddle import nn

from paddleprune import models, pipeline, prune, tasks
from paddleprune.config import load_config
from paddleprune.data.sample_data import make
from paddleprune.engine.checkpoint import SavedModel, load_model, read_weights
from paddleprune.errors import UserError
from paddleprune.graph.example import outputs_of
from paddleprune.methods import Distill
from paddleprune.models._head import divergence
from paddleprune.pruning.narrow import narrow
from paddleprune.verdict import verdict

LABELS = {"classification": list("abc"), "detection": list("abc"), "segmentation": list("ab"), "matting": []}
MODELS = {
    "classification": "mobilenet_v2",
    "detection": "yolov3",
    "segmentation": "unet",
    "matting": "modnet",
}


def test_divergence_by_hand():
    """Logits 0 and 2 log 3 at T = 2: probabilities 1/4 and 3/4 against a half each."""
    wanted, said = paddle.to_tensor([[0.0, 2 * np.log(3)]], "float32"), paddle.zeros([1, 2])
    by_hand = 4 * (0.25 * np.log(0.25 / 0.5) + 0.75 * np.log(0.75 / 0.5))
    assert float(divergence(said, wanted, -1)) == pytest.approx(by_hand, rel=1e-5)


def test_boxes_apart_by_hand():
    """One anchor, one class, one cell. The teacher is sure that something is there (logit 20), at 0, of size 0."""
    task = tasks.of("detection", "yolov3", ["a"])
    wanted = paddle.to_tensor([0.0, 0.0, 0.0, 0.0, 20.0, 20.0]).reshape([1, 6, 1, 1])
    said = paddle.to_tensor([1.0, 0.0, 0.5, -0.25, 20.0, 0.0]).reshape([1, 6, 1, 1])
    centre = np.log1p(np.e) - 0.5 - np.log(2)  # cross entropy of logit 1 with a half, less the half's own
    assert float(task.head.apart([said], [wanted], {})) == pytest.approx(centre + 0.75 + np.log(2), rel=1e-3)


@pytest.mark.parametrize("name", list(MODELS))
def test_agreement_costs_nothing_and_the_teacher_stays(name):
    args = {**models.card(MODELS[name]).args} | ({"num_classes": len(LABELS[name])} if LABELS[name] else {})
    network, teacher = (randomize(models.build(MODELS[name], args), seed) for seed in (0, 1))
    task = tasks.of(name, MODELS[name], LABELS[name])
    image = paddle.to_tensor(np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype("float32"))
    wanted = outputs_of(teacher(image))
    assert float(task.head.apart(wanted, wanted, {})) == pytest.approx(0, abs=1e-5)
    before = {key: tensor.numpy() for key, tensor in teacher.state_dict().items()}
    method = Distill(task.head, teacher, 0.25)
    own = lambda net, batch: {"loss": outputs_of(net(image))[0].square().mean()}  # noqa: E731
    losses = method.wrap(own)(network, {})
    alone = own(network, {})["loss"]
    apart = task.head.apart(outputs_of(network(image)), wanted, {})
    assert float(apart) > 1e-3
    assert float(losses["loss"]) == pytest.approx(0.75 * float(alone) + 0.25 * float(apart), rel=1e-4)
    losses["loss"].backward()
    assert all(p.grad is None for p in teacher.parameters())
    assert all((teacher.state_dict()[key].numpy() == array).all() for key, array in before.items())
    assert any(p.grad is not None for p in network.parameters())


def test_of_another_kind_of_network_nothing_is_known():
    class Other(models.Head):
        loss = deployed = None

    with pytest.raises(UserError, match="train.distill: .* cannot learn from a teacher"):
        Other([]).apart([], [], {})


SMALL = [
    "model.args.scale=0.25", "data.image_shape=[3,32,32]", "data.batch_size=8", "train.log_every=1",
    "data.train_transforms=[{Resize: {size: 32}}, Normalize]", "data.eval_transforms=[{Resize: {size: 32}}, Normalize]",
]  # fmt: skip


class Ended(BaseException):
    """As if the process had been killed."""


def test_a_pruned_run_with_a_teacher_goes_on_exactly_and_its_config_makes_it_again(tmp_path, monkeypatch):
    data = make("classification", tmp_path / "digits", 32, 16)
    base = "configs/classification/mobilenet_v2_sample.yml"
    dense = load_config(base, [f"data.root={data}", *SMALL, "train.epochs=0"])
    pipeline.train(dense, tmp_path / "dense", knowing("classification"))
    settings = [
        "prune.strategy=least_loss",
        "prune.target.params=0.5",
        "prune.align=2",
        "train.epochs=2",
        "train.distill=0.5",
    ]
    config = load_config(base, [f"data.root={data}", *SMALL, *settings])
    pipeline.train(config, tmp_path / "whole", str(tmp_path / "dense/best_model"))
    lines = [json.loads(line) for line in (tmp_path / "whole/log.jsonl").read_text().splitlines()]
    assert all(line["teacher"] > 0 for line in lines if line["kind"] == "train")

    again = load_config(tmp_path / "whole/config.yml")
    with monkeypatch.context() as patch:

        def ended(*_):
            raise Ended

        real = pipeline.standard
        patch.setattr(
            pipeline, "standard", lambda folder, saved, judge, before: real(folder, saved, ended, before)
        )
        with pytest.raises(Ended):
            pipeline.train(again, tmp_path / "broken")
    pipeline.train(again, tmp_path / "broken", resume=True)
    ours, theirs = (read_weights(tmp_path / f"{run}/latest/model.pdparams") for run in ("whole", "broken"))
    assert all((ours[name] == theirs[name]).all() for name in ours)
    assert (tmp_path / "whole/config.yml").read_text() == (tmp_path / "broken/config.yml").read_text()
    plans = [(tmp_path / f"{run}/latest/plan.json").read_text() for run in ("whole", "broken")]
    assert plans[0] == plans[1]


def test_a_teacher_of_other_classes_is_refused(tmp_path):
    data = make("classification", tmp_path / "digits", 32, 16)
    base = "configs/classification/mobilenet_v2_sample.yml"
    pipeline.train(load_config(base, [f"data.root={data}", *SMALL, "train.epochs=0"]), tmp_path / "a")
    model = tmp_path / "a/best_model/model.yml"
    model.write_text(model.read_text().replace("- digit_0", "- zero"))
    config = load_config(
        base, [f"data.root={data}", *SMALL, "train.distill=0.5", f"train.teacher={tmp_path / 'a/best_model'}"]
    )
    with pytest.raises(UserError, match="train.teacher: .* has another labels|does not fit"):
        pipeline.train(config, tmp_path / "b")


def detector(name, **args):
    args = {**models.card(name).args, "num_classes": 2, **args}
    facts = {"task": "detection", "labels": ["a", "b"], "image_shape": [3, 64, 64],
             "model": {"name": name, "args": args}}  # fmt: skip
    return SavedModel(models.build(name, args), facts)


def test_a_teacher_that_says_other_things_is_refused_before_it_teaches():
    pupil = detector("yolov3")
    prune._refuse_other_teacher(detector("yolov3", backbone="mobilenet_v2"), pupil)
    smaller = [[0.5 * side for side in pair] for pair in pupil.network.anchors]
    with pytest.raises(UserError, match=r"train.teacher: .* has another anchors .* set train.distill=0"):
        prune._refuse_other_teacher(detector("yolov3", anchors=smaller), pupil)
    other = detector("yolov2")
    other.network.anchors = pupil.network.anchors
    with pytest.raises(UserError, match="another shape of outputs"):
        prune._refuse_other_teacher(other, pupil)
    narrower = SavedModel(nn.Conv2D(4, 2, 1), {**pupil.facts, "image_shape": [4, 64, 64]})
    narrower.network.anchors = pupil.network.anchors
    with pytest.raises(UserError, match="another shape of outputs .none for .4, 64, 64."):
        prune._refuse_other_teacher(pupil, narrower)


def test_a_layer_that_returns_a_dict_can_be_taught():
    class Dict(nn.Layer):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 2)

        def forward(self, x):
            return {"logits": self.fc(x)}

    network, teacher = randomize(Dict(), 0), randomize(Dict(), 1)
    x = paddle.ones([4, 3])
    task = tasks.of("classification", "mobilenet_v2", list("ab"))
    losses = Distill(task.head, teacher, 1.0).wrap(lambda net, batch: {"loss": net(x)["logits"].mean()})(
        network, {}
    )
    wanted = divergence(network(x)["logits"], teacher(x)["logits"], -1)
    assert float(losses["loss"]) == pytest.approx(float(wanted), rel=1e-5)


def pruned(epochs=4, epoch=1, value=0.9, before=0.5):
    dense = {"value": 1.0, "params": 100, "macs": 1000}
    return {
        "metric": "acc1", "value": value, "epoch": epoch, "epochs": epochs, "params": 20, "macs": 500,
        "pruning": {"dense": dense, "before_retrain": before},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("metrics", "higher", "line"),
    [
        (pruned(), True, "acc1 1.0000 -> 0.9000 (10.0 % lost, 0.5000 before retraining); 5.00x fewer params, "
                         "2.00x fewer macs; prune less, or in several rounds"),
        (pruned(epoch=4), True, "the last epochs were the best: more of them would help"),
        (pruned(value=0.99), True, "little is lost"),
        (pruned(value=1.01), True, "(nothing lost, 0.5000 before retraining)"),
        (pruned(value=1.1), False, "(10.0 % lost"),
        (pruned(epochs=0), True, "(10.0 % lost, not retrained); 5.00x fewer params, 2.00x fewer macs; some epochs of"),
    ],
)  # fmt: skip
def test_the_verdict(metrics, higher, line):
    assert line in verdict(metrics, higher)


def test_until_the_dense_metric_is_back(tmp_path, monkeypatch):
    """By a scripted metric: the dense network's after two of nine epochs, or never and no more is gained."""
    data = make("classification", tmp_path / "digits", 32, 16)
    base = "configs/classification/mobilenet_v2_sample.yml"
    pipeline.train(load_config(base, [f"data.root={data}", *SMALL, "train.epochs=0"]), tmp_path / "dense")
    settings = [
        "prune.strategy=uniform",
        "prune.ratio=0.5",
        "prune.align=1",
        "train.until=dense",
        "train.epochs=9",
    ]
    config = load_config(base, [f"data.root={data}", *SMALL, *settings])
    for name, values, epochs in (
        ("back", [0.5, 0.9], 2),
        ("lost", [0.5, *[0.6] * 6, 0.7], 7),
    ):
        scripted = iter(values)
        around = iter([0.85, 0.3])  # before pruning, and before retraining
        monkeypatch.setattr("paddleprune.prune.score", lambda *_, it=around: {"acc1": next(it)})
        monkeypatch.setattr(pipeline, "score", lambda *_, it=scripted: {"acc1": next(it)})
        metrics = pipeline.train(config, tmp_path / name, str(tmp_path / "dense/best_model"))
        assert metrics["epochs"] == epochs
        assert "acc1 0.8500 -> " in metrics["verdict"]
    plain = load_config(base, [f"data.root={data}", *SMALL, "train.until=dense"])
    with pytest.raises(UserError, match="train.until: 'dense' is for a network that was pruned"):
        pipeline.train(plain, tmp_path / "plain")


def test_a_network_that_training_makes_worse_is_kept_as_it_was(tmp_path, monkeypatch):
    data = make("classification", tmp_path / "digits", 32, 16)
    base = "configs/classification/mobilenet_v2_sample.yml"
    pipeline.train(load_config(base, [f"data.root={data}", *SMALL, "train.epochs=0"]), tmp_path / "dense")
    config = load_config(base, [f"data.root={data}", *SMALL, "prune.strategy=uniform", "train.epochs=2"])
    around, after = iter([0.85, 0.8]), iter([0.7, 0.75])
    monkeypatch.setattr("paddleprune.prune.score", lambda *_: {"acc1": next(around)})
    monkeypatch.setattr(pipeline, "score", lambda *_: {"acc1": next(after)})
    metrics = pipeline.train(config, tmp_path / "run", str(tmp_path / "dense/best_model"))
    assert [metrics["value"], metrics["epoch"], metrics["epochs"]] == [0.8, 0, 2]
    assert "a smaller learning rate would help" in metrics["verdict"]
    best, last = (read_weights(tmp_path / f"run/{name}/model.pdparams") for name in ("best_model", "latest"))
    assert any((best[name] != last[name]).any() for name in best)


def test_rounds(tmp_path, caplog):
    """Two rounds to 0.4 of the parameters by way of the root of it; the plan is one of the dense network; a second
    command takes the first round as it is."""
    data = make("classification", tmp_path / "digits", 32, 16)
    base = "configs/classification/mobilenet_v2_sample.yml"
    dense = load_config(base, [f"data.root={data}", *SMALL, "train.epochs=0"])
    pipeline.train(dense, tmp_path / "dense", knowing("classification"))
    settings = ["prune.strategy=least_loss", "prune.target.params=0.4", "prune.align=1", "prune.rounds=2"]
    config = load_config(base, [f"data.root={data}", *SMALL, *settings, "train.epochs=1"])
    metrics = pipeline.train(config, tmp_path / "run", str(tmp_path / "dense/best_model"))
    first = json.loads((tmp_path / "run/round_1/metrics.json").read_text())
    whole = metrics["pruning"]["dense"]["params"]
    assert first["pruning"]["dense"] == metrics["pruning"]["dense"]
    assert 0.5 * whole < first["params"] <= 0.4**0.5 * whole
    assert 0.3 * whole < metrics["params"] <= 0.4 * whole
    saved = load_model(tmp_path / "run/best_model")
    fresh = models.build("mobilenet_v2", saved.facts["model"]["args"])
    narrow(fresh, saved.plan)
    assert {n: t.shape for n, t in fresh.state_dict().items()} == {
        n: t.shape for n, t in saved.network.state_dict().items()
    }
    began = (tmp_path / "run/round_1/metrics.json").stat().st_mtime_ns
    pipeline.train(config, tmp_path / "run", str(tmp_path / "dense/best_model"), overwrite=True)
    assert (tmp_path / "run/round_1/metrics.json").stat().st_mtime_ns == began
    bad = load_config(base, [f"data.root={data}", "prune.strategy=magnitude", "prune.rounds=2"])
    with pytest.raises(UserError, match="prune.rounds: each round looks at the network anew"):
        pipeline.train(bad, tmp_path / "bad", str(tmp_path / "dense/best_model"))
