import pytest
import torch

from anyband.models.baselines.pixel import RandomForest, RandomForestOptions
from anyband.models.core.storage import Recipe, load, save
from anyband.observation import Observation, QueryGrid
from anyband.runtime import UserError

QUERY = QueryGrid(10.0, 24, 24)
OPTIONS = {"trees": 5, "leaves": 64, "levels": 10, "pixels": 400, "whiten": False}  # one band tells the classes


def make(statistics) -> RandomForest:
    return RandomForest(RandomForestOptions(**OPTIONS), statistics, 4).eval()


def labels_of(observation: Observation) -> torch.Tensor:
    """Three of four classes, by the brightness of the first Sentinel-2 band; some pixels are not scored."""
    label = torch.bucketize(observation.groups[0].values[:, 0].contiguous(), torch.tensor([0.2, 0.4]))
    label[label == 2] = 3
    label[:, 0] = -1
    return label


def fitted(statistics, observe) -> RandomForest:
    torch.manual_seed(0)
    method, batches = make(statistics), []
    for seed in range(6):
        whole = observe(seed=seed)
        batches.append((whole, QUERY, labels_of(whole)))
        batches.append((whole.only(frozenset({"sentinel2"})), QUERY, labels_of(whole)))
    method.fit(batches)
    return method


def test_the_stored_trees_vote_as_those_of_scikit_learn(statistics, observe, monkeypatch):
    from sklearn import ensemble

    made = []
    real = ensemble.RandomForestClassifier.fit

    def note(self, *arguments):
        made.append((self, *arguments))
        return real(self, *arguments)

    monkeypatch.setattr(ensemble.RandomForestClassifier, "fit", note)
    method = fitted(statistics, observe)
    ((forest, pixels, classes),) = made
    assert set(classes) == {0, 1, 3}
    votes = method.vote(torch.from_numpy(pixels))
    assert torch.allclose(votes[:, [0, 1, 3]], torch.from_numpy(forest.predict_proba(pixels)).float(), atol=1e-5)
    assert (votes[:, 2] == 0).all()


def test_it_learns_and_no_class_is_impossible(statistics, observe):
    method, fresh = fitted(statistics, observe), observe(seed=100)
    logits, truth = method(fresh, QUERY), labels_of(fresh)
    assert torch.isfinite(logits).all()
    assert torch.allclose(logits.exp().sum(dim=1), torch.ones(2, 24, 24), atol=1e-5)
    right = logits.argmax(dim=1) == truth
    assert right[truth >= 0].float().mean() > 0.9


@pytest.mark.parametrize("products", [("sentinel2",), ("landsat",), ("sentinel2", "landsat")])
def test_it_maps_with_any_sensor_missing(products, statistics, observe):
    logits = fitted(statistics, observe)(observe(products), QueryGrid(30.0, 8, 8))
    assert logits.shape == (2, 4, 8, 8)
    assert torch.isfinite(logits).all()


def test_order_of_bands_and_groups_does_not_matter(statistics, observe):
    method, whole = fitted(statistics, observe), observe()
    shuffled = tuple(g.select_bands(tuple(reversed(range(g.values.shape[1])))) for g in reversed(whole.groups))
    assert torch.equal(method(Observation(shuffled), QUERY), method(whole, QUERY))


def test_the_same_seed_grows_the_same_forest(statistics, observe):
    one, other = fitted(statistics, observe).state_dict(), fitted(statistics, observe).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_stored_forest_answers_the_same(tmp_path, statistics, observe):
    method = fitted(statistics, observe)
    recipe = Recipe("mine", "random-forest", OPTIONS, (10, 20, 30, 40), statistics.as_dict(), {"steps": 1}, 0)
    save(tmp_path, recipe, method)
    assert torch.equal(load(tmp_path)[1](observe(), QUERY), method(observe(), QUERY))


def test_a_forest_without_pixels_is_an_error(statistics, observe):
    with pytest.raises(UserError, match="no training pixel"):
        make(statistics).fit([(observe(), QUERY, torch.full((2, 24, 24), -1))])
