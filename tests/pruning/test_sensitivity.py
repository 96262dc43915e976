"""The table: right numbers, right signs, right file."""

from pathlib import Path

import numpy as np
import paddle
import pytest
import slim_reference
from conftest import TOY_NETS, TOY_SHAPE, Residual, randomize

from paddleprune import models
from paddleprune.analysis.verify import verify
from paddleprune.engine.checkpoint import fingerprint, save_weights
from paddleprune.engine.evaluate import forward_of
from paddleprune.errors import UserError
from paddleprune.graph.legacy import legacy_graph_of
from paddleprune.graph.pir import graph_of
from paddleprune.pruning import criteria
from paddleprune.pruning.groups import find_groups
from paddleprune.pruning.interop import match, read_pickle
from paddleprune.pruning.measure import PlainEngine, Search, complete, one_by_one, start
from paddleprune.pruning.ratios import under_budget
from paddleprune.pruning.replay import ReplayEngine
from paddleprune.pruning.sensitivity import RATIOS, Provenance, Sensitivities, falls, sensitivity

FACTS = Provenance("toy", "w", "d", 2, "score", True, "l1_norm")


def l1_scores(network, groups):
    return criteria.scores("l1_norm", groups, network)


def analyse(engine, groups, scores, facts, file, ratios=RATIOS, budget=None, names=None):
    """The whole way of a table, here and in order."""
    table = start(Path(file), facts, groups, engine.baseline)
    search = Search(engine, groups, scores, table.baseline, facts.higher_is_better, ratios, budget)
    return complete(table, Path(file), one_by_one(search, table.curves, names or list(groups)))


def energy(outputs):
    """A real-valued stand-in for a metric: the mean square of the first output."""
    return float(np.square(outputs[0]).mean())


def images(shape, count=4):
    return np.random.default_rng(3).normal(size=(count, *shape)).astype("float32")


def graph_for(network, x, kind="own"):
    """The network's graph: of its own program for batches as large as `x`, or of its legacy one."""
    if kind == "legacy":
        return legacy_graph_of(network, x.shape[1:])
    return graph_of(network, [(x.shape, "float32")])


def plain(network, groups, x):
    return PlainEngine(network, groups, lambda: energy([network(paddle.to_tensor(x)).numpy()]))


def test_a_loss_is_relative_and_knows_its_direction():
    assert sensitivity(0.8, 0.6, True) == pytest.approx(0.25)
    assert sensitivity(0.8, 0.9, True) == pytest.approx(-0.125)
    assert sensitivity(0.02, 0.03, False) == pytest.approx(0.5)
    assert sensitivity(0.02, 0.01, False) == pytest.approx(-0.5)
    assert sensitivity(-2.0, -3.0, True) == pytest.approx(0.5)


def test_values_equal_paddleslims(tmp_path):
    """PaddleSlim's `sensitive()` on the same weights and images. It divides by baseline + 0.001."""
    example = models.card("mobilenet_v1")
    network = randomize(models.build("mobilenet_v1", example.args))
    shape = example.image_shape
    groups = find_groups(network, shape)
    names = list(groups)[1:12:4]
    save_weights(network, tmp_path / "w.pdparams")
    np.save(tmp_path / "x.npy", images(shape))
    answer = slim_reference.ask(
        tmp_path, what="sensitivities", model="mobilenet_v1", args=example.args, shape=shape,
        weights=str(tmp_path / "w.pdparams"), images=str(tmp_path / "x.npy"), names=names,
    )  # fmt: skip
    engine = plain(network, groups, images(shape))
    list(analyse(engine, groups, l1_scores(network, groups), FACTS, tmp_path / "s.json"))
    table = Sensitivities.read(tmp_path / "s.json")
    factor = table.baseline / (table.baseline + 1e-3)
    for name in names:
        theirs = {float(ratio): loss for ratio, loss in answer["sensitivities"][name].items()}
        ours = {ratio: loss * factor for ratio, loss in table.curves[name].items()}
        assert ours == pytest.approx(theirs, abs=1e-5), name
    # and its own file can be read back, by order, without its code
    matched, mapping = match(read_pickle(answer["pickle"]), groups)
    assert set(mapping.values()) == set(names)
    assert matched[names[0]] == pytest.approx(
        {float(r): v for r, v in answer["sensitivities"][names[0]].items()}
    )


@pytest.mark.parametrize("kind", ["own", "legacy"])
@pytest.mark.parametrize("net", TOY_NETS)
def test_replay_equals_plain(net, kind, tmp_path):
    network = randomize(net())
    groups = find_groups(network, TOY_SHAPE)
    x = images(TOY_SHAPE)

    def score(forward, variants):
        outputs = forward(x)
        assert len(outputs) == variants
        return [energy(o) for o in outputs]

    before = fingerprint(network)
    for name, engine in (
        ("plain", plain(network, groups, x)),
        ("replay", ReplayEngine(groups, score, threads=1, graph=graph_for(network, x, kind))),
    ):
        list(analyse(engine, groups, l1_scores(network, groups), FACTS, tmp_path / f"{name}.json"))
    assert fingerprint(network) == before
    tables = [Sensitivities.read(tmp_path / f"{name}.json") for name in ("plain", "replay")]
    assert list(tables[0].curves) == list(groups)
    for group in groups:
        assert set(tables[0].curves[group]) == {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9}
        assert tables[1].curves[group] == pytest.approx(tables[0].curves[group], abs=1e-4)


class Agreement:
    """A count metric: the share of images whose strongest channel is the one it was. `unsure` keeps the
    share of those where it is the strongest by so little that rounding could decide."""

    def __init__(self, expected):
        self.expected, self.unsure = self.channels(expected).argmax(1), [0.0]

    @staticmethod
    def channels(output):
        return output.reshape(*output.shape[:2], -1).mean(2)

    def __call__(self, outputs):
        sizes = self.channels(outputs[0])
        second, first = np.sort(sizes, 1)[:, -2:].T if sizes.shape[1] > 1 else (-np.ones(len(sizes)), 0)
        self.unsure.append(float((first - second < 1e-4 * np.abs(sizes).max()).mean()))
        return float((sizes.argmax(1) == self.expected).mean())


@pytest.mark.parametrize(
    ("name", "kind"),
    [*((name, "legacy") for name in models.names()), ("mobilenet_v2", "own"), ("unet", "own")],
)
def test_replay_equals_plain_on_every_model(name, kind, tmp_path):
    """Count metrics to the last image that is no tie, real-valued ones to 1e-4 of them; so are the ratios
    chosen."""
    example = models.card(name)
    network = randomize(models.build(name, example.args))
    shape = example.image_shape
    groups = find_groups(network, shape)
    names = list(groups)[1 :: max(1, len(groups) // 2)]
    x = images(shape, 4)
    expected = network(paddle.to_tensor(x))
    expected = (expected[0] if isinstance(expected, (list, tuple)) else expected).numpy()
    for metric in (energy, Agreement(expected)):
        plain = PlainEngine(network, groups, lambda m=metric: m(forward_of(network)(x)[0]))
        score = lambda f, n, m=metric: [m(o) for o in f(x)]  # noqa: E731
        replay = ReplayEngine(groups, score, 1, images=len(x), graph=graph_for(network, x, kind))
        tables = []
        for engine in (plain, replay):
            file = tmp_path / f"{len(list(tmp_path.iterdir()))}.json"
            ratios = (0.1, 0.3, 0.6)
            list(analyse(engine, groups, l1_scores(network, groups), FACTS, file, ratios, names=names))
            tables.append(Sensitivities.read(file).curves)
        for group in names:
            limits = {"rel": 1e-4, "abs": 1e-5} if metric is energy else {"abs": 1e-6 + max(metric.unsure)}
            assert tables[1][group] == pytest.approx(tables[0][group], **limits), group
        if metric is not energy and not max(metric.unsure):
            for budget in (0.01, 0.05, 0.1, 0.2):
                assert under_budget(tables[1], budget) == under_budget(tables[0], budget)


class Counting:
    """An engine that counts the points it is asked for."""

    def __init__(self, inner):
        self.inner, self.asked = inner, 0

    def baseline(self):
        return self.inner.baseline()

    def points(self, group, plans):
        self.asked += len(plans)
        return self.inner.points(group, plans)


@pytest.mark.parametrize("net", TOY_NETS)
def test_a_search_finds_the_ratios_of_the_full_table(net, tmp_path):
    network = randomize(net())
    groups = find_groups(network, TOY_SHAPE)
    scores = l1_scores(network, groups)
    x = images(TOY_SHAPE)
    graph = graph_for(network, x, "legacy")
    engine = ReplayEngine(groups, lambda f, n: [energy(o) for o in f(x)], threads=1, graph=graph)
    list(analyse(engine, groups, scores, FACTS, tmp_path / "full.json"))
    full = Sensitivities.read(tmp_path / "full.json")
    for budget in (0.01, 0.05, 0.1, 0.2):
        file = tmp_path / f"{budget}.json"
        counting = Counting(engine)
        list(analyse(counting, groups, scores, FACTS, file, budget=budget))
        found = Sensitivities.read(file)
        assert counting.asked <= 6 * len(groups)
        for name in groups:
            assert found.curves[name].items() <= full.curves[name].items()
            if not falls(full.curves[name]):
                assert under_budget({name: found.curves[name]}, budget) == pytest.approx(
                    under_budget({name: full.curves[name]}, budget)
                )
    # completed later, it is the full table
    list(analyse(engine, groups, scores, FACTS, file))
    assert Sensitivities.read(file).curves == full.curves


def test_verify_passes_a_true_table_and_fails_a_false_one(tmp_path):
    network = randomize(Residual())
    groups = find_groups(network, TOY_SHAPE)
    engine, scores = plain(network, groups, images(TOY_SHAPE)), l1_scores(network, groups)
    facts = Provenance(**{**FACTS.__dict__, "images": 10**9})
    list(analyse(engine, groups, scores, facts, tmp_path / "s.json"))
    table = Sensitivities.read(tmp_path / "s.json")
    assert verify(table, engine, groups, scores, 9) == 0
    table.curves["stem.0.weight"][0.4] += 0.01
    with pytest.raises(UserError, match=r"stem\.0\.weight at ratio 0\.4"):
        verify(table, engine, groups, scores, 9)
