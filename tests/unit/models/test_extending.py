"""docs/tutorials/new-method.md is right: its method is added in one file and behaves like any other."""

import ast
import importlib
import re
import sys
from pathlib import Path

import pytest
import torch
import yaml

from anyband import config
from anyband.evaluation.inference import answerable
from anyband.methods import MODELS, card, labels
from anyband.models.core.storage import Recipe, build, load, save
from anyband.observation import QueryGrid
from anyband.runtime import UserError
from docs.followed import blocks

QUERY = QueryGrid(10.0, 24, 24)


@pytest.fixture
def page(root) -> dict[str, str]:
    """What the page writes: the file, the line of the registry, and the entries of a configuration."""
    (path, file), (_, line), (_, entries) = (
        (title, text) for _, title, text in blocks(root / "docs/tutorials/new-method.md") if title
    )
    return {"path": path, "file": file, "line": line, "entries": entries}


@pytest.fixture
def name(page, tmp_path, monkeypatch) -> str:
    """The page's steps: a file in the package of its path, and a line in the registry. Returns the model's name."""
    ((name, place),) = ast.literal_eval("{" + page["line"] + "}").items()
    module, package = place.split(":")[0], ".".join(Path(page["path"]).parent.parts[1:])
    assert module == f"{package}.{Path(page['path']).stem}"
    (tmp_path / Path(page["path"]).name).write_text(page["file"], encoding="utf-8")
    parent = importlib.import_module(package)
    monkeypatch.setattr(parent, "__path__", [*parent.__path__, str(tmp_path)])
    monkeypatch.setitem(MODELS, name, place)
    monkeypatch.setattr(config.schema, "MODEL_NAMES", (*config.MODEL_NAMES, name))
    importlib.invalidate_caches()
    yield name
    sys.modules.pop(module, None)
    monkeypatch.delattr(parent, module.rpartition(".")[2], raising=False)


def test_a_method_that_was_not_added_is_unknown(statistics):
    with pytest.raises(UserError, match="mean-fusion"):
        build("mean-fusion", {}, statistics, 4)
    with pytest.raises(UserError, match="mean-fusion"):
        config.load({"methods": {"mine": {"model": "mean-fusion"}}})


def test_the_configuration_takes_the_entries_of_the_page(page, name):
    document = config.Config().model_dump(mode="json")
    added = yaml.safe_load(page["entries"])["methods"]
    document["methods"] |= added
    document["experiments"]["main"]["methods"] += list(added)
    methods = config.load(document).methods
    assert [methods[entry].model for entry in added] == [name] * 2
    assert methods["mean-fusion-wide"].options == {"features": 64}


def test_tables_and_figures_know_its_label_without_torch(name):
    assert card(name).label == labels()[name] == "Mean fusion"
    assert card(name).role == "baseline"


@pytest.mark.parametrize("query", [QUERY, QueryGrid(30.0, 8, 8)])
@pytest.mark.parametrize("products", [("sentinel2",), ("landsat",), ("sentinel2", "landsat")])
def test_it_maps_on_any_query_grid_with_any_sensor_missing(products, query, name, statistics, small, observe):
    method = build(name, small, statistics, 4).eval()
    logits = method(observe(products), query)
    assert logits.shape == (2, 4, query.height, query.width)
    assert torch.isfinite(logits).all()


def test_both_sensors_matter_when_both_are_there(name, statistics, small, observe):
    method = build(name, small, statistics, 4).eval()
    both = method(observe(), QUERY)
    assert not torch.allclose(both, method(observe(("sentinel2",)), QUERY))
    assert not torch.allclose(both, method(observe(("landsat",)), QUERY))


def test_evaluation_and_options_know_it(name, statistics, small):
    method = build(name, small, statistics, 4)
    assert list(answerable(method, ("S2", "L9", "S2+L9", "S30"))) == ["S2", "L9", "S2+L9"]
    with pytest.raises(UserError, match="'featurs'; did you mean 'features'"):
        build(name, {"featurs": 8}, statistics, 4)


def test_it_learns(name, statistics, small, observe):
    torch.manual_seed(0)
    method = build(name, small, statistics, 4)
    optimizer = torch.optim.AdamW(method.parameters(), lr=5e-3)
    observation = observe()
    labels = (observation.of("sentinel2")[0].values[:, 3] * 8).long().clamp(max=3)  # by the level of one 10 m band
    losses = []
    for _ in range(40):
        loss = method.loss((observation, QUERY, labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]


def test_it_is_stored_and_built_again(name, statistics, small, observe, tmp_path):
    recipe = Recipe("mine", name, small, (10, 20, 30, 40), statistics.as_dict(), {}, 0)
    method = recipe.build().eval()
    save(tmp_path, recipe, method)
    _, again = load(tmp_path)
    assert torch.equal(again(observe(), QUERY), method(observe(), QUERY))


def test_the_review_promises_no_method_that_is_not_there(root):
    page = (root / "docs/review.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\|[^|]*\|([^|]*)\| implemented \|", page, re.M)
    names = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert "anyband" in names
    assert names <= set(MODELS)


def test_every_reference_of_the_review_is_used_and_every_citation_is_listed(root):
    text, references = (root / "docs/review.md").read_text(encoding="utf-8").split("## References")
    listed = [int(number) for number in re.findall(r"^(\d+)\. ", references, re.M)]
    cited = {int(number) for group in re.findall(r"\[(\d+(?:, \d+)*)\]", text) for number in group.split(", ")}
    assert listed == list(range(1, len(listed) + 1))
    assert cited == set(listed)
