"""The pages: links lead somewhere, every page is in the site, the site is built."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    path for path in ROOT.rglob("*.md") if not {".venv", "output", "data", "node_modules"} & set(path.relative_to(ROOT).parts)
)  # fmt: skip
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]+)\)")
GENERATED = {"commands.md"}  # by docs/_commands.py


def anchors(page):
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for link in LINK.findall(page.read_text()):
        name, _, anchor = link.partition("#")
        target = (page.parent / name) if name else page
        assert target.exists() or Path(name).name in GENERATED, f"{page.name}: {link}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{page.name}: {link}"


def test_files_that_pages_name_are_there():
    """`docs/...`, `tools/...`, `benchmarks/...` and such in code marks."""
    named = re.compile(
        r"`((?:docs|tools|benchmarks|configs|deploy|tutorials|tests|paddleprune|sensitivities)/[\w./-]*\w)`"
    )
    for page in PAGES:
        for name in named.findall(page.read_text()):
            assert (ROOT / name).exists(), f"{page.name}: {name}"


def test_every_page_is_in_the_site():
    listed = re.findall(r"\w+\.md", (ROOT / "mkdocs.yml").read_text())
    assert sorted(listed) == sorted({p.name for p in (ROOT / "docs").glob("*.md")} | GENERATED)
    assert yaml.safe_load((ROOT / "mkdocs.yml").read_text())["docs_dir"] == "docs"


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 160


def test_the_site_is_built(tmp_path):
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    commands = (tmp_path / "site/commands/index.html").read_text()
    assert "--sensitivities_file" in commands
    assert "narrow" in (tmp_path / "site/api/index.html").read_text()
