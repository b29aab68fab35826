import pytest
import yaml

from anyband import config
from anyband.config import MODEL_NAMES
from anyband.evaluation.cost import parameters
from anyband.models.registry import MODELS, build
from anyband.runtime import UserError

FLOORS = {"pixel", "analytic", "random-forest"}
OWN_NETWORK = {"satlas"}  # published architectures, which are not ours to resize


def test_the_configuration_knows_every_model():
    assert set(MODEL_NAMES) == set(MODELS)


def test_methods_are_of_equal_size(statistics):
    sizes = {name: parameters(build(name, {}, statistics, 8)) for name in MODELS if name not in FLOORS | OWN_NETWORK}
    middle = (max(sizes.values()) + min(sizes.values())) / 2
    assert max(sizes.values()) < 1.05 * middle, sizes


def test_methods_of_the_large_preset_are_of_equal_size(statistics, root):
    methods = yaml.safe_load((root / "workflow/presets/paper.yaml").read_text())["methods"]
    sizes = {name: parameters(build(name, entry["options"], statistics, 8)) for name, entry in methods.items()}
    assert set(sizes) == {"s2-only", "l9-only", "input-fusion", "feature-fusion", "anyband"}
    assert max(sizes.values()) < 1.05 * min(sizes.values()), sizes


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


def test_every_method_of_the_baselines_preset_can_be_built(statistics, root):
    default, preset = (
        yaml.safe_load((root / p).read_text()) for p in ("config.yaml", "workflow/presets/baselines.yaml")
    )
    settings = config.load(config.merge(default, preset))
    assert settings.experiments["baselines"].training == settings.experiments["main"].training
    for name in settings.experiments["baselines"].methods:
        assert build(settings.methods[name].model, settings.methods[name].options, statistics, 8)
