"""No item id and no address of a file comes twice in a collection of the default archive, in any provider's form."""

from collections import Counter

import pytest

from anyband.simulation.places import load_places, plan
from anyband.testing.provider_apis import APIS
from make_items import make_item, square


def _items(seed):
    """All catalogued items of all places, with one file each of the site's own."""
    for place in load_places():
        shared = {"site": place.name, "epsg": place.epsg, "footprint": square(place.longitude, place.latitude, 0.03)}
        yield make_item("label", **shared | {"epsg": 4326})
        for pair in plan(place, seed):
            for overpass, products in zip(pair, (("sentinel2", "hls_s30"), ("landsat", "hls_l30")), strict=True):
                seen = {"datetime": overpass.when, "platform": overpass.platform, "baseline": overpass.baseline}
                seen |= {"generation_time": overpass.when, "wrs_row": place.wrs_row}
                for product in products:
                    yield make_item(product, **shared, **seen)


@pytest.mark.parametrize("name", APIS)
@pytest.mark.parametrize("seed", [0, 7, 2022, 2026])
def test_no_id_comes_twice_in_a_collection_of_the_default_archive(name, seed):
    published = APIS[name].publish(list(_items(seed)))  # refuses two files at one address
    ids = Counter((item["collection"], item["id"]) for item in published)
    assert len(ids) == 36 * 9 and set(ids.values()) == {1}


def test_no_two_places_share_path_and_row_of_landsat():
    """With another seed they would share a day, too."""
    places = Counter()
    for item in _items(2026):
        if item["collection"] == "landsat-c2-l2":
            places[item["properties"]["landsat:wrs_path"], item["properties"]["landsat:wrs_row"]] += 1
    assert len(places) == 36 and set(places.values()) == {2}  # two dates of one place
