"""Faults, tokens, buckets and pages of the archive's server, one by one and over HTTP."""

import http.client
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import rasterio
import requests
from pystac_client import Client
from pystac_client.stac_api_io import StacApiIO
from urllib3 import Retry

from anyband.archive.stac_api import ItemIndex, RequestError
from anyband.testing.faults import CALM, STORM, Faults, Weather, lasting_faults
from anyband.testing.provider_apis import APIS
from anyband.testing.provider_server import FAKE_KEYS, ProviderServer
from make_items import write_items

BASE = "http://archive.anyband.test"
TOKEN = f"{BASE}/api/sas/v1/token/anyband/files"
HREF = "http://anyband.blob.core.windows.net/files/aspen/data.tif"
CONTENT = bytes(range(256)) * 64


@pytest.fixture
def root(tmp_path, full_item):
    """A site with five scenes of each product and one file."""
    for product in ("sentinel2", "landsat", "hls_s30", "label"):
        days = range(1 if product == "label" else 5)
        write_items(tmp_path, "aspen", [full_item(product, 10 * day) for day in days])
    (tmp_path / "aspen/files").mkdir(parents=True, exist_ok=True)
    (tmp_path / "aspen/files/data.tif").write_bytes(CONTENT)
    return tmp_path


@pytest.fixture
def serving(root, monkeypatch):
    """Starts servers and leads this process to them."""

    @contextmanager
    def start(**options):
        with ProviderServer(options.pop("root", root), **options) as server:
            for name, value in server.environment.items():
                monkeypatch.setenv(name, value)
            yield server

    return start


def get(url, **headers):
    return requests.get(url, headers=headers, timeout=10)


@pytest.mark.parametrize("fault", ["unavailable", "html", "truncated", "slow"])
def test_a_fault_of_a_file_passes(serving, fault):
    times = 2 if fault == "unavailable" else 1
    with serving(faults=Faults(**{fault: 1.0}, slow_s=0.1)) as server:
        url = f"{BASE}/files/aspen/data.tif"
        for _ in range(times):
            if fault == "truncated":
                with pytest.raises(requests.exceptions.ChunkedEncodingError):
                    get(url)
                continue
            answer = get(url)
            assert answer.status_code == (503 if fault == "unavailable" else 200)
            assert (answer.content == CONTENT) == (fault == "slow")
            if fault == "html":
                assert answer.text.startswith("<!DOCTYPE html>")
        assert get(url).content == CONTENT
        assert server.weather.happened == {fault: times}


def test_what_happens_depends_on_the_file_and_not_on_the_order():
    paths = [f"files/a/{number}" for number in range(400)]
    one, two = Weather(STORM), Weather(STORM)
    first = {path: one.file(path) for path in paths}
    assert first == {path: two.file(path) for path in reversed(paths)}
    shares = {kind: list(first.values()).count(kind) / 400 for kind in ("unavailable", "html", "truncated", "slow")}
    assert shares == pytest.approx({"unavailable": 0.1, "html": 0.06, "truncated": 0.06, "slow": 0.05}, abs=0.035)
    other = Weather(replace(STORM, seed=9))
    assert {path: other.file(path) for path in paths} != first
    calm = Weather(CALM)
    assert not any(calm.file(path) for path in paths)


def test_files_want_a_token_that_has_not_expired(serving):
    with serving(faults=Faults(tokens=True)):
        refused = get(HREF)
        assert (refused.status_code, "AuthenticationFailed" in refused.text) == (403, True)
        assert get(f"{HREF}?se=2099-01-01T00:00:00Z&sig=guessed").status_code == 403
        token = get(TOKEN).json()
        assert datetime.fromisoformat(token["msft:expiry"]) > datetime.now(UTC) + timedelta(minutes=50)
        assert get(f"{HREF}?{token['token']}").content == CONTENT
    with serving(faults=Faults(tokens=True, token_life_s=0.0)):
        assert get(f"{HREF}?{get(TOKEN).json()['token']}").status_code == 403, "expired"


def test_a_token_may_count_as_expired_after_some_requests(serving):
    with serving(faults=Faults(tokens=True, token_requests=2)) as server:
        token = get(TOKEN).json()["token"]
        assert [get(f"{HREF}?{token}").status_code for _ in range(3)] == [200, 200, 403]
        assert get(f"{HREF}?{get(TOKEN).json()['token']}").status_code == 200
        assert server.weather.happened["token expired"] == 1


def test_the_token_endpoint_is_busy_and_then_hands_out_an_old_one(serving):
    with serving(faults=Faults(tokens=True, token_busy=2, token_stale=1)):
        answers = [get(TOKEN) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [429, 429, 200, 200]
        assert "Try again in 1 seconds" in answers[0].json()["message"]
        expiries = [datetime.fromisoformat(answer.json()["msft:expiry"]) for answer in answers[2:]]
        assert expiries[0] < datetime.now(UTC) < expiries[1]


def test_items_name_the_host_with_tokens_only_when_there_are_some(serving):
    for faults, host in ((CALM, "archive.anyband.test"), (Faults(tokens=True), "anyband.blob.core.windows.net")):
        with serving(faults=faults):
            item = get(f"{BASE}/stac/search?collections=landsat-c2-l2&limit=1").json()["features"][0]
            assert item["assets"]["red"]["href"].startswith(f"http://{host}/files/aspen/")
            bucket = get(f"{BASE}/earth-search/search?collections=landsat-c2-l2&limit=1").json()["features"][0]
            assert bucket["assets"]["red"]["href"].startswith("s3://usgs-landsat/")


@pytest.mark.parametrize("api", ["stac", "earth-search", "lpcloud"])
def test_a_search_through_busy_pages_with_repeated_items_is_whole(serving, api):
    """The client's own retries are enough; every item comes, some of them twice."""
    faults = Faults(search_period=3, search_busy=2, page_items=2, repeated_items=1)
    with serving(faults=faults) as server:
        retry = Retry(total=5, backoff_factor=0.01, status_forcelist=[503], allowed_methods=None)
        client = Client.open(f"{BASE}/{api}", stac_io=StacApiIO(max_retries=retry))
        ids = [item["id"] for item in client.search(collections=["sentinel-2-l2a"], limit=100).items_as_dicts()]
        assert len(set(ids)) == 5
        assert len(ids) == 8, "four pages of two, three items again"
        assert server.weather.happened["search"] == 6


def test_small_pages_are_a_trap(serving):
    with serving(traps=("small-pages",)):
        page = get(f"{BASE}/stac/search?limit=100").json()
        assert (page["numberReturned"], page["numberMatched"]) == (1, 16)


def test_the_asset_that_is_gone_is_the_same_every_time(root, serving, full_item):
    items = [full_item(product, 10 * day) for product in ("sentinel2", "landsat", "hls_s30") for day in range(5)]
    gone = lasting_faults(Faults(gone=2), items)
    assert len(gone) == 2
    three = lasting_faults(Faults(gone=1, always_html=1, always_truncated=1), items)
    assert list(three.values()) == ["gone", "html", "truncated"]
    assert gone == lasting_faults(Faults(gone=2), reversed(items))
    assert not lasting_faults(CALM, items)
    (href,) = lasting_faults(Faults(gone=1), items)
    path = root / "aspen/files" / href.rsplit("/", 1)[1]
    path.write_bytes(CONTENT)
    with serving(faults=CALM):
        assert get(href).status_code == 200
    with serving(faults=Faults(gone=1)):
        assert get(href).status_code == 404
        assert get(href.replace("/files/", "/made/untagged/")).status_code == 404
    with serving(faults=Faults(always_html=1)):
        assert [get(href).text.startswith("<!DOCTYPE html>") for _ in range(3)] == [True] * 3


def test_buckets_are_for_readers_who_pay(serving, root, full_item):
    values = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    profile = {"driver": "GTiff", "height": 64, "width": 64, "count": 1, "dtype": "uint16", "crs": "EPSG:32632"}
    grid = {"transform": rasterio.Affine(30, 0, 600_000, 0, -30, 5_100_000)}
    with rasterio.open(root / "aspen/files/landsat-0-red.tif", "w", **profile, **grid) as target:
        target.write(values, 1)
    with serving() as server:
        found = get(f"{BASE}/earth-search/search?collections=landsat-c2-l2&limit=10").json()["features"]
        item = next(item for item in found if "_20220510_" in item["id"])
        key = item["assets"]["red"]["href"].removeprefix("s3://")
        options = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "AWS_REGION": "us-west-2"}
        with rasterio.Env(**options, AWS_REQUEST_PAYER="requester"), rasterio.open(f"/vsis3/{key}") as source:
            np.testing.assert_array_equal(source.read(1), values)
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
        connection.request("GET", f"http://s3.anyband.test/{key}")
        answer = connection.getresponse()
        assert (answer.status, b"AccessDenied" in answer.read()) == (403, True)
        connection.request("GET", f"http://s3.anyband.test/{key}.no", headers={"x-amz-request-payer": "requester"})
        assert connection.getresponse().status == 404


def test_made_up_keys_are_only_for_users_without(root, tmp_path, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with ProviderServer(root) as server:
        assert server.environment.items() >= (FAKE_KEYS | {"PC_SDK_SAS_URL": f"{BASE}/api/sas/v1/token"}).items()
        with monkeypatch.context() as mine:
            mine.setenv("AWS_ACCESS_KEY_ID", "mine")
            assert not FAKE_KEYS.keys() & server.environment.keys()
        (tmp_path / ".aws").mkdir()
        (tmp_path / ".aws/credentials").write_text("[default]\n")
        assert not FAKE_KEYS.keys() & server.environment.keys()


def test_each_provider_pages_in_its_way(serving):
    body = {"collections": ["sentinel-2-l2a"], "limit": 2, "bbox": [10, 46, 11, 47]}
    links = {}
    with serving():
        for api in ("stac", "earth-search", "lpcloud"):
            page = requests.post(f"{BASE}/{api}/search", json=body, timeout=10).json()
            links[api] = next(link for link in page["links"] if link["rel"] == "next")
            assert ("numberMatched" in page) == (api != "lpcloud")
        assert links["stac"]["body"] == body | {"token": "next:2"}
        assert links["earth-search"]["body"] == body | {"next": "next:2"}
        assert "method" not in links["lpcloud"]
        assert "cursor=next" in links["lpcloud"]["href"]
        assert len(get(links["lpcloud"]["href"]).json()["features"]) == 2
        statuses = {api: get(f"{BASE}/{api}/search?limit=5000").status_code for api in links}
        assert statuses == {"stac": 400, "earth-search": 200, "lpcloud": 200}, "LP DAAC cuts, so does stac-server"


def test_earth_search_cannot_send_more_than_six_megabytes(full_item):
    assert APIS["earth-search"].most_bytes == 6 * 2**20
    api = replace(APIS["earth-search"], most_bytes=2**18)
    index = ItemIndex(api.publish([full_item("sentinel2", day) for day in range(20)]))
    assert api.search(index, "search", None, {"limit": 5})["numberReturned"] == 5
    with pytest.raises(RequestError, match='{"message": "Internal server error"}') as refused:
        api.search(index, "search", None, {"limit": 20})
    assert refused.value.status == 502


def test_scenes_that_a_provider_cannot_tell_apart_are_an_error(tmp_path, serving, full_item):
    """Two sites in one tile, seen on one day: the second would get the pixels of the first."""
    folder = tmp_path / "two"
    for site, seconds in (("aspen", 0), ("birch", 1)):
        item = full_item("sentinel2", site=site)
        item["id"] = item["id"].replace("101530", f"10153{seconds}")
        write_items(folder, site, [item])
    with serving(root=folder):
        answer = get(f"{BASE}/earth-search/search")
        assert answer.status_code == 500
        assert "two sites have a scene of one tile and day" in answer.text
        assert get(f"{BASE}/stac/search").json()["numberMatched"] == 2
