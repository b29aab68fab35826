"""Which provider has which product."""

import pytest

from anyband import config
from anyband.products import CATALOGUED, PRODUCTS
from anyband.providers import CATALOGUES, LP_DAAC, PLANETARY_COMPUTER, Key, Source, StacApi, sources
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

    def collections_of(api):
        asked.append(api.endpoint)
        return ["HLSS30_2.0", "landsat-c2l2-sr", "sentinel-2-c1-l2a", "sentinel-2-l2a", "hls2-l30", "esa-worldcover"]

    found = sources("https://stac.test", collections_of)
    assert asked == ["https://stac.test"]
    assert {source.endpoint for source in found.values()} == {"https://stac.test"}
    names = ["sentinel-2-l2a", "landsat-c2l2-sr", "HLSS30_2.0", "hls2-l30", "esa-worldcover"]
    assert [found[product].collection for product in CATALOGUED] == names


def test_a_url_without_a_product_is_one_line():
    line = (
        "catalogue https://stac.test has no collection for landsat, known: landsat-c2-l2, landsat-c2l2-sr; name another"
    )
    with pytest.raises(UserError, match=f"^{line} [^\n]*$"):
        sources("https://stac.test", lambda api: ["sentinel-2-l2a"])


def test_each_product_may_come_from_its_own_catalogue():
    own = {"url": "HTTPS://stac.test/v1", "auth": {"bearer": "MY_TOKEN"}}
    catalog = {"sentinel2": own, "landsat": "http://usgs.test", "rest": "lpcloud", "label": "planetary-computer"}
    asked = []

    def collections_of(api):
        asked.append(api)
        return ["sentinel-2-l2a", "landsat-c2-l2"]

    found = sources(catalog, collections_of)
    assert tuple(found) == CATALOGUED
    key = Key("MY_TOKEN", "Authorization", "Bearer ")
    assert found["sentinel2"] == Source("https://stac.test/v1", "sentinel-2-l2a", key=key)
    assert found["landsat"] == Source("http://usgs.test", "landsat-c2-l2")
    assert found["hls_s30"] == CATALOGUES["lpcloud"]["hls_s30"]
    assert found["label"].endpoint == PLANETARY_COMPUTER
    assert asked == [StacApi("https://stac.test/v1", key), StacApi("http://usgs.test")]


@pytest.mark.parametrize(
    ("catalog", "said"),
    [
        ("earth-serch", "neither a known one .* did you mean 'earth-search'"),
        ("ftp://stac.test?key=s3cret", "neither a known one"),
        ("/data/catalog.json", "neither a known one"),
        ("https://me:s3cret@stac.test", "stac.test: put a login into ~/.netrc"),
        ("https://stac.test/?api_key=s3cret", "stac.test goes on after .*auth: {query: "),
        ("https://stac.test/#s3cret", "stac.test goes on after"),
        ({"url": "https://stac.test", "auth": {"bearer": "eyJs3cret.a.b"}}, "not the key itself"),
        ({"url": "https://stac.test", "auth": {"header": "X-API-Key", "variable": "s3cret"}}, "not the key itself"),
        ({"url": "https://stac.test", "auth": {"header": "X: s3cret", "variable": "KEY"}}, "letters, digits"),
        ({"url": "https://stac.test", "auth": {"token": "s3cret"}}, "auth is one of {bearer"),
        ({"url": "https://stac.test", "auth": "s3cret"}, "auth is one of {bearer"),
        ({"auth": {"bearer": "KEY"}}, "a catalogue is a name, a URL, or {url"),
        ({"sentinel": "https://stac.test"}, "'sentinel' is no product.* 'sentinel2'"),
        ({"sentinel2": "https://stac.test", "label": "lpcloud"}, "no catalogue for landsat, hls_s30, hls_l30: "),
        ({"sentinel2": "https://stac.test", "rest": "embedded"}, "embedded stands alone"),
        ({}, "no catalogue for sentinel2"),
        (5, "neither a known one"),
        (None, "neither a known one"),
        (["lpcloud"], "neither a known one"),
    ],
)
def test_what_is_no_catalogue_is_one_line_without_its_key(catalog, said):
    with pytest.raises(UserError, match=said) as error:
        config.load({"datasets": {"main": {"catalog": catalog}}})
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("config: datasets.main.catalog: ")
    assert "s3cret" not in str(error.value)
