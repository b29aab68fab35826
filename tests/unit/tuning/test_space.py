"""The draws of the search."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyband.config import MethodSettings, Run, Training
from anyband.landcover import SCORED
from anyband.methods import MODELS
from anyband.models.core.method import Options
from anyband.models.core.storage import model_class
from anyband.tuning.space import SPACE, by_gradient, draw, own_space

OWN = {"rule": ("mean", "product"), "drop": (0.0, 0.1, 0.3)}
names = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True)
FIRST = (0.0155, 0.00162)  # trial 1 of anyband with seed 1000
trials = st.integers(1, 1000)
seeds = st.integers(0, 2**31)


def run(name="anyband", **options):
    return Run(name=name, method=MethodSettings(model="anyband", options=options), training=Training(), classes=SCORED)


@given(names, trials, seeds)
def test_draws_lie_in_the_space_and_change_nothing_else(name, trial, seed):
    drawn = draw(run(name, dim=32), trial, seed, OWN, True)
    for setting, (least, greatest) in SPACE.items():
        assert least <= getattr(drawn.training, setting) <= greatest
    assert drawn.method.options["dim"] == 32
    assert all(drawn.method.options[option] in values for option, values in OWN.items())
    loop = {setting: getattr(Training(), setting) for setting in SPACE}
    assert drawn.training.model_copy(update=loop) == Training(), "another setting of the loop has changed"
    assert Run.model_validate_json(drawn.as_json()) == drawn


@given(names, trials, seeds)
def test_draws_are_the_same_twice_and_in_any_order_of_options(name, trial, seed):
    turned = dict(reversed(OWN.items()))
    assert draw(run(name), trial, seed, OWN, True) == draw(run(name), trial, seed, turned, True)


@given(names, seeds)
def test_a_methods_own_options_do_not_move_its_draws_of_the_loop(name, seed):
    with_own, without = draw(run(name), 1, seed, OWN, True), draw(run(name), 1, seed, {}, True)
    assert with_own.training == without.training


@given(names, seeds)
def test_the_first_trial_has_the_settings_of_the_configuration(name, seed):
    assert draw(run(name, rule="own"), 0, seed, OWN, True) == run(name, rule="own")


@pytest.mark.parametrize("other", [("pixel", 1, 0), ("anyband", 2, 0), ("anyband", 1, 1)])
def test_another_method_trial_or_seed_is_another_draw(other):
    name, trial, seed = other
    assert draw(run(name), trial, seed, {}, True).training != draw(run("anyband"), 1, 0, {}, True).training


def test_draws_are_even_in_their_logarithm():
    """An even draw would put nine of ten learning rates above a tenth of the greatest."""
    drawn = [draw(run(), trial, 0, {}, True).training for trial in range(1, 401)]
    for setting, (least, greatest) in SPACE.items():
        below = sum(getattr(training, setting) < (least * greatest) ** 0.5 for training in drawn)
        assert 160 < below < 240, setting


def test_draws_are_those_of_the_committed_ledgers():
    """Another generator or hash would make trials that no ledger can be compared with."""
    drawn = draw(run(), 1, 1000, {}, True).training
    assert (drawn.learning_rate, drawn.weight_decay) == FIRST


def test_methods_without_gradients_draw_their_own_options_only():
    drawn = draw(run(), 3, 0, OWN, False)
    assert drawn.training == Training()
    assert set(drawn.method.options) == set(OWN)
    assert [name for name in MODELS if not by_gradient(name)] == ["random-forest", "texture-forest"]


@pytest.mark.parametrize("model", MODELS)
def test_every_value_that_is_searched_is_an_option_of_the_model(model):
    for option, values in own_space(model).items():
        for value in values:
            parsed = model_class(model).options_type.parse({option: value}, model)
            assert isinstance(parsed, Options)
