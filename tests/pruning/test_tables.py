"""Files of sensitivities: gone on with, put together, and not mistaken for one another."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TOY_SHAPE, Residual, randomize
from test_sensitivity import FACTS, analyse, images, l1_scores, plain

from paddleprune.errors import UserError
from paddleprune.pruning.groups import find_groups
from paddleprune.pruning.measure import PlainEngine
from paddleprune.pruning.sensitivity import Provenance, Sensitivities, merge

KILLED = """
import os, signal, sys
sys.path[:0] = [{root!r}, {tests!r}]
from pathlib import Path
from conftest import *
from test_sensitivity import *
network = randomize(Residual()); groups = find_groups(network, TOY_SHAPE)
engine = plain(network, groups, images(TOY_SHAPE))
points = analyse(engine, groups, l1_scores(network, groups), FACTS, Path({file!r}))
for i, _ in enumerate(points):
    if i == {stop}:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_analysis_goes_on_to_the_same_bytes(tmp_path):
    network = randomize(Residual())
    groups = find_groups(network, TOY_SHAPE)
    engine, scores = plain(network, groups, images(TOY_SHAPE)), l1_scores(network, groups)
    list(analyse(engine, groups, scores, FACTS, tmp_path / "whole.json"))

    tests = Path(__file__).parent
    code = KILLED.format(
        root=str(tests.parents[1]), tests=str(tests), file=str(tmp_path / "killed.json"), stop=3
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests.parent), str(tests)])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    half = json.loads((tmp_path / "killed.json").read_text())
    assert 0 < len(half["sensitivities"]["stem.0.weight"]) < 9

    asked = []
    engine.score = lambda plain_score=engine.score: asked.append(1) or plain_score()
    list(analyse(engine, groups, scores, FACTS, tmp_path / "killed.json"))
    assert (tmp_path / "killed.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
    assert len(asked) < 8  # finished points were not evaluated again


def test_shards_merge_to_the_bytes_of_the_whole(tmp_path):
    network = randomize(Residual())
    groups = find_groups(network, TOY_SHAPE)
    engine, scores = plain(network, groups, images(TOY_SHAPE)), l1_scores(network, groups)
    list(analyse(engine, groups, scores, FACTS, tmp_path / "whole.json"))
    for k in (2, 1):
        list(analyse(engine, groups, scores, FACTS, tmp_path / f"{k}.json", names=list(groups)[k - 1 :: 2]))
    tables = {f"{k}.json": Sensitivities.read(tmp_path / f"{k}.json") for k in (2, 1)}
    assert merge(tables).as_dict() == Sensitivities.read(tmp_path / "whole.json").as_dict()
    text = json.dumps(merge(tables).as_dict(), indent=1, ensure_ascii=False) + "\n"
    assert text == (tmp_path / "whole.json").read_text()

    tables["1.json"].curves["stem.0.weight"][0.5] = 0.7
    tables["2.json"].curves["stem.0.weight"] = {0.5: 0.6}
    with pytest.raises(UserError, match=r"stem\.0\.weight at ratio 0\.5"):
        merge(tables)
    tables["1.json"].baseline += 1
    with pytest.raises(UserError, match="has the baseline"):
        merge(tables)
    other = Provenance(**{**FACTS.__dict__, "weights": "x"})
    tables["1.json"] = Sensitivities(other, 1.0)
    with pytest.raises(UserError, match="other weights"):
        merge(tables)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weights": "x"}, "other weights"),
        ({"data": "x"}, "another data set"),
        ({"criterion": "fpgm"}, "another criterion"),
        ({"images": 3}, "number of images"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, change, words):
    network = randomize(Residual())
    groups = find_groups(network, TOY_SHAPE)
    engine, scores = plain(network, groups, images(TOY_SHAPE)), l1_scores(network, groups)
    list(analyse(engine, groups, scores, FACTS, tmp_path / "s.json", ratios=[0.5]))
    other = Provenance(**{**FACTS.__dict__, **change})
    with pytest.raises(UserError, match=words):
        list(analyse(engine, groups, scores, other, tmp_path / "s.json", ratios=[0.5]))


def test_a_baseline_of_nothing_is_refused(tmp_path):
    network = randomize(Residual())
    groups = find_groups(network, TOY_SHAPE)
    engine = PlainEngine(network, groups, lambda: 0.0)
    with pytest.raises(UserError, match="train the model first"):
        list(analyse(engine, groups, l1_scores(network, groups), FACTS, tmp_path / "s.json"))
