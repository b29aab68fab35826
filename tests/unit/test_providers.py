"""Which provider has which product."""

import pytest

from anyband.products import CATALOGUED, PRODUCTS
from anyband.providers import CATALOGUES, LP_DAAC, PLANETARY_COMPUTER, Source, sources
from anyband.runtime import UserError

# What an answer of each provider may hold: 1000 items, 6 MB (about 250 items), 100 items, 10000 items.
LARGEST = {"planetarycomputer": 1000, "earth-search": 250, "cmr.earthdata": 100, "landsatlook": 10_000, "anyband": 1000}


def no_request(url):
    raise AssertionError(f"{url} was asked")


@pytest.mark.parametrize("catalog", CATALOGUES)
def test_named_catalogues_have_every_product_without_a_request(catalog):
    found = sources(catalog, no_request)
    assert tuple(found) == CATALOGUED
    for product, source in found.items():
        assert source.collection in PRODUCTS[product].collections
        (largest,) = (size for part, size in LARGEST.items() if part in source.endpoint)
        assert 1 <= source.page <= largest


def test_products_that_a_provider_lacks_come_from_the_planetary_computer():
    for catalog in ("earth-search", "earth-search-c1", "lpcloud"):
        assert CATALOGUES[catalog]["label"].endpoint == PLANETARY_COMPUTER
    assert CATALOGUES["lpcloud"]["hls_l30"] == Source(LP_DAAC, "HLSL30_2.0")


def test_a_url_is_asked_for_its_collections_once_and_the_first_known_ones_are_taken():
    asked = []

    def collections_of(url):
        asked.append(url)
        return ["HLSS30_2.0", "landsat-c2l2-sr", "sentinel-2-c1-l2a", "sentinel-2-l2a", "hls2-l30", "esa-worldcover"]

    found = sources("https://stac.test", collections_of)
    assert asked == ["https://stac.test"]
    assert {source.endpoint for source in found.values()} == {"https://stac.test"}
    names = ["sentinel-2-l2a", "landsat-c2l2-sr", "HLSS30_2.0", "hls2-l30", "esa-worldcover"]
    assert [found[product].collection for product in CATALOGUED] == names


def test_a_url_without_a_product_is_one_line():
    line = "catalogue https://stac.test has no collection for landsat, known: landsat-c2-l2, landsat-c2l2-sr"
    with pytest.raises(UserError, match=f"^{line}$"):
        sources("https://stac.test", lambda url: ["sentinel-2-l2a"])
