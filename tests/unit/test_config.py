"""The configuration: defaults, drift of the generated files, and one-line errors."""

import csv
import json
from pathlib import Path

import pytest
import yaml

from anyband import config
from anyband.config import defaults, document
from anyband.config.__main__ import generated
from anyband.runtime import UserError

ROOT = Path(__file__).parents[2]
PRESETS = ROOT / "workflow/presets"


@pytest.mark.parametrize("name", generated(ROOT))
def test_generated_files_have_not_drifted_from_the_models_and_the_version(name):
    assert (ROOT / name).read_text() == generated(ROOT)[name], "run: python -m anyband.config"


def test_documented_yaml_reads_back_as_the_defaults():
    assert config.load(yaml.safe_load(document.documented_yaml())) == config.Config()


def preset_named(root, name):
    usual = yaml.safe_load((root / "config.yaml").read_text())
    return config.load(config.merge(usual, yaml.safe_load((root / f"workflow/presets/{name}.yaml").read_text())))


@pytest.mark.parametrize("preset", sorted(path.stem for path in PRESETS.glob("*.yaml")))
def test_presets_are_valid_and_change_something(root, preset):
    assert preset_named(root, preset) != config.Config()


def test_the_smoke_preset_makes_all_targets_small(root):
    assert {len(entry.seeds) for entry in preset_named(root, "smoke").experiments.values()} == {2}


def test_the_large_preset_takes_no_setting_that_was_tuned_at_the_small_size(root, monkeypatch):
    """A method's own learning rate wins over the experiment's, also over the one that the preset sets."""
    monkeypatch.setitem(defaults.CHOSEN, "feature-fusion", {"learning_rate": 0.008, "weight_decay": 0.03})
    tuned = yaml.safe_load(document.documented_yaml())
    assert config.load(tuned).run("main", "feature-fusion").training.learning_rate == 0.008
    change = yaml.safe_load((root / "workflow/presets/paper.yaml").read_text())
    large = config.load(config.merge(tuned, change))
    assert large.run("main", "feature-fusion").training == large.experiments["main"].training
    sized = {name for name in large.methods if large.methods[name].options.get("dim") and name in change["methods"]}
    assert all({"learning_rate", "weight_decay"} <= set(change["methods"][name]) for name in sized)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"dataset": {}}, ["unknown key dataset", "datasets"]),
        (
            {"methods": {"p": {"model": "pixel", "pretraining_steps": 9}}},
            ["methods.p", "pretraining_steps", "anyband"],
        ),
        (
            {
                "experiments": {
                    "a": {"methods": ["anyband-pretrained", "anyband"], "training": {"leave_out": "landsat"}}
                }
            },
            ["experiments.a.training.leave_out", "anyband-pretrained"],
        ),
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
        ({"methods": {"Nadir": {"model": "pixel"}}}, ["methods.Nadir", "small letters"]),
        ({"methods": {"x": {"inherits": ["pixel"]}}}, ["methods.x.inherits", "one entry"]),
        # What YAML makes of no, null, 7, yes, .inf, .nan and 20220501.
        ({"methods": {False: {"inherits": "pixel"}}}, ["methods", "False", "quotes"]),
        ({"experiments": {None: {}}}, ["experiments", "None", "quotes"]),
        ({"datasets": {7: {}}}, ["datasets.7", "quotes"]),
        ({"datasets": {"main": {"classes": {True: "trees"}}}}, ["datasets.main.classes", "True", "quotes"]),
        ({"datasets": {"main": {"classes": {10: False}}}}, ["datasets.main.classes.10", "quotes"]),
        ({"datasets": {"main": {"exclude": [12]}}}, ["datasets.main.exclude", "quotes"]),
        ({"experiments": {"main": {"methods": ["anyband", None]}}}, ["experiments.main.methods.1", "quotes"]),
        ({"experiments": {"main": {"seeds": [False, True]}}}, ["experiments.main.seeds", "number"]),
        ({"tuning": {"trials": True}}, ["tuning.trials", "number"]),
        ({"datasets": {"main": {"min_clear": float("nan")}}}, ["datasets.main.min_clear", "finite"]),
        ({"methods": {"x": {"model": "pixel", "weight_decay": float("inf")}}}, ["methods.x.weight_decay", "finite"]),
        ({"datasets": {"main": {"end": 20220501}}}, ["datasets.main.end", "20220501", "2022-05-31"]),
        ({"datasets": {"main": {"end": "2023-02-29"}}}, ["datasets.main.end", "2023-02-29"]),
        ({"datasets": {"main": {"max_day_gap": -1}}}, ["datasets.main.max_day_gap", "0"]),
        ({"datasets": {"main": {"classes": {10: "trees", 20: "trees"}}}}, ["datasets.main", "classes", "twice"]),
        ({"datasets": {"main": {"classes": {}}}}, ["datasets.main.classes", "at least 1"]),
        ({"datasets": {"main": {"classes": {300: "trees"}}}}, ["datasets.main.classes.300", "255"]),
        ({"experiments": {"main": {"conditions": []}}}, ["experiments.main.conditions", "at least 1"]),
        ({"experiments": {"main": {"seeds": [-3]}}}, ["experiments.main.seeds", "-3"]),
    ],
)
def test_mistake_gives_one_line_that_names_the_key(document, words):
    with pytest.raises(UserError) as caught:
        config.load(document)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (b"datasets:\n  main:\n    start: 2023-02-29\n", "line 3: 2023-02-29 is no date"),
        (b"methods:\n  a: {model: pixel}\n  a: {model: anyband}\n", "line 3: key a comes twice"),
        (b"methods:\n\ta: {}\n", "line 2: found character"),
        (b"methods: {a: [}\n", "line 1: "),
        (b"- main\n", "no keys and values"),
        (b"methods: {\xe9t\xe9: {}}\n", "UTF-8"),
        ("tuning: {trials: 2}\n".encode("utf-16"), "UTF-8"),
        (b"tuning: {trials: 2}\0\n", "not valid YAML"),
    ],
)
def test_a_file_that_is_badly_written_is_one_line_with_its_place(tmp_path, written, words):
    path = tmp_path / "mine.yaml"
    path.write_bytes(written)
    with pytest.raises(UserError) as caught:
        config.read_document(path)
    assert str(caught.value).startswith(str(path))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_of_comments_has_no_settings(tmp_path):
    (tmp_path / "mine.yaml").write_text("# nothing\n")
    assert config.read_document(tmp_path / "mine.yaml") == {}


def test_a_byte_order_mark_and_windows_line_ends_are_nothing_to_stop_for(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"\xef\xbb\xbftuning:\r\n  trials: 2\r\n")
    assert config.read_document(path) == {"tuning": {"trials": 2}}


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


def test_rivals_and_ablations_have_the_settings_of_the_main_experiment():
    experiments = config.Config().experiments
    for name in ("rivals", "ablations"):
        same = experiments["main"].model_copy(update={"methods": experiments[name].methods, "target": name})
        assert experiments[name] == same
    styles = {name for name in config.MODEL_NAMES if name.endswith("-style")}
    assert set(experiments["rivals"].methods) == styles | {
        "anyband",
        "input-fusion",
        "texture-forest",
        "satlas-full-size",
    }


def test_experiment_on_unseen_sensors_has_the_settings_of_the_main_one_and_the_data_it_needs():
    loaded = config.Config()
    main, unseen = (loaded.experiments[name] for name in ("main", "unseen"))
    own = {"methods", "conditions", "target", "dataset"}
    assert unseen.model_dump(exclude=own) == main.model_dump(exclude=own)
    dataset = loaded.datasets["unseen"]
    assert dataset.extra_products == ["broadband", "narrowband", "hyperspectral"]
    assert loaded.datasets["main"].extra_products == [], "or the default run pays for what it does not use"
    plain = dataset.simulation.model_copy(update={"extra_sensors": []})
    assert dataset.model_copy(update={"simulation": plain}) == loaded.datasets["main"]


def test_extra_sensors_are_of_the_embedded_archive_only():
    elsewhere = config.Dataset(catalog="planetary-computer", simulation={"extra_sensors": ["broadband"]})
    assert elsewhere.extra_products == []
    with pytest.raises(UserError, match="datasets.main.simulation.extra_sensors: names the same sensor twice"):
        config.load({"datasets": {"main": {"simulation": {"extra_sensors": ["broadband", "broadband"]}}}})


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"conditions": ["S2", "L9", "S2+L9", "BB", "BB/as-S2"]}, "BB"),
        ({"methods": ["anyband", "broad-only"]}, "broad-only"),
    ],
)
def test_experiment_on_a_sensor_that_its_dataset_lacks_is_one_line(change, what):
    words = f"experiments.main: {what} needs broadband, which is not among datasets.main.simulation.extra_sensors"
    with pytest.raises(UserError, match=words):
        config.load({"experiments": {"main": change}})


def test_product_that_a_method_leaves_out_is_left_out_of_its_training_alone():
    loaded = config.Config()
    run = loaded.run("unseen", "anyband-without-landsat")
    assert run.training.leave_out == "landsat"
    assert "leave_out" not in run.method.as_json(), "said twice, in the method and in the loop"
    assert loaded.run("unseen", "anyband").training.leave_out == "none"
    whole = config.load(
        {"experiments": {"main": {"training": {"leave_out": "sentinel2"}, "methods": ["anyband", "l9-only"]}}}
    )
    assert whole.run("main", "l9-only").training.leave_out == "sentinel2"


def test_what_changes_the_main_experiment_or_a_method_reaches_what_starts_as_its_copy():
    change = {"methods": {"anyband": {"learning_rate": 0.01}}, "experiments": {"main": {"training": {"steps": 7}}}}
    loaded = config.load(config.merge(yaml.safe_load(document.documented_yaml()), change))
    assert loaded.run("ablations", "anyband-no-synthetic").training.learning_rate == 0.01
    assert loaded.run("rivals", "dofa-style").training.steps == 7


CALM = {"learning_rate": None, "weight_decay": 0.0}


def test_a_methods_own_settings_replace_those_of_the_loop_for_it_alone():
    loaded = config.load(config.merge(yaml.safe_load(document.documented_yaml()), {"methods": {"anyband": CALM}}))
    usual = config.Training()
    own, other = loaded.run("main", "anyband"), loaded.run("rivals", "dofa-style")
    assert own.training.weight_decay == 0.0
    assert other.training == usual
    assert own.training.model_copy(update={"weight_decay": usual.weight_decay}) == usual
    assert '"learning_rate"' not in own.method.as_json(), "said twice, in the method and in the loop"


def test_what_a_target_reports_does_not_depend_on_the_other_targets():
    everything = config.Config()
    part = everything.of_target("all")
    assert set(part.experiments) == {"main"}
    assert set(part.methods) == set(everything.experiments["main"].methods)
    assert config.Config.model_validate_json(part.as_json()) == part


def test_a_seed_of_the_trials_is_not_one_of_the_comparison():
    with pytest.raises(UserError, match="tuning.seed 3 is a seed of experiments.main"):
        config.load({"tuning": {"seed": 3}})


def test_chosen_settings_are_those_of_the_committed_ledgers(root):
    """The ledger that led to the defaults is kept; defaults that are changed without it are not tuned."""
    for path in (root / "docs/tuning").glob("*.csv"):
        rows = list(csv.DictReader(path.read_text().splitlines()))
        for row in (row for row in rows if row["chosen"] == "True"):
            run = config.Config().run(path.stem, row["method"])
            assert run.method.options == json.loads(row["options"]), row["method"]
            for key in ("learning_rate", "weight_decay"):
                assert not row[key] or getattr(run.training, key) == float(row[key]), (row["method"], key)


def test_methods_whose_package_is_not_installed_are_left_out_with_a_line_each(monkeypatch):
    loaded = config.Config()
    monkeypatch.setattr("anyband.config.loading.find_spec", lambda name: name)
    assert config.without_missing(loaded) == (loaded, [])
    monkeypatch.setattr("anyband.config.loading.find_spec", lambda name: None)
    fewer, lines = config.without_missing(loaded)
    assert "satlas" not in fewer.experiments["main"].methods
    assert fewer.experiments["main"].methods == [m for m in loaded.experiments["main"].methods if m != "satlas"]
    assert lines[0] == "experiment main goes without satlas: no torchvision here (pip install 'anyband[models]')"
    assert len(lines) == 3  # main, rivals, ablations
    assert fewer.methods == loaded.methods
