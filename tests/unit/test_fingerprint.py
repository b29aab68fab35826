"""Which code a step is said to run."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from anyband import config, fingerprint

STEPS = sorted(path.stem for path in (fingerprint.PACKAGE / "steps").glob("[!_]*.py"))
LOADED = """
import importlib, os, sys
import matplotlib.figure, odc.geo.geobox, pandas, pydantic, rasterio, scipy.ndimage, scipy.special  # once for all
for step in sys.argv[1:]:
    if os.fork() == 0:
        importlib.import_module(f"anyband.steps.{step}")
        print(*(module.__file__ for name, module in sys.modules.items() if name.startswith("anyband")), flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.fixture(scope="module")
def loaded_files():
    """What each step loads when it starts."""
    done = subprocess.run([sys.executable, "-c", LOADED, *STEPS], capture_output=True, text=True)
    return dict(zip(STEPS, done.stdout.splitlines(), strict=True))


@pytest.mark.parametrize("step", STEPS)
def test_all_modules_that_a_step_loads_are_known(loaded_files, step):
    loaded = {Path(file) for file in loaded_files[step].split()}
    # What the configuration names things by reaches the step as a setting; a package may hold nothing but a docstring.
    vocabulary = {"__init__", "conditions", "ground", "landcover", "methods", "products", "providers", "sensors"}
    loaded = {
        file
        for file in loaded
        if file.relative_to(fingerprint.PACKAGE).parts[0].removesuffix(".py") not in vocabulary | fingerprint.APART
        and fingerprint.content(file) != b"Module(body=[Pass()], type_ignores=[])"
    }
    assert loaded
    assert loaded <= set(fingerprint.step_files(step))


def names(step):
    return {path.relative_to(fingerprint.PACKAGE).as_posix() for path in fingerprint.step_files(step)}


def test_imports_inside_functions_and_data_files_count():
    assert "models/proposed/anyband.py" in names("train")
    assert "sensors/data/landsat-9.yaml" in names("train")
    assert "raster/windows.py" in names("extract")


def test_chips_are_not_cut_again_when_split_audit_or_server_change():
    assert not {n for n in names("extract") if n.startswith(("audit", "splits", "archive", "models"))}
    assert not {
        n for n in names("simulate") if n.startswith(("archive/http_server", "archive/stac_api", "chips", "models"))
    }


def test_methods_are_not_trained_again_when_a_perturbation_changes():
    perturbing = {f"evaluation/{name}.py" for name in ("perturbations", "evaluate_run")}
    assert perturbing <= names("evaluate")
    assert not perturbing & names("train")


def test_a_model_does_not_depend_on_the_others():
    files = {path.relative_to(fingerprint.PACKAGE).as_posix() for path in fingerprint.step_files("train", "pixel")}
    assert "models/baselines/pixel.py" in files
    assert "training/loop.py" in files
    assert not {"models/proposed/anyband.py", "methods.py"} & files
    assert fingerprint.model_file("l9-only") == fingerprint.PACKAGE / "models/baselines/input_fusion.py"
    with pytest.raises(KeyError):
        fingerprint.model_file("none")


@pytest.mark.parametrize("model", config.MODEL_NAMES)
def test_every_model_has_its_file(model):
    from anyband.models.core.storage import model_class

    assert fingerprint.model_file(model) == Path(inspect.getfile(model_class(model)))


def test_fingerprint_follows_far_modules_but_not_their_words(tmp_path, monkeypatch):
    monkeypatch.setattr(fingerprint, "PACKAGE", tmp_path / "anyband")
    for name, text in {
        "steps/cut.py": "def main():\n    from anyband.near import work\n",
        "near.py": "import anyband.far.deep\n",
        "far/__init__.py": "",
        "far/deep.py": "VALUE = 1\n",
        "other.py": "",
        "far/table.csv": "a\n",
        "far/notes.md": "",
    }.items():
        path = tmp_path / "anyband" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    before = fingerprint.step_fingerprint("cut")
    for name, text, changes in (
        ("other.py", "VALUE = 2\n", False),
        ("far/notes.md", "words\n", False),
        ("far/deep.py", "VALUE = 2\n", True),
        ("far/deep.py", '"""Words."""\n\nVALUE = 2  # a comment\n"""More words."""\n', False),
        ("near.py", 'import anyband.far.deep\n\n\ndef one():\n    """Words."""\n', True),
        ("near.py", 'import anyband.far.deep\n\ndef one():\n    "Other words."\n    # none\n', False),
        ("near.py", 'import anyband.far.deep\n\ndef one():\n    return "text"\n', True),
        ("far/table.csv", "b\n", True),
    ):
        (tmp_path / "anyband" / name).write_text(text)
        fingerprint._module.cache_clear()  # files do not change while jobs are planned
        after = fingerprint.step_fingerprint("cut")
        assert (after != before) is changes, name
        before = after
