"""Cards of the dataset and of the trained models: valid in their vocabularies, and saying what the run says."""

import csv
import hashlib
import json

import pystac
import pytest
from pystac.extensions.mlm import MLMExtension
from pystac.validation.stac_validator import JsonSchemaSTACValidator

from anyband.report.export import dataset_card, model_card
from anyband.report.read import read_data
from unit.report.fabricated import TEST_SITES

BANDS = [{"product": "sentinel2", "name": "B02"}, {"product": "landsat", "name": "red"}]


@pytest.fixture
def data(results, config):
    """What the report knows of the dataset."""
    return read_data(results, "main", config.datasets["main"])


@pytest.fixture
def run(tmp_path):
    """A trained run of which only what the card reads is there."""
    folder = tmp_path / "runs/main/anyband/seed-3"
    folder.mkdir(parents=True)
    settings = {"method": "anyband", "model": "anyband", "seed": 3, "options": {"synthetic": 0.5}, "classes": [10, 60]}
    (folder / "settings.json").write_text(json.dumps(settings | {"statistics": {"bands": BANDS}}))
    (folder / "model.safetensors").write_bytes(bytes(99))
    return folder


@pytest.fixture
def card(run, data):
    """Its card."""
    cost = {"parameters": 120_000.0, "trained_on": ["sentinel2", "landsat"]}
    return model_card(run.relative_to(run.parents[3]), run, data, cost, {"miou": 0.7, "miou_lower": 0.6})


def test_model_card_is_a_valid_stac_item(card):
    """By the schema of STAC 1.1 that pystac carries, so without a network."""
    JsonSchemaSTACValidator().validate_core(card, pystac.STACObjectType.ITEM, card["stac_version"])
    broken = {key: value for key, value in card.items() if key != "geometry"}
    with pytest.raises(pystac.errors.STACValidationError):
        JsonSchemaSTACValidator().validate_core(broken, pystac.STACObjectType.ITEM, card["stac_version"])


def test_model_card_is_read_by_the_model_extension(card, run):
    item = pystac.Item.from_dict(card)
    model = MLMExtension.ext(item)
    assert (model.mlm_name, model.architecture, model.total_parameters) == ("anyband", "anyband", 120_000)
    assert [str(band) for band in model.input[0].bands] == ["sentinel2 B02", "landsat red"]
    classes = [entry["name"] for entry in card["properties"]["mlm:output"][0]["classification:classes"]]
    assert classes == ["tree-cover", "bare---sparse"]  # the extension allows no spaces
    assert item.assets["weights"].href == "runs/main/anyband/seed-3/model.safetensors"
    assert card["assets"]["weights"]["file:size"] == (run / "model.safetensors").stat().st_size
    prefixes = {key.split(":")[0] for asset in card["assets"].values() for key in asset if ":" in key}
    assert all(any(f"/{prefix}/" in uri for uri in card["stac_extensions"]) for prefix in prefixes)


def test_a_model_of_simulated_scenes_is_not_offered_for_real_ground(card):
    assert "no map of real ground" in card["properties"]["description"]


def test_dataset_card_points_at_a_file_that_has_its_columns(data, results):
    table = results / "splits/main.csv"
    content = dataset_card(data, table)
    (file,) = content["distribution"]
    assert file["sha256"] == hashlib.sha256(table.read_bytes()).hexdigest()
    assert results / file["contentUrl"] == table
    with table.open() as opened:
        columns = next(csv.reader(opened))
    (chips,) = content["recordSet"]
    assert [field["source"]["extract"]["column"] for field in chips["field"]] == columns
    assert {field["source"]["fileObject"]["@id"] for field in chips["field"]} == {file["@id"]}


def test_dataset_card_has_what_croissant_requires_and_every_term_a_meaning(data, results):
    content = dataset_card(data, results / "splits/main.csv")
    for key in ("conformsTo", "description", "license", "name", "url", "creator", "datePublished", "distribution"):
        assert content[key], key
    assert content["datePublished"] == "2024-05-01" and "simulated by simulator 1" in content["description"]
    prefixes = {key.split(":")[0] for key in _keys(content) if ":" in key}
    assert prefixes <= set(content["@context"])
    assert f"{2 * len(TEST_SITES)} test" in content["size"]


def _keys(value):
    if isinstance(value, list):
        return {key for entry in value for key in _keys(entry)}
    return set(value) | {key for entry in value.values() for key in _keys(entry)} if isinstance(value, dict) else set()


def test_cards_are_written_for_the_dataset_and_for_every_run_with_weights(report):
    """The fabricated runs have no weights, so there is no model to describe."""
    assert [path.name for path in (report[1] / "cards").iterdir()] == ["dataset-main.json"]
