"""The task of matting: its loss by hand, its data's faults, MODNet's size and its pruning."""

import cv2
import numpy as np
import paddle
import pytest

from paddleprune import cost, models
from paddleprune.config import PruneConfig, load_config
from paddleprune.data.readers.matting_pairs import Reader
from paddleprune.data.sample_data import make
from paddleprune.data.transforms import Compose
from paddleprune.engine.checkpoint import load_model
from paddleprune.errors import UserError
from paddleprune.graph.legacy import trace
from paddleprune.pipeline import train
from paddleprune.pruning.adaptive import adaptive_count, adaptive_fixed, make_divisible
from paddleprune.pruning.groups import find_groups
from paddleprune.scheme import choose
from paddleprune.tasks import make as make_task
from paddleprune.tasks import of

SHAPE = (3, 64, 64)


class Fixed(paddle.nn.Layer):
    """A network whose outputs are given."""

    def __init__(self, *outputs):
        super().__init__()
        self.outputs = [paddle.to_tensor(np.float32(o)) for o in outputs]

    def forward(self, image):
        return self.outputs


def test_the_loss_by_hand():
    """32 x 32 pixels, alpha 1; the matte is 0.5, the semantic 0.75, the detail 0.9, on an image of 2.
    A quarter of the picture is rim."""
    alpha, trimap = np.ones((1, 32, 32), np.float32), np.ones((1, 32, 32), np.float32)
    trimap[:, :16, :16] = 0.5
    batch = {"image": np.full((1, 3, 32, 32), 2, np.float32), "alpha": alpha, "trimap": trimap}
    outputs = (np.full((1, 1, 32, 32), 0.5), np.full((1, 1, 2, 2), 0.75), np.full((1, 1, 32, 32), 0.9))
    parts = of("matting", "modnet", []).loss(Fixed(*outputs), batch)
    assert float(parts["semantic"]) == pytest.approx(10 * 0.25**2, rel=1e-4)
    assert float(parts["detail"]) == pytest.approx(10 * 0.1 / 4, rel=1e-4)
    # alpha: 0.5 + 4 * 0.5 / 4 = 1; composition: twice that, as the image is 2
    assert float(parts["matte"]) == pytest.approx(3.0, rel=1e-4)
    assert float(parts["loss"]) == pytest.approx(0.625 + 0.25 + 3.0, rel=1e-4)


def test_results_and_pictures():
    task = of("matting", "modnet", [])
    matte = np.zeros((1, 1, 8, 8), np.float32)
    matte[..., 4:] = 1
    result = task.result([matte], (16, 16))
    assert result["share"] == pytest.approx(0.5, abs=0.01)
    assert result["alpha"][0, 0] == 0
    assert result["alpha"][0, -1] == 255
    picture = task.draw(np.full((16, 16, 3), 10, np.uint8), result)
    assert picture.shape[1] >= 640
    assert (picture[:, -1] == 10).all()  # the person is there ...
    assert picture[0, picture.shape[1] // 2].mean() > 100  # ... and the background gone


def test_modnet_has_the_papers_size():
    """6.49 M parameters; 18.3 G multiply-adds at 512 px with those of normalisations, which are not
    counted here (the official implementation, counted by its authors' tool)."""
    measured = cost.count(models.build("modnet", {}), (3, 512, 512))
    assert 6.45e6 < measured.params < 6.49e6
    assert measured.macs == pytest.approx(18.3e9, rel=0.015)


def test_every_layer_of_modnet_is_accounted_for():
    groups = find_groups(models.build("modnet", models.card("modnet").args), SHAPE)
    whole = {
        "low.head.0.weight": "its channels are the network's output",
        "high.head.1.0.weight": "its channels are the network's output",
        "fusion.head.1.0.weight": "its channels are the network's output",
        "high.head.0.0.weight": "it serves training alone",
    }
    assert groups.reasons == whole
    for name, group in groups.items():
        pairs = {s.index.shape[1] for s in group.role("out")}
        assert pairs == ({2} if name.startswith(("low.at", "high.", "fusion.")) else {1}), name


def test_the_deployed_network_has_the_matte_alone():
    network = models.build("modnet", models.card("modnet").args)
    whole, deployed = trace(network, SHAPE), trace(of("matting", "modnet", []).head.deployed(network), SHAPE)
    assert (len(whole.outputs), len(whole.helpers)) == (1, 2)
    assert (len(deployed.outputs), len(deployed.helpers)) == (1, 0)


def test_adaptive_counts_by_hand():
    assert [make_divisible(n) for n in (1, 11, 12, 20, 33)] == [
        8,
        16,
        16,
        24,
        32,
    ]  # 8 is less than 90 % of 11
    assert adaptive_count(np.array([4.0, 9, 1, 5]), 0.6) == 4  # 8, but there are 4
    norms = np.linspace(1, 0, 101)  # the first below 0.6 is number 41: 42 stay, 40 is near enough
    assert adaptive_count(norms, 0.6) == 40
    assert adaptive_count(np.ones(32), 0.6) == 32  # nothing stands out


def test_adaptive_fixed_divides_modnet_as_its_parts_say():
    network = models.build("modnet", {"scale": 0.5, "width": 32})
    groups, parts = find_groups(network, SHAPE), models.card("modnet").parts
    ratios = adaptive_fixed(groups, network, parts, 0.6, 0.5)
    for name in groups:
        if name.startswith(("high.", "fusion.")):
            assert ratios[name] == 0.5
        if name.startswith(("low.at8", "low.se")):
            assert ratios[name] == 0
    block = next(n for n in groups if n.endswith("features.5.conv.0.0.weight"))
    weights = network.state_dict()
    counts = []
    for layer in (block, block.replace("0.0.weight", "1.0.weight")):
        filters = weights[layer].numpy()
        counts.append(adaptive_count(np.abs(filters).sum((1, 2, 3)), 0.6))
    assert round(groups[block].size * (1 - ratios[block])) == max(counts)
    kept = adaptive_fixed(groups, network, parts, 0.6, 0.5, keep_backbone=True)
    assert all(ratio == 0 for name, ratio in kept.items() if name.startswith("backbone."))
    assert kept["low.at16.0.weight"] == ratios["low.at16.0.weight"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make("matting", tmp_path_factory.mktemp("matting") / "digits", 24, 8)


def config_of(data, *settings):
    return load_config(
        "configs/matting/modnet_sample.yml", [f"data.root={data}", "train.epochs=0", *settings]
    )


def test_the_two_ways_of_modnet_model_compression(data, tmp_path):
    """Prune by adaptive_fixed, inheriting the weights or not; other models have no such parts."""
    train(config_of(data), tmp_path / "dense")
    settings = ["prune.strategy=adaptive_fixed", "prune.ratio=0.5"]
    weights = {}
    for how in ("inherit", "scratch"):
        config = config_of(data, *settings, f"prune.weights={how}")
        metrics = train(config, tmp_path / how, str(tmp_path / "dense/best_model"))
        weights[how] = load_model(tmp_path / how / "best_model").network.state_dict()
    assert metrics["pruning"]["scheme"] == "adaptive_fixed, threshold 0.5, ratio 0.5"
    assert metrics["params"] < metrics["pruning"]["dense"]["params"]
    shapes = [{name: t.shape for name, t in found.items()} for found in weights.values()]
    assert shapes[0] == shapes[1]
    first = "backbone.features.0.0.weight"
    dense = load_model(tmp_path / "dense/best_model").network.state_dict()[first].numpy()
    inherited = weights["inherit"][first].numpy()
    kept = np.abs(dense).sum((1, 2, 3)).argsort(kind="stable")[len(dense) - len(inherited) :]
    np.testing.assert_array_equal(inherited, dense[np.sort(kept)])  # the strongest, in their order
    assert not np.array_equal(inherited, weights["scratch"][first].numpy())
    unet = find_groups(models.build("unet", models.card("unet").args), (3, 32, 32))
    for settings, words in (({}, "'adaptive_fixed' is not for unet"), ({"scope": "x"}, "prune.scope")):
        with pytest.raises(UserError, match=words):
            choose(
                PruneConfig(strategy="adaptive_fixed", **settings),
                unet,
                "unet",
                paddle.nn.Layer(),
            )


def test_backbone_weights_of_a_classifier_are_found(data, tmp_path):
    classifier = models.build("mobilenet_v2", {"num_classes": 7, "scale": 0.35})
    paddle.save(classifier.state_dict(), str(tmp_path / "w.pdparams"))
    train(config_of(data), tmp_path / "run", str(tmp_path / "w.pdparams"))
    found = load_model(tmp_path / "run/best_model").network.state_dict()
    for name, tensor in classifier.state_dict().items():
        if name.startswith("features."):
            np.testing.assert_array_equal(found[f"backbone.{name}"].numpy(), tensor.numpy())


@pytest.fixture
def folder(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((6, 8, 3), 9, np.uint8))
    cv2.imwrite(str(tmp_path / "m.png"), np.full((6, 8), 51, np.uint8))
    rgba = np.dstack([np.full((6, 8, 3), 200, np.uint8), np.full((6, 8), 127, np.uint8)])
    cv2.imwrite(str(tmp_path / "rgba.png"), rgba)
    (tmp_path / "backgrounds").mkdir()
    cv2.imwrite(str(tmp_path / "backgrounds/b.png"), np.full((4, 20, 3), 100, np.uint8))
    (tmp_path / "list.txt").write_text("a.png m.png\n")
    return tmp_path


def test_pairs_and_foregrounds_are_read(folder):
    sample = Reader(folder, "list.txt").read(0)
    assert sample["alpha"][0, 0] == pytest.approx(0.2)
    (folder / "list.txt").write_text("rgba.png rgba.png\n")
    sample = Reader(folder, "list.txt").read(0)
    spec = {"Composite": {"backgrounds": str(folder / "backgrounds")}}
    done = Compose([spec])(sample, np.random.default_rng(0))
    expected = 127 / 255 * 200 + (1 - 127 / 255) * 100
    assert np.abs(done["image"].astype(float) - expected).max() <= 0.5
    np.testing.assert_array_equal(done["alpha"], sample["alpha"])


@pytest.mark.parametrize(
    ("alpha", "words"),
    [
        (np.zeros((6, 7), np.uint8), "list.txt:1: alpha .* is 7x6, its image .* 8x6"),
        (np.arange(144, dtype=np.uint8).reshape(6, 8, 3), "is a colour picture; save it grey"),
        (b"x", "is not a readable image"),
        (
            cv2.imencode(".tiff", np.zeros((6, 8), np.float32))[1].tobytes(),
            "holds float32; save it with 8 or 16",
        ),
    ],
)
def test_faults_are_one_line_that_names_the_file(folder, alpha, words):
    if isinstance(alpha, bytes):
        (folder / "m.png").write_bytes(alpha)
    else:
        cv2.imwrite(str(folder / "m.png"), alpha)
    with pytest.raises(UserError, match=words):
        Reader(folder, "list.txt").read(0)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["data.image_shape=[3,72,72]"], "72x72; the network needs sides that are multiples of 32"),
        (["data.train_transforms=[Normalize]"], "there is no Trimap"),
        (["data.eval_transforms=[{Composite: {backgrounds: x}}]"], "'Composite' is not for matting"),
    ],
)
def test_bad_settings_are_one_line(settings, words):
    with pytest.raises(UserError, match=words):
        make_task(load_config("configs/matting/modnet_sample.yml", settings), [])


def test_a_trimap_moves_with_its_alpha():
    alpha = cv2.resize(np.float32([[0, 1], [1, 1]]), (64, 64), interpolation=cv2.INTER_NEAREST)
    image = np.repeat(np.uint8(255 * alpha)[..., None], 3, 2)
    steps = [{"Trimap": {"width": 2}}, {"RandomHorizontalFlip": {"prob": 1}}, {"RandomCrop": {"size": 48}},
             {"Resize": {"size": 32}}]  # fmt: skip
    done = Compose(steps)({"image": image, "alpha": alpha}, np.random.default_rng(3))
    sure = done["trimap"] != 0.5
    assert 0.5 < sure.mean() < 1
    np.testing.assert_allclose(done["alpha"][sure], done["trimap"][sure], atol=0.05)


def test_a_trimap_is_uncertain_around_the_rim():
    alpha = np.zeros((40, 40), np.float32)
    alpha[10:30, 10:30] = 1
    sample = {"image": np.zeros((40, 40, 3), np.uint8), "alpha": alpha}
    trimap = Compose([{"Trimap": {"width": 3}}])(sample, np.random.default_rng(0))["trimap"]
    assert set(np.unique(trimap)) == {0, 0.5, 1}
    assert (alpha[trimap == 1] == 1).all()
    assert (alpha[trimap == 0] == 0).all()
    assert (trimap[9:11, 15:25] == 0.5).all()
    assert trimap[0, 0] == 0
    assert trimap[20, 20] == 1
