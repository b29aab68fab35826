"""Imports point one way, names are used once, and every rule has its step."""

import ast
import re
import subprocess
import sys
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"

# From the ground up: a part imports only what stands before it.
LAYERS = (
    {"runtime"},
    {"ground", "landcover"},
    {"sensors"},
    {"products", "observation"},
    {"degrade", "providers"},
    {"conditions", "methods"},
    {"fingerprint"},
    {"config"},
    {"raster"},
    {"catalog"},
    {"chips"},
    {"audit", "splits", "folder"},
    {"models"},
    {"training"},
    {"evaluation", "tuning"},
    {"statistics"},
    {"report", "apply"},
    {"simulation"},
    {"archive"},
    {"testing"},
    {"study"},
    {"steps", "cli"},
)


def name_of(path):
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted((SOURCE / "anyband").rglob("*.py"))}


def imports(path):
    """Modules of ours that a module imports, also inside functions and for types alone."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        if isinstance(node, ast.ImportFrom) and node.module in MODULES:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else node.module


GRAPH = {name: set(imports(path)) - {name, "anyband"} for name, path in MODULES.items()}


def test_every_part_imports_only_what_stands_below_it():
    height = {part: level for level, parts in enumerate(LAYERS) for part in parts}
    parts = {name.split(".")[1] for name in MODULES if "." in name}
    assert parts == set(height)
    wrong = [
        f"{name} imports {other}"
        for name, others in GRAPH.items()
        for other in others
        if name != "anyband" and (own := name.split(".")[1]) != (its := other.split(".")[1])
        if height[its] >= height[own]
    ]
    assert not wrong, "\n".join(sorted(wrong))


def test_no_modules_import_each_other():
    try:
        TopologicalSorter(GRAPH).prepare()
    except CycleError as error:
        pytest.fail(" > ".join(error.args[1]))


def test_no_name_stands_for_two_modules_or_two_classes():
    stems = Counter(path.stem for path in MODULES.values() if not path.stem.startswith("__"))
    classes = Counter(
        node.name
        for path in MODULES.values()
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert not {name: count for name, count in (stems + classes).items() if count > 1}


def test_what_reads_settings_and_results_needs_no_torch():
    parts = ("config", "conditions", "products", "methods", "statistics", "report")
    names = [name for name in MODULES if name.split(".")[1:2] and name.split(".")[1] in parts]
    code = f"import importlib, sys; [importlib.import_module(n) for n in {names}]\n"
    code += "from anyband import methods; methods.labels(); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_rule_has_its_step_log_and_benchmark(root):
    rules = {}
    for path in (root / "workflow/rules").glob("*.smk"):
        for name, body in re.findall(r"^rule (\w+):\n(.*?)(?=^rule|^use rule|\Z)", path.read_text(), re.M | re.S):
            rules[name] = body
    with_command = {name for name, body in rules.items() if "shell:" in body}
    steps = {path.stem for path in (root / "src/anyband/steps").glob("*.py")} - {"__init__", "serve"}
    assert with_command == steps
    for name in with_command:
        assert f"anyband.steps.{name}" in rules[name]
        assert f"results/logs/{name}" in rules[name], name
        assert f"results/benchmarks/{name}" in rules[name], name


def test_steps_stay_thin(root):
    for path in (root / "src/anyband/steps").glob("*.py"):
        assert len(path.read_text().splitlines()) <= 60, path.name
