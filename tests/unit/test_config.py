"""The configuration: defaults, drift of the generated files, and one-line errors."""

import json

import pytest
import yaml

from anyband import config, config_text
from anyband.runtime import UserError


def test_config_yaml_has_not_drifted_from_the_models(root):
    assert (root / "config.yaml").read_text() == config_text.documented_yaml(), "run: python -m anyband.config"


def test_schema_has_not_drifted_from_the_models(root):
    committed = (root / "workflow/schemas/config.schema.json").read_text()
    assert committed == config_text.schema_json(), "run: python -m anyband.config"


def test_documented_yaml_reads_back_as_the_defaults():
    assert config.load(yaml.safe_load(config_text.documented_yaml())) == config.Config()


def test_model_names_are_those_of_the_registry():
    from anyband.models.registry import MODELS

    assert tuple(MODELS) == config.MODEL_NAMES


@pytest.mark.parametrize("preset", ["smoke", "paper", "null-twin"])
def test_presets_are_valid(root, preset):
    defaults = yaml.safe_load((root / "config.yaml").read_text())
    changes = yaml.safe_load((root / f"workflow/presets/{preset}.yaml").read_text())
    assert config.load(config.merge(defaults, changes)) != config.Config()


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"dataset": {}}, ["unknown key dataset", "datasets"]),
        ({"datasets": {"main": {"chip_mm": 960}}}, ["datasets.main.chip_mm", "chip_m"]),
        ({"datasets": {"main": {"split": {"bufer_m": 1}}}}, ["datasets.main.split.bufer_m", "buffer_m"]),
        ({"datasets": {"main": {"chip_m": 1000}}}, ["datasets.main.chip_m", "960", "1000"]),
        ({"datasets": {"main": {"chip_m": "960 m"}}}, ["datasets.main.chip_m", "integer", "960 m"]),
        ({"datasets": {"main": {"min_clear": 30}}}, ["datasets.main.min_clear", "1", "30"]),
        ({"datasets": {"main": {"sites": {"drawn": 4}}}}, ["datasets.main.sites", "draw"]),
        ({"datasets": {"main": {"sites": {"draw": 0}}}}, ["datasets.main.sites.draw", "greater than 0"]),
        ({"datasets": {"main": {"catalog": "earth-serch"}}}, ["datasets.main", "earth-search", "earth-serch"]),
        ({"datasets": {"main": {"end": "2020-01-01"}}}, ["datasets.main", "2020-01-01", "before"]),
        ({"methods": {"new": {"model": "anybnd"}}}, ["methods.new", "anybnd", "did you mean 'anyband'"]),
        ({"methods": {"new": {}}}, ["methods.new.model", "required"]),
        ({"experiments": {"main": {"methods": ["anyband", "s2only"]}}}, ["experiments.main", "s2only", "s2-only"]),
        ({"experiments": {"main": {"dataset": "mian"}}}, ["experiments.main.dataset", "mian", "main"]),
        ({"experiments": {"main": {"proposed": "nobody"}}}, ["experiments.main", "proposed", "nobody"]),
        ({"experiments": {"main": {"seeds": [1, 1]}}}, ["experiments.main", "seeds", "twice"]),
        ({"experiments": {"main": {"conditions": ["S3"]}}}, ["experiments.main.conditions", "S3"]),
        (
            {"experiments": {"main": {"conditions": ["S2", "S2/drop-rededge"]}}},
            ["experiments.main.conditions", "did you mean 'drop-red-edge'"],
        ),
        ({"experiments": {"main": {"conditions": ["L9", "S2/drop-swir"]}}}, ["experiments.main", "compared with 'S2'"]),
    ],
)
def test_mistake_gives_one_line_that_names_the_key(document, words):
    with pytest.raises(UserError) as caught:
        config.load(document)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_entry_inherits_another_and_changes_keys():
    entries = {
        "main": {"seeds": [0, 1], "training": {"steps": 10}},
        "short": {"inherits": "main", "training": {"batch": 4}},
    }
    loaded = config.load({"experiments": entries})
    assert loaded.experiments["short"].seeds == [0, 1]
    assert (loaded.experiments["short"].training.steps, loaded.experiments["short"].training.batch) == (10, 4)
    assert loaded.experiments["main"].training.batch == config.Training().batch


def test_circular_inheritance_is_named():
    with pytest.raises(UserError, match="circle: a > b > a"):
        config.load({"methods": {"a": {"inherits": "b"}, "b": {"inherits": "a"}}})


def test_settings_cross_as_sorted_json_so_that_key_order_reruns_nothing():
    text = config.Dataset().as_json("chip_m", "extent_m")
    assert text == '{"chip_m":960,"extent_m":3840}'
    assert config.Dataset.model_validate_json(config.Dataset().as_json()) == config.Dataset()
    assert list(json.loads(config.Config().as_json())) == sorted(config.Config.model_fields)
