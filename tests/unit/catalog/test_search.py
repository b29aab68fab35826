"""Search against servers that misbehave, and manifests that stay put."""

import json
import threading
from contextlib import contextmanager
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyband.catalog import search
from anyband.catalog.search import Catalogue, Site, read_manifest, site_query, write_manifest
from anyband.runtime import UserError
from make_items import LATITUDE, LONGITUDE, make_item, square

CORE = ["https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/item-search"]
SITE = Site("aspen", LONGITUDE, LATITUDE, 3840)
QUERY = site_query(SITE, "landsat-c2-l2", (date(2022, 5, 1), date(2022, 5, 31)))


@contextmanager
def api(pages, conforms_to=CORE, landing=None):
    """A STAC API that answers each POST with the next page: a status, or a list of items (the last page stays)."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self, status, document):
            content = (document if isinstance(document, str) else json.dumps(document)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self):
            links = [{"rel": "self", "href": url}, {"rel": "root", "href": url}]
            links.append({"rel": "search", "href": f"{url}/search", "method": "POST", "type": "application/geo+json"})
            head = {"type": "Catalog", "id": "fake", "description": "fake", "stac_version": "1.0.0"}
            self.answer(200, landing or head | {"links": links, "conformsTo": conforms_to})

        def do_POST(self):
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            page = pages[min(len(asked), len(pages)) - 1]
            if isinstance(page, int):
                return self.answer(page, {"code": "failed", "description": "try again"})
            more = len(asked) < len(pages)
            links = [{"rel": "next", "href": f"{url}/search", "method": "POST", "body": {"token": "x"}}] if more else []
            return self.answer(200, {"type": "FeatureCollection", "features": page, "links": links})

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield url, asked
        server.shutdown()


def items(number, **changes):
    return [make_item("landsat", **changes) | {"id": f"item-{n}"} for n in range(number)]


def test_items_of_all_pages_come_once_sorted_and_unchanged():
    """Items that come twice over two pages, and in another order each time, must give one and the same manifest."""
    found = items(3)
    with api([[found[2], found[0]], [found[0], found[1]]]) as (url, asked):
        assert Catalogue(url).search(QUERY) == found
    assert asked[0] == {
        "collections": ["landsat-c2-l2"],
        "bbox": QUERY["bbox"],
        "datetime": "2022-05-01T00:00:00Z/2022-05-31T23:59:59Z",
        "limit": 100,
    }


def test_projection_fields_are_not_rewritten():
    """pystac turns proj:epsg into proj:code when it makes items of the raw answer."""
    with api([items(1)]) as (url, _):
        (item,) = Catalogue(url).search(QUERY)
    assert item["properties"]["proj:epsg"] == 32632
    assert "proj:code" not in item["properties"]


@pytest.mark.parametrize("status", [429, 503])
def test_searches_are_tried_again(status, monkeypatch):
    monkeypatch.setattr("urllib3.util.retry.Retry.get_backoff_time", lambda self: 0)
    with api([status, status, items(1)]) as (url, asked):
        assert len(Catalogue(url).search(QUERY)) == 1
    assert len(asked) == 3


def test_an_api_that_keeps_failing_is_one_line(monkeypatch):
    monkeypatch.setattr("urllib3.util.retry.Retry.get_backoff_time", lambda self: 0)
    with api([503]) as (url, asked), pytest.raises(UserError, match=f"^catalogue {url}: .*try again[^\n]*$"):
        Catalogue(url).search(QUERY)
    assert len(asked) == search.RETRIES + 1


def test_nothing_at_the_address_is_one_line(monkeypatch):
    monkeypatch.setattr("urllib3.util.retry.Retry.get_backoff_time", lambda self: 0)
    with pytest.raises(UserError, match="^catalogue http://127.0.0.1:9/stac: [^\n]*$"):
        Catalogue("http://127.0.0.1:9/stac")


def test_a_login_page_instead_of_an_api_is_one_line():
    with (
        api([], landing="<html>Please log in</html>") as (url, _),
        pytest.raises(UserError, match=r"^catalogue [^\n]*$"),
    ):
        Catalogue(url)


def test_an_api_that_promises_nothing_is_refused():
    """The client only warns and sends the request all the same; servers then ignore the filters."""
    with api([items(1)], conforms_to=[]) as (url, _), pytest.raises(UserError, match="conform"):
        Catalogue(url).search(QUERY)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"footprint": square(LONGITUDE + 1, LATITUDE)}, "bbox"),
        ({"footprint": square(LONGITUDE, LATITUDE - 1)}, "bbox"),
        ({"datetime": datetime(2022, 7, 1, 10, tzinfo=UTC)}, "datetime"),
    ],
)
def test_items_that_were_not_asked_for_are_found_out(changes, name):
    outside = pytest.raises(UserError, match=f"item-0, which is outside the {name} asked for")
    with api([items(1, **changes)]) as (url, _), outside:
        Catalogue(url).search(QUERY)


def test_items_of_another_collection_are_found_out():
    with api([[make_item("hls_l30")]]) as (url, _), pytest.raises(UserError, match="outside the collections"):
        Catalogue(url).search(QUERY)


@given(st.floats(-179.999, 180, exclude_min=True), st.floats(-75, 75))
def test_the_box_of_a_site_holds_its_square(longitude, latitude):
    west, south, east, north = Site("a", longitude, latitude, 3840).bbox
    assert -180 <= west < 180
    assert -180 <= east < 180
    width = (east - west) % 360
    assert 0.03 < width < 0.2
    assert (longitude - west) % 360 == pytest.approx(width / 2, abs=1e-6)
    assert (south + north) / 2 == pytest.approx(latitude)
    metres = (north - south) * 111_195
    assert metres == pytest.approx(3840, rel=0.01)


def test_boxes_are_compared_on_the_circle_of_longitudes():
    """Some providers count beyond 180 degrees east."""
    query = Site("date-line", 179.99, -17.0, 3840).bbox
    assert query[0] > query[2]
    for west, east in ((179.5, 180.5), (-180.5, -179.5), (179.5, -179.5)):
        assert search._meets_bbox({"bbox": [west, -18, east, -16]}, query)
    for west, east in ((178.0, 179.5), (-179.5, -178.0), (0, 1)):
        assert not search._meets_bbox({"bbox": [west, -18, east, -16]}, query)
    assert search._meets_bbox({"bbox": [179.5, -18, 0, 180.5, -16, 900]}, query)


@pytest.mark.parametrize(
    ("longitude", "latitude", "epsg"), [(10.3, 46, 32632), (148.9, -35, 32755), (-180, 10, 32601), (179.9, -1, 32760)]
)
def test_utm_zone_of_a_site(longitude, latitude, epsg):
    assert Site("a", longitude, latitude, 3840).utm_epsg == epsg


def test_a_manifest_changes_only_with_its_items(tmp_path, monkeypatch):
    path = tmp_path / "scenes/landsat-c2-l2.json"
    write_manifest(path, "http://a", QUERY, items(2))
    first = json.loads(path.read_text())
    assert first["query"] == QUERY
    assert first["endpoint"] == "http://a"
    assert first["retrieved"].endswith("Z")
    path.write_text(path.read_text().replace(first["retrieved"], "2020-01-01T00:00:00Z"))
    write_manifest(path, "http://a", QUERY, items(2))
    assert json.loads(path.read_text())["retrieved"] == "2020-01-01T00:00:00Z"
    write_manifest(path, "http://a", QUERY, items(3))
    assert json.loads(path.read_text())["retrieved"] != "2020-01-01T00:00:00Z"
    assert [item["id"] for item in read_manifest(path)] == ["item-0", "item-1", "item-2"]


@pytest.mark.parametrize("content", [None, "", "[]", '{"features": []}'])
def test_what_is_not_a_manifest_is_one_line(tmp_path, content):
    path = tmp_path / "a.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match="is not a manifest of scenes"):
        read_manifest(path)
