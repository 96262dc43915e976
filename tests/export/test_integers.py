"""Files that calculate with integers."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import paddle
import pytest
from conftest import TOY_SHAPE, Chain, Depthwise, Grouped, knowing, randomize
from onnx import numpy_helper
from paddle import nn
from paddle.base.proto import framework_pb2

import paddleprune as pp
from paddleprune import models
from paddleprune.cli import main
from paddleprune.data.sample_data import make
from paddleprune.errors import UserError
from paddleprune.export import formats, inference_integers, parity
from paddleprune.export.biases import rounded
from paddleprune.export.inference import export_inference
from paddleprune.export.integers import behind_weights
from paddleprune.tasks import of

pytest.importorskip("paddle2onnx")


def images(shape=TOY_SHAPE, count=24, seed=5):
    return np.random.default_rng(seed).normal(size=(count, *shape)).astype("float32")


WAYS = [
    ("onnx", "KL"),
    ("onnx", "min_max"),
    ("openvino", "KL"),
    ("inference", "min_max"),
    ("inference", "KL"),
]


@pytest.mark.parametrize(("form", "algorithm"), WAYS)
@pytest.mark.parametrize("net", [Chain, Depthwise, Grouped])
def test_integers_say_nearly_the_same(net, algorithm, form):
    if form == "openvino":
        pytest.importorskip("openvino")
    network = randomize(net())
    made = formats.make(form, network, TOY_SHAPE, [], formats.Quant("int8", images, algorithm))
    expected = network(paddle.to_tensor(images(seed=6))).numpy()
    (output,) = made.forward(images(seed=6))[0]
    apart = np.square(output - expected).mean() / np.square(expected - expected.mean()).mean()
    # Of the variance; 0 would be floats. Paddle's KL cuts off more than ONNX Runtime's.
    assert 0 < apart < (0.1 if (form, algorithm) == ("inference", "KL") else 0.02)


def test_weights_are_stored_as_integers_and_the_file_is_small():
    network = models.build("mobilenet_v2", {"num_classes": 3, "scale": 0.5})
    network.eval()
    shape = (3, 32, 32)
    made = [
        formats.make("onnx", network, shape, [], quant).files["model.onnx"]
        for quant in (None, formats.Quant("int8", lambda: images(shape, 4), "min_max"))
    ]
    assert len(made[0]) > 3 * len(made[1])
    graph = onnx.load_from_string(made[1]).graph
    kinds = {tensor.name: tensor.data_type for tensor in graph.initializer}
    read = {node.input[1] for node in graph.node if node.op_type == "Conv"}
    made_by = {name: node for node in graph.node for name in node.output}
    assert len(read) == 52
    for name in read:
        assert made_by[name].op_type == "DequantizeLinear"
        assert kinds[made_by[name].input[0]] == onnx.TensorProto.INT8


def test_paddles_file_of_integers_is_small_and_names_no_place_of_this_machine(capfd):
    network = models.build("mobilenet_v2", {"num_classes": 3, "scale": 0.5})
    network.eval()
    shape = (3, 32, 32)
    quant = formats.Quant("int8", lambda: images(shape, 4))
    made = formats.make("inference", network, shape, [], quant)
    made.forward(images(shape, 2))
    said = capfd.readouterr()
    assert "see pictures" in said.err
    assert "quantized" not in said.out + said.err
    whole = formats.make("inference", network, shape, []).files
    assert len(whole["model.pdiparams"]) > 3 * len(made.files["model.pdiparams"])
    assert b"site-packages" not in made.files["model.pdmodel"]
    stored, ops = parameters(made.files), program(made.files).blocks[0].ops
    made_by = {name: op for op in ops for end in op.outputs for name in end.arguments}
    read = {end.arguments[0] for op in ops for end in op.inputs if end.parameter == "Filter"}
    assert len(read) == 52
    for name in read:
        assert made_by[name].type == "dequantize_linear"
        (weight,) = (end.arguments[0] for end in made_by[name].inputs if end.parameter == "X")
        assert stored[weight].dtype == np.int8


class Shortcut(nn.Layer):
    """A rectified map and a convolution of it, added."""

    def __init__(self, rectified=False):
        super().__init__()
        self.first, self.second = nn.Conv2D(3, 8, 3, padding=1), nn.Conv2D(8, 8, 3, padding=1)
        self.norm, self.last = nn.BatchNorm2D(8), nn.Conv2D(8, 4, 1)
        self.rectified = rectified

    def forward(self, x):
        x = nn.functional.relu6(self.first(x))
        x = x + self.norm(self.second(x))
        return self.last(nn.functional.relu(x) if self.rectified else x)


@pytest.mark.parametrize("rectified", [False, True])
def test_a_sum_with_a_rectified_shortcut_keeps_its_negative_values(rectified):
    network = randomize(Shortcut(rectified))
    assert bool(inference_integers.cut_at_zero(export_inference(network, TOY_SHAPE).model)) is not rectified
    made = formats.make("inference", network, TOY_SHAPE, [], formats.Quant("int8", images))
    expected = network(paddle.to_tensor(images(seed=6))).numpy()
    apart = np.square(made.forward(images(seed=6))[0][0] - expected).mean() / expected.var()
    assert 0 < apart < 0.01
    integers = [
        value for value in parameters(made.files).values() if value.dtype == np.int8 and value.ndim == 4
    ]
    assert len(integers) == (3 if rectified else 2)


SLIM = """
import sys
import numpy as np
import paddle
paddle.enable_static()
from paddleslim.quant import quant_post_static
images, executor = np.load("images.npy"), paddle.static.Executor(paddle.CPUPlace())
batches = [{"image": images[i : i + 8]} for i in range(0, len(images), 8)]
quant_post_static(executor, ".", "slim", data_loader=lambda: iter(batches), model_filename="model.pdmodel",
    params_filename="model.pdiparams", batch_nums=len(batches), algo=sys.argv[1], optimize_model=True, onnx_format=True)
"""


@pytest.mark.parametrize("algorithm", ["min_max", "KL"])
def test_paddleslim_writes_the_same(algorithm, tmp_path):
    pytest.importorskip("paddleslim")
    exported, given = export_inference(randomize(Depthwise()), TOY_SHAPE), images()
    replace(exported, model=inference_integers.with_plain_biases(exported.model)).write(tmp_path)
    np.save(tmp_path / "images.npy", given)
    environment = os.environ | {"FLAGS_enable_pir_api": "0"}
    command = [sys.executable, "-W", "ignore", "-c", SLIM, inference_integers.ALGORITHMS[algorithm]]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    model, weights = inference_integers.quantised(exported, given, algorithm)
    theirs = {name: (tmp_path / "slim" / name).read_bytes() for name in ("model.pdmodel", "model.pdiparams")}
    ours = {"model.pdmodel": model, "model.pdiparams": weights}
    assert [op.type for op in program(ours).blocks[0].ops] == [
        op.type for op in program(theirs).blocks[0].ops
    ]
    expected, found = parameters(theirs), parameters(ours)
    assert any(value.dtype == np.int8 for value in found.values())
    assert found.keys() == expected.keys()
    for name, value in found.items():
        np.testing.assert_array_equal(value, expected[name], name)


def test_paddles_reason_is_given_where_its_tool_fails():
    exported = export_inference(randomize(Chain()), TOY_SHAPE)
    with pytest.raises(UserError, match=r"--quant: Paddle's quantisation failed \(.+\); use another format"):
        inference_integers.quantised(exported, images((5, 8, 8)), "min_max")


def test_openvinos_file_of_integers_is_small_and_has_nothing_left_to_compute():
    pytest.importorskip("openvino")
    network = models.build("mobilenet_v2", {"num_classes": 3, "scale": 0.5})
    network.eval()
    shape = (3, 32, 32)
    whole, small = (
        formats.make("openvino", network, shape, [], quant).files
        for quant in (None, formats.Quant("int8", lambda: images(shape, 4), "min_max"))
    )
    assert sum(map(len, whole.values())) > 2 * sum(map(len, small.values()))
    assert b'type="FakeQuantize"' in small["model.xml"]
    assert b'type="ShapeOf"' not in small["model.xml"], "of shapes that are known"


def program(files) -> framework_pb2.ProgramDesc:
    return framework_pb2.ProgramDesc.FromString(files["model.pdmodel"])


def parameters(files) -> dict[str, np.ndarray]:
    """What Paddle's file of weights holds, by name: tensors one behind the other, in the order of their names."""
    kinds = {5: np.float32, 21: np.int8, 2: np.int32}
    names = sorted(
        v.name for v in program(files).blocks[0].vars if v.persistable and v.name not in ("feed", "fetch")
    )
    data, at, found = files["model.pdiparams"], 0, {}
    for name in names:
        at += 16  # versions, and levels of sequences, which are none
        size = int.from_bytes(data[at : at + 4], "little")
        facts = framework_pb2.VarType.TensorDesc.FromString(data[at + 4 : at + 4 + size])
        at += 4 + size
        kind, count = np.dtype(kinds[facts.data_type]), int(np.prod(facts.dims))
        found[name] = np.frombuffer(data, kind, count, at).reshape(facts.dims)
        at += count * kind.itemsize
    assert at == len(data)
    return found


@pytest.mark.parametrize("form", ["onnx", "inference"])
def test_weights_are_rounded_as_the_file_has_them(form):
    network, given = nn.Sequential(nn.Conv2D(4, 4, 3, padding=1)), images((4, 9, 9), 4)
    files = formats.make(form, network, (4, 9, 9), [], formats.Quant("int8", lambda: given)).files
    if form == "onnx":
        file = onnx.load_from_string(files["model.onnx"])
        stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in file.graph.initializer}
        (read,) = (
            node for node in file.graph.node if node.input[0] in stored and stored[node.input[0]].ndim == 4
        )
        assert read.op_type == "DequantizeLinear"
        integers, scale = (stored[name] for name in read.input[:2])
    else:
        stored = parameters(files)
        (integers,) = (value for value in stored.values() if value.dtype == np.int8 and value.ndim == 4)
        (scale,) = (
            value / 127 for name, value in stored.items() if value.shape == (1, 4) and "scale" in name
        )
    weight = network[0].weight.numpy()
    found = integers * scale.reshape(-1, 1, 1, 1)
    largest = formats.RUNTIMES[form].largest
    np.testing.assert_allclose(found, rounded(weight, largest), rtol=1e-5)


def test_what_leads_to_no_weights_stays_in_floats():
    def node(kind, name, inputs, outputs):
        return SimpleNamespace(op_type=kind, name=name, input=inputs, output=outputs)

    nodes = [
        node("Conv", "first", ["x", "w"], ["a"]),
        node("Shape", "size", ["a"], ["s"]),
        node("Relu", "between", ["a"], ["b"]),
        node("Gemm", "last", ["b", "v"], ["c"]),
        node("Exp", "boxes", ["c"], ["d"]),
        node("Reshape", "shaped", ["d", "s"], ["e"]),
    ]
    assert behind_weights(nodes) == ["shaped", "boxes", "size"]


@pytest.mark.parametrize("form", ["onnx", "openvino", "inference"])
def test_of_a_detector_the_decoding_of_boxes_stays_in_floats(form):
    if form == "openvino":
        pytest.importorskip("openvino")
    network = models.build("yolov3", {"num_classes": 3, "scale": 0.25, "width": 0.0625})
    network.eval()
    deployed = of("detection", "yolov3", ["a", "b", "c"]).head.deployed(network)
    shape = (3, 64, 64)
    made = formats.make(form, deployed, shape, [], formats.Quant("int8", lambda: images(shape, 2), "min_max"))
    boxes, numbers = made.forward(images(shape, 2))[0][:2]  # two at once
    assert boxes.shape[-1] == 6
    assert len(numbers) == 2
    if form == "inference":
        behind = [
            op for op in program(made.files).blocks[0].ops if op.type in ("yolo_box", "multiclass_nms3")
        ]
        read = {name for op in behind for end in op.inputs for name in end.arguments}
        assert behind
        assert not any(name.endswith(".dequantized") for name in read)
    if form == "onnx":
        graph = onnx.load_from_string(made.files["model.onnx"]).graph
        made_by = {name: node for node in graph.node for name in node.output}
        late = [node for node in graph.node if node.op_type in ("Exp", "NonMaxSuppression", "TopK")]
        assert len(late) >= 3
        for node in late:
            assert all(made_by[name].op_type != "DequantizeLinear" for name in node.input if name in made_by)


def test_the_face_writes_a_file_of_integers_and_says_what_it_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(parity, "LOSS", 0.3)  # two pictures of 48 are 5 %
    data = make("classification", tmp_path / "data", 96, 48)
    train, val = (
        pp.datasets.ImageNet(str(data), name, "labels.txt", [{"Resize": {"size": 32}}, "Normalize"])
        for name in ("train_list.txt", "val_list.txt")
    )
    model = pp.cls.MobileNetV2(num_classes=10, scale=0.25)
    model.train(0, train, val, save_dir=str(tmp_path / "run"), pretrain_weights=knowing("classification"))
    for wrong, said in (
        ({"algo": "hist"}, "algo: 'hist' is not known; valid: KL, min_max"),
        ({"batch_num": 0}, "batch_num: 0 is out of range"),
        ({"export_format": "lite8"}, "'lite8' is not known; did you mean 'lite'"),
        (
            {"export_format": "mnn"},
            "takes none; leave it out or use --format inference, lite, onnx, openvino",
        ),
        (
            {"export_format": "lite", "algo": "KL"},
            "algo: is for --quant int8 with --format inference, onnx, openvino",
        ),
    ):
        with pytest.raises(UserError, match=said):
            pp.slim.export_quant_model(model, val, save_dir=str(tmp_path / "int8"), **wrong)
    assert not (tmp_path / "int8").exists()
    model_dir = str(tmp_path / "run" / "best_model")
    command = ["export", "--model_dir", model_dir, "--save_dir", str(tmp_path / "cli"), "--format", "onnx"]
    assert main([*command, "--quant", "int8", "--quant_images", "0"]) == 2
    assert main([*command, "--quant_algorithm", "KL"]) == 2  # without --quant
    assert main([*command, "--quant", "int16"]) == 2
    manifest = pp.slim.export_quant_model(model, val, save_dir=str(tmp_path / "int8"), cache_dir="x")
    written = json.loads((tmp_path / "int8" / "manifest.json").read_text())
    assert written["quant"] == "int8"
    assert written["export"] == "inference"
    assert written["parity"] == manifest["parity"]
    assert manifest["parity"]["tolerance"] is None
    assert manifest["parity"]["same_decisions"] > 0.8
    assert not Path("x").exists()
