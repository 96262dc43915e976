"""The house: imports point left, commands and configs are complete, the words are ours."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# A module may import from its own row and the rows above it.
ROWS = [
    [
        "__version__",
        "errors",
        "processor",
        "files",
        "texts",
        "lookup",
        "paddlex_names",
        "modes",
        "pickles",
        "progress",
        "building",
        "scaled",
        "config",
        "predictor",
        "drawing",
    ],
    ["graph"],
    ["channels"],
    ["weights"],
    ["cost"],
    ["models", "data", "metrics", "pruning"],
    ["strategies", "target"],
    ["tasks"],
    ["engine"],
    ["methods"],
    ["export", "benchmark", "report", "scheme", "analysis"],
    ["plan_table", "verdict"],
    ["prune", "latency", "pruner", "rounds", "untied"],
    ["data_faces", "pipeline", "comparison", "infer", "examine", "api", "sweep", "page", "recipes"],
    ["cli", "__init__", "__main__"],
]
RANK = {name: i for i, row in enumerate(ROWS) for name in row}
MODULES = sorted((ROOT / "paddleprune").rglob("*.py"))


def inner_imports(path: Path) -> set[str]:
    """First names of the package's own modules that a file imports."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            target = [*base, *(node.module or "").split(".")] if node.module else list(base)
            if len(target) > 1:
                found.add(target[1])
            else:
                found.update(alias.name for alias in node.names)
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_left(path):
    own = path.relative_to(ROOT / "paddleprune").parts[0].removesuffix(".py")
    for name in inner_imports(path):
        assert RANK[name] <= RANK[own], f"{own} must not import {name}"


def test_channels_know_no_paddle_and_programs_stay_in_their_room():
    internals = re.compile(r"dy2static|libpaddle|global_block|enable_static|OldIrGuard|program_guard")
    for path in MODULES:
        room, source = path.relative_to(ROOT / "paddleprune").parts[0], path.read_text()
        if room == "channels":
            assert not re.search(r"^\s*(import|from) paddle\b", source, re.MULTILINE), path
        assert room in ("graph", "export") or not internals.search(source), path


def test_pruning_knows_no_task_and_no_loop():
    for path in MODULES:
        if "pruning" in path.parts:
            assert not inner_imports(path) & {"tasks", "engine", "data", "models", "metrics"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_are_short_and_explain_themselves(path):
    source = path.read_text()
    assert source.count("\n") <= 300
    assert ast.get_docstring(ast.parse(source))
    assert path.name != "utils.py"


def test_every_verb_has_a_script():
    from paddleprune.cli import parser

    verbs = set(parser()._subparsers._group_actions[0].choices)
    scripts = {path.stem for path in (ROOT / "tools").glob("*.py")}
    assert verbs == scripts


def test_the_project_speaks_only_of_itself():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout
    if not tracked:
        pytest.skip("not a git checkout")
    pattern = re.compile(r"/root/|/work/|/home/\w|(?<!local)/tmp/|\.\./shared|pypi\.org|files\.pythonhosted")
    for name in tracked.split():
        path = ROOT / name
        if path.suffix in (".py", ".md", ".yml", ".toml", ".sh", ".lock", ".json") and path != Path(__file__):
            assert not pattern.search(path.read_text()), name


def test_the_readmes_tables_are_those_of_the_results():
    done = subprocess.run([sys.executable, str(ROOT / "benchmarks/tables.py"), "--check"])
    assert done.returncode == 0, "run: python benchmarks/tables.py"
