"""Exported files say what the network says, or are not written."""

import hashlib
import json
from pathlib import Path

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from conftest import SEED, TOY_NETS, TOY_SHAPE, randomize
from paddle import nn

from paddleprune import models
from paddleprune.cli import main
from paddleprune.config import RUNTIMES
from paddleprune.engine.evaluate import forward_of
from paddleprune.errors import UserError
from paddleprune.export import formats, lite, lite_check, parity
from paddleprune.export.inference import export_inference
from paddleprune.predictor import make_predictor, run
from paddleprune.tasks import of

lite_only = pytest.mark.skipif(not lite.installed(), reason="Paddle Lite is not installed")


def images(shape=TOY_SHAPE, count=3):
    return np.random.default_rng(5).normal(size=(count, *shape)).astype("float32")


@pytest.mark.parametrize("net", TOY_NETS)
def test_paddle_inference_says_the_same(net):
    network = randomize(net())
    exported = export_inference(network, TOY_SHAPE)
    runner = make_predictor(exported.model, exported.weights, 1)
    (output,) = run(runner, {exported.input: images()})
    np.testing.assert_allclose(output, network(paddle.to_tensor(images())).numpy(), atol=1e-4)


@lite_only
@pytest.mark.parametrize("net", TOY_NETS)
def test_paddle_lite_says_the_same(net):
    network = randomize(net())
    exported = export_inference(network, TOY_SHAPE)
    (output,) = lite.run(lite.convert(exported, "x86"), images())
    expected = network(paddle.to_tensor(images())).numpy()
    np.testing.assert_allclose(output.reshape(expected.shape), expected, atol=1e-4)
    assert len(lite.convert(exported, "arm")) > 1000


class Layers(nn.Layer):
    """Operators from which Paddle's own savers leave out what Paddle Lite demands."""

    def __init__(self, kind: str):
        super().__init__()
        self.kind = kind
        self.conv, self.norm = nn.Conv2D(3, 8, 3), nn.InstanceNorm2D(8)
        self.drop, self.old_drop = nn.Dropout(0.3), nn.Dropout(0.3, mode="downscale_in_infer")

    def forward(self, x):
        x = self.conv(x)
        return {
            "relu6": lambda: F.relu6(x),
            "dropout": lambda: F.relu(self.drop(x)),
            "dropout at the end": lambda: self.drop(x),
            "dropout of the older kind": lambda: F.relu(self.old_drop(x)),
            "flatten": lambda: F.relu(x.flatten(1)),
            "reshape": lambda: F.relu(x.reshape([0, 4, -1])),
            "transpose": lambda: F.relu(x.transpose([0, 2, 3, 1])),
            "squeeze": lambda: F.relu(F.adaptive_avg_pool2d(x, 1).squeeze([2, 3])),
            "unsqueeze": lambda: F.relu(x.unsqueeze(2)),
            "instance_norm": lambda: F.relu(self.norm(x)),
        }[self.kind]()


KINDS = ["relu6", "dropout", "dropout at the end", "dropout of the older kind", "flatten", "reshape",
         "transpose", "squeeze", "unsqueeze", "instance_norm"]  # fmt: skip


@lite_only
@pytest.mark.parametrize("kind", KINDS)
def test_lite_takes_the_operators_that_savers_cripple(kind):
    network = randomize(Layers(kind))
    exported = export_inference(network, TOY_SHAPE)
    (output,) = lite.run(lite.convert(exported, "x86"), images())
    expected = network(paddle.to_tensor(images())).numpy()
    np.testing.assert_allclose(output.reshape(expected.shape), expected, atol=1e-4)
    assert lite.convert(exported, "arm")


class Unknown(nn.Layer):
    """`erf` inverse is no operator of Paddle Lite."""

    def __init__(self):
        super().__init__()
        self.conv, self.last = nn.Conv2D(3, 4, 1), nn.Conv2D(4, 2, 1)

    def forward(self, x):
        return self.last(F.relu(paddle.erfinv(F.relu(self.conv(x)))))


@lite_only
@pytest.mark.parametrize("target", ["x86", "arm"])
def test_the_operator_that_lite_cannot_take_is_named(target):
    with pytest.raises(
        UserError, match=rf"failed for {target} at the operator 'erfinv' \(number \d+ of \d+\)"
    ):
        lite.convert(export_inference(randomize(Unknown()), TOY_SHAPE), target)


@lite_only
def test_a_file_that_is_no_model_is_an_error_not_a_crash():
    with pytest.raises(UserError, match="runtime failed"):
        lite.run(b"no model", images())


def test_onnx_looks_at_as_many_candidates_as_paddle():
    """At 224 px a detector has 3087 boxes a class; Paddle's NMS takes the 400 best of them."""
    pytest.importorskip("paddle2onnx")
    network = models.build("yolov3", {"num_classes": 3, "scale": 0.25, "width": 0.0625})
    rng = np.random.default_rng(SEED)
    for head in network.heads:  # boxes everywhere, of all scores
        head.bias.set_value(rng.normal(1, 0.5, head.bias.shape).astype("float32"))
        head.weight.set_value(10 * head.weight)
    network.eval()
    task = of("detection", "yolov3", ["a", "b", "c"])
    made = formats.make("onnx", task.head.deployed(network), (3, 224, 224), [])
    x = rng.random((2, 3, 224, 224), np.float32)
    found = task.agreement(forward_of(task.head.deployed(network))(x)[0], made.forward(x)[0])
    assert found.decided > 100
    assert found.same >= 0.995 * found.decided


def batches(count=2):
    for i in range(count):
        yield {"image": images(count=4) + i, "label": np.zeros(4, np.int64)}


def test_the_names_of_the_runtimes_are_one_list():
    assert tuple(formats.RUNTIMES) == RUNTIMES
    files = [name for runtime in formats.RUNTIMES.values() for name in runtime.files]
    assert len(files) == len(set(files))


def test_parity_measures_the_largest_difference():
    scores = np.eye(4, 3, dtype=np.float32)
    found = parity.check(
        "x",
        lambda b: [[scores]],
        lambda b: [[scores + 5e-4]],
        batches(),
        of("classification", "mobilenet_v2", ["a", "b", "c"]),
    )
    assert found.max_abs_diff == pytest.approx(5e-4, rel=1e-3)
    assert (found.images, found.tolerance) == (8, 1e-3)
    assert found.trained == found.exported == 0.5


@pytest.mark.parametrize("wrong", [0.1, np.nan])
def test_a_file_that_differs_is_refused(wrong):
    scores = np.eye(4, 3, dtype=np.float32)
    with pytest.raises(UserError, match=r"differs from the trained network .* nothing was written"):
        parity.check(
            "x",
            lambda b: [[scores]],
            lambda b: [[scores + wrong]],
            batches(),
            of("classification", "mobilenet_v2", ["a", "b", "c"]),
        )


def test_nothing_is_left_of_an_export_that_differs(sample_data, tmp_path, monkeypatch):
    from test_cli import CONFIG, SMALL

    from paddleprune import pipeline
    from paddleprune.config import load_config

    pipeline.train(load_config(CONFIG, [f"data.root={sample_data}", *SMALL]), tmp_path / "run")
    broken = lambda *a: export_inference(randomize(a[0], seed=9), a[1])  # noqa: E731
    monkeypatch.setattr(formats, "export_inference", broken)
    monkeypatch.setattr(pipeline, "forward_of", lambda network: lambda x: [[np.zeros((len(x), 10))]])
    with pytest.raises(UserError, match="nothing was written"):
        pipeline.export_model(tmp_path / "run/best_model", tmp_path / "out", "inference")
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(("form", "files"), [
    ("inference", {"model.pdmodel", "model.pdiparams"}),
    pytest.param("lite", {"model_x86.nb", "model_arm.nb"}, marks=lite_only),
])  # fmt: skip
def test_the_manifest_tells_a_client_all(sample_data, tmp_path, form, files):
    from test_cli import CONFIG, SMALL

    from paddleprune import pipeline
    from paddleprune.config import load_config

    pipeline.train(load_config(CONFIG, [f"data.root={sample_data}", *SMALL]), tmp_path / "run")
    made = pipeline.export_model(tmp_path / "run/best_model", tmp_path / "out", form, images=32)
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest == json.loads(json.dumps(made))
    assert set(manifest["files"]) == files
    for name, facts in manifest["files"].items():
        assert facts["sha256"] == hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest()
    assert manifest["input"] == {"name": "image", "shape": [1, 3, 32, 32], "layout": "NCHW", "colour": "RGB"}
    assert manifest["transforms"] == [{"Resize": {"size": 32}}, "Normalize"]
    assert manifest["parity"]["images"] == 32
    assert manifest["parity"]["max_abs_diff"] < 1e-4
    with pytest.raises(UserError, match="choose another folder"):
        pipeline.export_model(
            tmp_path / "run/best_model", tmp_path / "out", "lite" if form == "inference" else "inference"
        )


@lite_only
def test_an_older_export_goes_with_its_manifest(sample_data, tmp_path):
    from test_cli import CONFIG, SMALL

    from paddleprune import pipeline
    from paddleprune.config import load_config

    pipeline.train(load_config(CONFIG, [f"data.root={sample_data}", *SMALL]), tmp_path / "run")
    for targets, files in ((["x86", "arm"], {"model_x86.nb", "model_arm.nb"}), (["x86"], {"model_x86.nb"})):
        pipeline.export_model(tmp_path / "run/best_model", tmp_path / "out", "lite", targets, images=16)
        assert {p.name for p in (tmp_path / "out").iterdir()} == files | {"manifest.json"}


@lite_only
@pytest.mark.parametrize(("quant", "near"), [("int8", 0.02), ("int16", 1e-3)])
@pytest.mark.parametrize("net", TOY_NETS)
def test_integers_as_weights_say_nearly_the_same(net, quant, near):
    network = randomize(net())
    before = {name: t.numpy().copy() for name, t in network.state_dict().items()}
    made = formats.make("lite", network, TOY_SHAPE, ["x86"], formats.Quant(quant, images))
    expected = network(paddle.to_tensor(images())).numpy()
    (output,) = made.forward(images())[0]
    assert np.abs(output.reshape(expected.shape) - expected).max() < near * max(1, np.abs(expected).max())
    for name, tensor in network.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), before[name])


@lite_only
def test_integers_make_the_file_smaller():
    network = models.build("mobilenet_v2", {"num_classes": 3, "scale": 0.5})
    network.eval()
    sizes = {q: len(formats.make("lite", network, (3, 32, 32), ["arm"], q and formats.Quant(q, images)).files["model_arm.nb"])
             for q in ("", "int16", "int8")}  # fmt: skip
    assert sizes[""] > 1.6 * sizes["int16"] > 2 * sizes["int8"]


def test_quantisation_of_other_formats_is_refused():
    with pytest.raises(UserError, match=r"--quant: the format 'ncnn' takes none"):
        formats.make("ncnn", randomize(TOY_NETS[0]()), TOY_SHAPE, [], formats.Quant("int8", images))
    if lite.installed():
        with pytest.raises(UserError, match=r"--quant: 'int4' is not known; did you mean 'int"):
            formats.make("lite", randomize(TOY_NETS[0]()), TOY_SHAPE, ["x86"], formats.Quant("int4", images))
    with pytest.raises(UserError, match=r"--quant_algorithm: 'kl' is not known; valid: KL, min_max"):
        formats.make("onnx", randomize(TOY_NETS[0]()), TOY_SHAPE, [], formats.Quant("int8", images, "kl"))


def test_a_quantised_file_may_differ_but_not_lose():
    task = of("classification", "mobilenet_v2", ["a", "b"])
    right, wrong = np.float32([[2, 1]] * 4), np.float32([[1, 2]] * 4)
    found = parity.check("x", lambda x: [[right]], lambda x: [[right * 3]], batches(), task, lossy=True)
    assert found.tolerance is None
    assert found.max_abs_diff == 4
    for other in (wrong, np.full_like(wrong, np.nan)):
        with pytest.raises(UserError, match=r"a loss of more than 5 %; nothing was written"):
            parity.check("x", lambda x: [[right]], lambda x, o=other: [[o]], batches(), task, lossy=True)


@lite_only
def test_lite_check_names_every_operator_and_the_wrong_one():
    bad = lite_check.check(randomize(Unknown()), TOY_SHAPE)
    assert not bad.good
    assert bad.operators["erfinv"] == (1, {"arm": False, "x86": False})
    assert bad.operators["conv2d"] == (2, {"arm": True, "x86": True})
    assert "erfinv" in bad.converted["arm"]
    assert any(line.startswith("erfinv") and line.endswith("NO    NO") for line in bad.table().splitlines())


@lite_only
@pytest.mark.parametrize(
    "config", sorted((Path(__file__).parents[2] / "configs").glob("*/*_sample.yml")), ids=str
)
def test_lite_takes_every_model_of_the_sample_configs(config, capsys):
    assert main(["lite-check", "--config", str(config)]) == 0
    text = capsys.readouterr().out
    assert "NO" not in text
    assert "arm: converts\nx86: converts" in text
