"""docs/extending.md is right: the method on that page is added in one file and behaves like any other."""

import importlib
import re
import sys
import textwrap
from collections.abc import Iterator

import pytest
import torch

from anyband import config
from anyband.evaluation.validation import answerable
from anyband.methods import MODELS
from anyband.models.core.losses import masked_cross_entropy
from anyband.models.core.method import Method
from anyband.models.core.registry import build
from anyband.models.core.storage import Recipe, load, save
from anyband.observation import QueryGrid
from anyband.runtime import UserError

NAME = "mean-fusion"
QUERY = QueryGrid(10.0, 24, 24)


@pytest.fixture
def source(root) -> str:
    page = (root / "docs/extending.md").read_text(encoding="utf-8")
    blocks = [textwrap.dedent(block) for block in re.findall(r"^ *```python\n(.*?)^ *```$", page, re.M | re.S)]
    (found,) = [block for block in blocks if "class " in block]
    return found


@pytest.fixture
def added(source, tmp_path, monkeypatch) -> Iterator[type[Method]]:
    """The page's steps: a file, a line in the registry, a name in the configuration."""
    (tmp_path / "page_mean_fusion.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("page_mean_fusion")
    monkeypatch.delitem(sys.modules, "page_mean_fusion")
    monkeypatch.setitem(MODELS, NAME, "page_mean_fusion:MeanFusion")
    monkeypatch.setattr(config.schema, "MODEL_NAMES", (*config.MODEL_NAMES, NAME))
    with monkeypatch.context() as one:
        one.setitem(sys.modules, "page_mean_fusion", module)
        yield module.MeanFusion


def test_a_method_that_was_not_added_is_unknown(statistics):
    with pytest.raises(UserError, match=NAME):
        build(NAME, {}, statistics, 4)
    with pytest.raises(UserError, match=NAME):
        config.load({"methods": {"mine": {"model": NAME}}})


@pytest.mark.usefixtures("added")
def test_the_configuration_takes_the_new_method_and_entries_that_inherit_it():
    document = config.Config().model_dump(mode="json")
    document["methods"] |= {"mine": {"model": NAME}, "wide": {"inherits": "mine", "options": {"features": 64}}}
    document["experiments"]["main"]["methods"] += ["mine", "wide"]
    methods = config.load(document).methods
    assert (methods["wide"].model, methods["wide"].options) == (NAME, {"features": 64})


@pytest.mark.parametrize("query", [QUERY, QueryGrid(30.0, 8, 8)])
@pytest.mark.parametrize("products", [("sentinel2",), ("landsat",), ("sentinel2", "landsat")])
def test_it_maps_on_any_query_grid_with_any_sensor_missing(products, query, added, statistics, small, observe):
    method = build(NAME, small, statistics, 4).eval()
    assert type(method) is added
    logits = method(observe(products), query)
    assert logits.shape == (2, 4, query.height, query.width)
    assert torch.isfinite(logits).all()


@pytest.mark.usefixtures("added")
def test_both_sensors_matter_when_both_are_there(statistics, small, observe):
    method = build(NAME, small, statistics, 4).eval()
    both = method(observe(), QUERY)
    assert not torch.allclose(both, method(observe(("sentinel2",)), QUERY))
    assert not torch.allclose(both, method(observe(("landsat",)), QUERY))


@pytest.mark.usefixtures("added")
def test_evaluation_and_options_know_it(statistics, small):
    method = build(NAME, small, statistics, 4)
    assert list(answerable(method, ("S2", "L9", "S2+L9", "S30"))) == ["S2", "L9", "S2+L9"]
    with pytest.raises(UserError, match="'featurs'; did you mean 'features'"):
        build(NAME, {"featurs": 8}, statistics, 4)


@pytest.mark.usefixtures("added")
def test_it_learns(statistics, small, observe):
    torch.manual_seed(0)
    method = build(NAME, small, statistics, 4)
    optimizer = torch.optim.AdamW(method.parameters(), lr=5e-3)
    observation = observe()
    nir = observation.of("sentinel2")[0].values[:, 3]
    labels = (nir * 8).long().clamp(max=3)  # four classes by the level of one 10 m band
    losses = []
    for _ in range(40):
        loss = masked_cross_entropy(method(observation, QUERY), labels, None)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.usefixtures("added")
def test_it_is_stored_and_built_again(statistics, small, observe, tmp_path):
    recipe = Recipe("mine", NAME, small, (10, 20, 30, 40), statistics.as_dict(), {}, 0)
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
