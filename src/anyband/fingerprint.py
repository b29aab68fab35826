"""Which code a step runs, so that a rule runs again when that code changes and at no other time."""

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path

from anyband import methods

PACKAGE = Path(__file__).parent

# Settings reach a step on its command line, where Snakemake sees them; nothing in `runtime` decides a result.
APART = frozenset({"config", "runtime", "fingerprint"})
METHODS, REGISTRY = "methods.py", "models/core/storage.py"
PROSE = frozenset({".md", ".pyc", ".typed"})


def step_fingerprint(step: str, model: str | None = None) -> str:
    """Hash of all code of ours that a step imports, however far away, and of the data beside it.

    Comments, docstrings and layout are not in it, nor what a model says of itself: a better word retrains nothing.

    Args:
        step: name of the step.
        model: registry key; of the models, only this one's files count, so another model may be added or changed.

    Raises:
        FileNotFoundError: no such step.
        KeyError: no such model.
    """
    digest, files = hashlib.sha256(), step_files(step, model)
    if PACKAGE / METHODS in files:
        digest.update(repr(methods.cards()).encode())
    for file in files:
        digest.update(file.relative_to(PACKAGE).as_posix().encode() + content(file))
    return digest.hexdigest()[:12]


def step_files(step: str, model: str | None = None) -> list[Path]:
    """Modules that a step imports, itself included, and the data files of their packages, sorted; see above.

    The registry imports models by name: without `model` it stands for all of them.
    """
    found: set[Path] = set()
    waiting = [PACKAGE / "steps" / f"{step}.py", *([model_file(model)] if model else [])]
    while waiting:
        file = waiting.pop()
        if file in found or (model and file == PACKAGE / METHODS):
            continue
        found.add(file)
        waiting += imported(file)
        if file == PACKAGE / REGISTRY and not model:
            waiting += [model_file(name) for name in methods.MODELS]
    for folder in {file.parent for file in found} - {PACKAGE, PACKAGE / "steps"}:
        found.update(_data(folder))
    return sorted(found)


def model_file(model: str) -> Path:
    """The module of a model.

    Raises:
        KeyError: there is no such model.
    """
    return methods.source(model)[0]


def content(file: Path) -> bytes:
    """What a file does: its bytes, of a module the code without comments, docstrings and layout.

    Other strings that stand alone, as those below a constant, do nothing either and are left out too; so are the facts
    of a model's card, which count where they are read (`step_fingerprint`).
    """
    return _module(file)[0] if file.suffix == ".py" else file.read_bytes()


def imported(file: Path) -> tuple[Path, ...]:
    """Files of ours that a module imports, inside functions too."""
    return _module(file)[1]


@cache
def _module(file: Path) -> tuple[bytes, tuple[Path, ...]]:
    """What a module does, and what it imports: read once, for most steps share most modules."""
    facts = [field.name for field in fields(methods.MethodCard)] if PACKAGE / "models" in file.parents else []
    tree = ast.parse(file.read_bytes())
    names: list[str] = []
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [line for line in body if not (_is_text(line) or _assigns(line, facts))]
            node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return ast.dump(tree).encode(), tuple(path for name in names for path in _files(name))


def _is_text(line: ast.stmt) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str)


def _assigns(line: ast.stmt, names: list[str]) -> bool:
    return isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name) and line.targets[0].id in names


def _files(name: str) -> Iterator[Path]:
    """The module that a dotted name is, or is a part of, and the packages around it."""
    first, *parts = name.split(".")
    if first != PACKAGE.name or not parts or parts[0] in APART:
        return
    for depth in range(1, len(parts) + 1):
        path = PACKAGE.joinpath(*parts[:depth])
        for file in (path / "__init__.py", path.with_suffix(".py")):
            if file.is_file():
                yield file


def _data(folder: Path) -> Iterator[Path]:
    """Files beside the modules of a package that are not modules, in folders that hold no modules too."""
    for path in folder.iterdir():
        if path.is_dir():
            if not any(path.glob("*.py")) and path.name != "__pycache__":
                yield from _data(path)
        elif path.suffix not in PROSE | {".py"}:
            yield path
