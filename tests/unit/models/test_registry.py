import pytest
import yaml

from anyband import config
from anyband.config import MODEL_NAMES
from anyband.evaluation.evaluate_run import parameters
from anyband.methods import MODELS
from anyband.models.core.storage import build, model_class
from anyband.runtime import UserError

FLOORS = {"pixel", "analytic", "random-forest", "texture-forest"}
OWN_NETWORK = {"satlas", "satlas-full-size"}  # published architectures, which are not ours to resize


def test_the_configuration_knows_every_model():
    assert set(MODEL_NAMES) == set(MODELS)


def test_methods_are_of_equal_size(statistics):
    sizes = {name: parameters(build(name, {}, statistics, 8)) for name in MODELS if name not in FLOORS | OWN_NETWORK}
    middle = (max(sizes.values()) + min(sizes.values())) / 2
    assert max(sizes.values()) < 1.05 * middle, sizes


def test_methods_of_the_large_preset_are_of_equal_size(statistics, root):
    methods = yaml.safe_load((root / "workflow/presets/paper.yaml").read_text())["methods"]
    models = {name: config.Config().methods[name].model for name in methods}
    sizes = {name: parameters(build(models[name], entry["options"], statistics, 8)) for name, entry in methods.items()}
    experiments = config.Config().experiments
    compared = {*experiments["main"].methods, *experiments["rivals"].methods}
    assert set(sizes) == compared - FLOORS - OWN_NETWORK
    sizes["prediction-full-size"] //= 2  # two specialists, and says so
    assert max(sizes.values()) < 1.05 * min(sizes.values()), sizes


@pytest.mark.parametrize("name", MODELS)
def test_what_tuning_may_draw_can_be_built(name, statistics):
    for key, values in model_class(name).search.items():
        assert len(values) > 1
        for value in values:
            assert getattr(build(name, {key: value}, statistics, 8).options, key) == value


@pytest.mark.parametrize("name", [name for name in MODELS if name not in FLOORS])
def test_tuning_may_draw_the_default_and_does_not_change_the_size(name, statistics):
    default = build(name, {}, statistics, 8)
    for key, values in model_class(name).search.items():
        assert getattr(default.options, key) in values
        for value in values:
            assert abs(parameters(build(name, {key: value}, statistics, 8)) / parameters(default) - 1) < 0.05


def test_an_unknown_model_is_named(statistics):
    with pytest.raises(UserError, match="'anybnd' does not exist"):
        build("anybnd", {}, statistics, 8)


def test_a_misspelt_option_is_answered_with_the_nearest(statistics):
    with pytest.raises(UserError, match="'dept'; did you mean 'depth'"):
        build("anyband", {"dept": 3}, statistics, 8)


@pytest.mark.parametrize("options", [{"depth": 2.5}, {"depth": True}, {"cell_m": "60"}])
def test_an_option_of_another_type_is_refused(options, statistics):
    with pytest.raises(UserError, match="is not of type"):
        build("input-fusion", options, statistics, 8)


def test_a_whole_number_may_stand_for_a_real_one(statistics):
    assert build("input-fusion", {"cell_m": 80}, statistics, 8).options.cell_m == 80


@pytest.mark.parametrize("experiment", ["main", "rivals", "ablations"])
def test_every_method_of_the_default_experiments_can_be_built(statistics, experiment):
    settings = config.Config()
    for name in settings.experiments[experiment].methods:
        assert build(settings.methods[name].model, settings.methods[name].options, statistics, 8)
