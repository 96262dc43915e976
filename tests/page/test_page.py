"""The report page in a real browser: no errors, nothing from outside, numbers that move."""

import json
import re
import shutil
from types import SimpleNamespace

import pytest
from conftest import knowing

from paddleprune.cli import main
from paddleprune.config import dump_config, load_config
from paddleprune.engine import checkpoint
from paddleprune.page import html
from paddleprune.page.facts import _used
from paddleprune.pipeline import train

CONFIG = "configs/classification/mobilenet_v2_sample.yml"
SMALL = ["model.args.scale=0.25", "data.image_shape=[3,32,32]",
         "data.train_transforms=[{Resize: {size: 32}}, Normalize]",
         "data.eval_transforms=[{Resize: {size: 32}}, Normalize]"]  # fmt: skip
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
browser_only = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def reads():
    """The weights that the command read."""
    return []


@pytest.fixture(scope="module")
def page_file(sample_data, tmp_path_factory, reads):
    """The page of a small model and two pruned ones, as the command writes it."""
    folder = tmp_path_factory.mktemp("page")
    settings = [f"data.root={sample_data}", *SMALL]
    gently = ["train.epochs=1", "train.learning_rate=1e-5"]
    train(load_config(CONFIG, [*settings, *gently]), folder / "dense", knowing("classification"))
    dense = str(folder / "dense/best_model")
    for ratio in (0.3, 0.6):
        config = load_config(
            CONFIG, [*settings, "train.epochs=1", "prune.strategy=uniform", f"prune.ratio={ratio}"]
        )
        train(config, folder / f"u{ratio}", dense)
    table = ["sensitivity", "--model_dir", dense, "--save_file", f"{folder}/s.json", "--ratios", "0.3,0.6",
             "--shard", "1/3"]  # fmt: skip
    assert main(table) == 0
    steeper(folder / "s.json")
    options = [
        "report", "--before", dense, "--after", f"{folder}/u0.3/best_model", "--after", f"{folder}/u0.6/best_model",
        "--names", "dense", "a third less", "</script><b>", "--sensitivities", f"{folder}/s.json", "--repeats", "3",
        "--threads", "1", "--eval_metric_loss", "0.1", "--save_file", f"{folder}/out/report.html",
    ]  # fmt: skip
    read = checkpoint.read_weights
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "read_weights", lambda path: reads.append(path) or read(path))
        assert main(options) == 0
    return folder / "out/report.html"


def steeper(file):
    """Losses that rise with the ratio, as those of a model that knows something do."""
    raw = json.loads(file.read_text())
    for i, curve in enumerate(raw["sensitivities"].values()):
        curve |= {ratio: round(0.02 * (1 + i % 5) * float(ratio), 4) for ratio in curve}
    file.write_text(json.dumps(raw))


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield chromium
        chromium.close()


def opened(browser, file, width):
    """The page, and what it said or asked for that it should not have."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.set_default_timeout(0)  # a busy machine may take its time
    faults = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "request",
        lambda r: faults.append(r.url) if not r.url.startswith(("file:", "data:", "blob:")) else None,
    )
    page.goto(file.as_uri())
    page.wait_for_selector("#front .plot-container")
    return page, faults


@browser_only
@pytest.mark.parametrize("width", [1280, 768, 390])
def test_it_opens_without_errors_and_fits(browser, page_file, width):
    page, faults = opened(browser, page_file, width)
    assert faults == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for chart in ("ratios", "sensitivities", "plan", "losses", "metrics", "front"):
        box = page.locator(f"#{chart} .main-svg").first.bounding_box()
        assert box["width"] > 0.75 * width, chart
        assert box["x"] + box["width"] <= width, chart
    cut = "[...document.querySelectorAll('.scroll')].filter(s => s.scrollWidth > s.clientWidth + 1).length"
    assert page.evaluate(cut) == 0
    assert page.locator("#pictures img").count() == 12
    assert all(page.evaluate("[...document.images].map(i => i.complete && i.naturalWidth > 100)"))


@browser_only
def test_the_slider_moves_the_numbers(browser, page_file):
    page, _ = opened(browser, page_file, 1280)
    assert page.locator("#chosen").text_content() == "0.100"  # that of --eval_metric_loss
    facts = json.loads(page.locator("#facts").text_content())
    seen = set()
    for place in (0, 20, 60):
        page.locator("#slider").fill(str(place))
        step = facts["budget"]["steps"][place]
        size = f"{step['size_bytes'] / 1e6:.2f} MB"
        assert page.locator("#predicted .card b").first.text_content() == size
        assert page.locator("#chosen").text_content() == f"{step['budget']:.3f}"
        assert f"--eval_metric_loss {step['budget']:g} " in page.locator("#command").text_content()
        seen.add(size)
    assert len(seen) > 1


@browser_only
def test_the_filter_and_the_choice_of_a_model(browser, page_file):
    page, _ = opened(browser, page_file, 1280)
    every = page.locator("#sensitivities .scatterlayer .trace").count()
    page.locator("#filter").fill("features.1")
    fewer = page.locator("#sensitivities .scatterlayer .trace").count()
    assert 0 < fewer < every
    assert page.locator("#matches").text_content() == f"{fewer} of {every} groups"
    page.locator("#which").select_option(index=1)
    assert page.locator("#plan .bars .point").count() > 20
    assert (
        page.locator("#rows tr").nth(3).locator("td").first.text_content() == "</script><b>"
    )  # text, not HTML


def test_the_numbers_are_those_of_the_files(page_file):
    facts = json.loads(re.search(r'id="facts">(.*?)</script>', page_file.read_text(), re.DOTALL)[1])
    rows = json.loads((page_file.parent / "compression.json").read_text())["rows"]
    assert facts["rows"] == rows
    dense = facts["budget"]["dense"]
    assert dense["params"] == rows[0]["params"]
    sizes = [step["params"] for step in facts["budget"]["steps"]]
    assert sizes == sorted(sizes, reverse=True)
    plan = facts["plans"][1]["layers"]
    assert (plan[-1]["layer"], plan[-1]["kept"], plan[-1]["total"]) == ("classifier.1.weight", 10, 10)
    assert all(0 < layer["kept"] <= layer["total"] for layer in plan)
    assert any(layer["kept"] < layer["total"] for layer in plan)
    assert [len([x for x in run["lines"] if x["kind"] == "eval"]) for run in facts["training"]] == [1, 1, 1]


def test_the_page_ends_only_where_it_should(page_file):
    """Names cannot break out of the page, and it loads nothing."""
    text = page_file.read_text()
    ours = re.sub(r"<script>\s*/\*\*\s*\* plotly.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r"(src|href)=[\"']?https?:", ours)
    assert "</script><b>" not in ours
    assert "<title>a &lt;b> &amp; c: compression report</title>" in html({"title": "a <b> & c"})


def test_each_model_is_read_once(page_file, reads):
    assert len(reads) == len(set(reads)) == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--save_file", "x.html"], "--save_file: the page compares models"),
        ([], "--save_dir, --save_file: missing"),
    ],
)
def test_what_the_page_needs_is_one_line(options, words, capsys):
    assert main(["report", *options]) == 2
    assert words in capsys.readouterr().err


@browser_only
@pytest.mark.parametrize(("scheme", "dark"), [("dark", True), ("light", False)])
def test_it_follows_the_readers_colours(browser, page_file, scheme, dark):
    page = browser.new_page(viewport={"width": 768, "height": 900}, color_scheme=scheme)
    page.set_default_timeout(0)
    page.goto(page_file.as_uri())
    page.wait_for_selector("#front .plot-container")
    for place in ("section", "#front .main-svg"):
        read = "e => getComputedStyle(e).backgroundColor" if place == "section" else "e => e.style.background"
        shown = page.locator(place).first.evaluate(read)
        assert (int(re.findall(r"\d+", shown)[0]) < 100) is dark, (place, shown)
    assert page.evaluate("document.documentElement.scrollWidth") <= 768
    page.close()


@browser_only
def test_classes_and_how_sure_it_is(browser, page_file):
    page, _ = opened(browser, page_file, 1280)
    facts = json.loads(page.locator("#facts").text_content())
    for row in facts["rows"]:
        low, high = row["interval"]
        assert low <= row["value"] <= high
        assert set(row["classes"]["values"]) == {f"digit_{i}" for i in range(10)}
        for key, (least, most) in row["latency_range_ms"].items():
            assert least <= row["latency_ms"][key] <= most
    assert "change" not in facts["rows"][0]
    names = page.locator("#by td:first-child").all_text_contents()
    changes = [float(text) for text in page.locator("#by td:last-child").all_text_contents() if text]
    assert sorted(names) == sorted(facts["rows"][0]["classes"]["values"])
    assert changes == sorted(changes)
    assert " to " in page.locator("#rows").text_content()


def test_it_opens_at_the_budget_that_was_used(tmp_path):
    def saved(strategy, plan="a plan"):
        folder = tmp_path / strategy
        folder.mkdir(exist_ok=True)
        config = load_config(CONFIG, [f"prune.strategy={strategy}", "prune.loss=0.07"])
        (folder / "config.yml").write_text(dump_config(config))
        return SimpleNamespace(place=folder / "best_model", plan=plan)

    assert _used([saved("uniform"), saved("under_budget")]) == 0.07
    assert _used([saved("under_budget"), saved("uniform")]) is None
    assert _used([saved("under_budget", plan=None)]) is None
