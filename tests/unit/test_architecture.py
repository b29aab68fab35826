"""Imports point one way, and every rule has its step."""

import ast
import re

import pytest

# package -> packages of ours that it may import, and all may import OPEN.
ALLOWED = {
    "sensors": set(),
    "archive": {"sensors"},
    "catalog": {"sensors"},
    "chips": {"catalog", "sensors"},
    "models": {"sensors"},
    "training": {"models", "sensors", "chips"},
    "evaluation": {"models", "sensors", "chips", "training"},
    "tuning": {"models"},
    "statistics": set(),
    "report": {"statistics", "sensors"},
    "predict": {"catalog", "chips", "models", "sensors"},
    "harmonise": {"predict", "chips", "models", "evaluation", "sensors"},
    "steps": {
        "archive",
        "catalog",
        "chips",
        "models",
        "training",
        "evaluation",
        "tuning",
        "statistics",
        "report",
        "sensors",
    },  # fmt: skip
}
OPEN = {"runtime", "config", "observation", "degrade", "sources"}


def imported(path):
    """Packages of ours that a module imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            if name.startswith("anyband."):
                yield name.split(".")[1]


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_point_one_way(root, package):
    for path in sorted((root / "src/anyband" / package).rglob("*.py")):
        foreign = set(imported(path)) - ALLOWED[package] - OPEN - {package, "__version__"}
        assert not foreign, f"{path.name} imports {foreign}"


def test_only_training_and_evaluation_read_the_loader(root):
    for package in ("training", "evaluation"):
        for path in (root / "src/anyband" / package).rglob("*.py"):
            chips = re.findall(r"anyband\.chips\.(\w+)|from anyband\.chips import (\w+)", path.read_text())
            assert {name for pair in chips for name in pair if name} <= {"loader"}, path.name


def test_every_rule_has_its_step_log_and_benchmark(root):
    rules = {}
    for path in (root / "workflow/rules").glob("*.smk"):
        for name, body in re.findall(r"^rule (\w+):\n(.*?)(?=^rule|\Z)", path.read_text(), re.M | re.S):
            rules[name] = body
    with_command = {name for name, body in rules.items() if "shell:" in body}
    steps = {path.stem for path in (root / "src/anyband/steps").glob("*.py")} - {"__init__", "serve"}
    assert with_command == steps
    for name in with_command:
        assert f"anyband.steps.{name}" in rules[name]
        assert f"results/logs/{name}" in rules[name], name
        assert f"results/benchmarks/{name}" in rules[name], name


def test_steps_stay_thin(root):
    for path in set((root / "src/anyband/steps").glob("*.py")) - {root / "src/anyband/steps/serve.py"}:
        assert len(path.read_text().splitlines()) <= 60, path.name
