"""Search against APIs of many kinds, some of which misbehave, and manifests that stay put."""

import json
import ssl
import subprocess
import threading
from contextlib import contextmanager
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import certifi
import pytest
import rasterio
import requests
from hypothesis import given
from hypothesis import strategies as st

from anyband.catalog import api as catalogue_api
from anyband.catalog import pages
from anyband.catalog.api import Catalogue
from anyband.catalog.manifests import read_manifest, site_query, write_manifest
from anyband.catalog.sites import Site
from anyband.providers import Key
from anyband.raster.access import gdal_env, read_raster
from anyband.raster.credentials import CERTIFICATES
from anyband.runtime import UserError
from anyband.testing.provider_apis import APIS
from archive_run import serving
from make_items import LATITUDE, LONGITUDE, make_item, square, write_items

CORE = ["https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/item-search"]
CUT = '{"features": ['  # an answer that ends too early
SITE = Site("aspen", LONGITUDE, LATITUDE, 3840)
QUERY = site_query(SITE, "landsat-c2-l2", (date(2022, 5, 1), date(2022, 5, 31)))


@pytest.fixture(autouse=True)
def no_waits(monkeypatch):
    """Waits are counted, not waited for."""
    waits = []
    monkeypatch.setattr("urllib3.util.retry.Retry.get_backoff_time", lambda self: 0)
    monkeypatch.setattr("time.sleep", waits.append)
    return waits


class Api:
    """A STAC API that gives each search the next answer, the last one for ever.

    An answer is a status, a text, the items of a last page, or items with the next link: `{}` for a plain one by POST.
    """

    def __init__(self, answers, conforms_to=CORE, landing=None, methods=("GET", "POST")):
        self.answers, self.asked, self.headers = answers, [], {}
        self.landing, self.conforms_to, self.methods = landing, conforms_to, methods
        self.moved, self.requests, self.handshakes = {}, [], 0

    def sent(self, key):
        """What each request had in the place of a key."""
        return [
            dict(parse_qsl(urlsplit(path).query)).get(key.name) if key.query else headers.get(key.name)
            for path, headers in self.requests
        ]

    def page(self, asked):
        self.asked.append(asked)
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if isinstance(answer, int):
            return answer, {"code": "failed", "description": "try again"}
        if isinstance(answer, str):
            return 200, answer
        features, link = answer if isinstance(answer, tuple) else (answer, None)
        post = {"method": "POST", "body": {"token": len(self.asked)}}
        links = [] if link is None else [{"rel": "next", "href": f"{self.url}/search", **(link or post)}]
        return 200, {"type": "FeatureCollection", "features": features, "links": links}

    def answer(self, path, asked):
        if path.startswith("/search"):
            return self.page(asked)
        links = [{"rel": "search", "href": f"{self.url}/search", "method": m} for m in self.methods]
        links.append({"rel": "data", "href": "/collections"})
        if path.startswith("/collections"):
            again = [{"rel": "next", "href": "/collections?page=2"}] if "?" not in path else []
            return 200, {"collections": [{"id": f"c{len(again)}"}], "links": again}
        head = {"type": "Catalog", "id": "fake", "description": "fake", "stac_version": "1.0.0"}
        return 200, self.landing or head | {"links": links, "conformsTo": self.conforms_to}


@contextmanager
def api(answers, certificate=None, **settings):
    fake = Api(answers, **settings)

    class Handler(BaseHTTPRequestHandler):
        def send(self, status, document):
            fake.requests.append((self.path, dict(self.headers)))
            status, goal = fake.moved.get(urlsplit(self.path).path, (status, None))
            content = (document if isinstance(document, str) else json.dumps(document)).encode()
            missing = 50 if document == CUT else 0
            self.send_response(status)
            for name, value in fake.headers.items() if status != 200 else ():
                self.send_header(name, value)
            if goal:
                self.send_header("Location", goal)
            self.send_header("Content-Length", str(len(content) + missing))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self):
            self.send(*fake.answer(self.path, dict(parse_qsl(urlsplit(self.path).query))))

        def do_POST(self):
            self.send(*fake.answer(self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake.url = f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}"
        if certificate:
            server.socket = certificate.wrap_socket(server.socket, server_side=True)
            certificate.sni_callback = lambda *_: setattr(fake, "handshakes", fake.handshakes + 1)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield fake
        server.shutdown()


def items(number, **changes):
    return [make_item("landsat", **changes) | {"id": f"item-{n}"} for n in range(number)]


def find(fake, query=QUERY, page=100):
    return Catalogue(fake.url).search(query, page)


def test_items_of_all_pages_come_once_sorted_and_unchanged():
    """Items that come twice over two pages, and in another order each time, must give one and the same manifest."""
    found = items(3)
    with api([([found[2], found[0]], {}), [found[0], found[1]]]) as fake:
        assert find(fake) == found
    assert fake.asked[0] == {
        "collections": ["landsat-c2-l2"],
        "bbox": QUERY["bbox"],
        "datetime": "2022-05-01T00:00:00Z/2022-05-31T23:59:59Z",
        "limit": 100,
    }


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_later_version_of_an_item_that_changes_between_pages_stays(order):
    versions = items(1) + items(1)
    for version, day in zip(versions, ("2022-06-01", "2022-06-02"), strict=True):
        version["properties"] = version["properties"] | {"updated": f"{day}T00:00:00Z"}
    with api([([versions[order[0]]], {}), [versions[order[1]]]]) as fake:
        assert find(fake) == [versions[1]]


def test_signatures_do_not_reach_a_manifest():
    item = make_item("landsat")
    plain = {key: asset["href"] for key, asset in item["assets"].items()}
    for asset in item["assets"].values():
        asset["href"] += "?st=2022&se=2023&sig=SECRET"
    item["assets"]["red"]["alternate"] = {"s3": {"href": "https://b.s3.amazonaws.com/a.tif?X-Amz-Signature=SECRET"}}
    item["assets"]["tilejson"]["href"] = "https://a.test/tilejson.json?collection=landsat-c2-l2&item=a"
    with api([[item]]) as fake:
        (found,) = find(fake)
    assert "SECRET" not in json.dumps(found)
    assert found["assets"]["blue"]["href"] == plain["blue"]
    assert found["assets"]["tilejson"]["href"].endswith("?collection=landsat-c2-l2&item=a")


def test_the_wait_that_a_server_asks_for_is_kept(no_waits):
    with api([429, items(1)]) as fake:
        fake.headers["Retry-After"] = "7"
        find(fake)
        assert no_waits == [7]
        fake.answers, fake.headers["Retry-After"] = [429, items(1)], "86400"
        fake.asked.clear()
        find(fake)
    assert no_waits == [7, pages.LONGEST_WAIT_S]


def test_a_failed_page_is_asked_for_again_and_earlier_ones_are_not(no_waits):
    found = items(3)
    failures = [503] * (pages.RETRIES + 1) * 2
    with api([([found[0]], {}), *failures, ([found[1]], {}), "<html>busy</html>", [found[2]]]) as fake:
        assert find(fake) == found
    first, *second, third, again = [asked.get("token") for asked in fake.asked]
    assert first is None
    assert second == [1] * (len(failures) + 1)
    assert third == again == len(failures) + 2
    assert no_waits == [pages.PAUSE_S, 2 * pages.PAUSE_S, pages.PAUSE_S]


@pytest.mark.parametrize("status", [413, 500, 502])
def test_a_page_that_is_too_large_is_halved_and_the_search_goes_on(status):
    """Earth Search answers so when a page exceeds 6 MB; the link to the next page then has the smaller limit too."""
    found = items(2)
    tries = 1 if status == 413 else pages.RETRIES + 1
    with api([([found[0]], {}), *[status] * tries, [found[1]]]) as fake:
        fake.answers[0] = ([found[0]], {"method": "POST", "body": {"next": "a", "limit": 50}})
        assert find(fake, page=50) == found
    assert [asked["limit"] for asked in fake.asked] == [50] * (tries + 1) + [25]
    assert fake.asked[-1]["next"] == "a"


def test_an_answer_that_is_cut_off_is_asked_for_again():
    found = items(2)
    with api([([found[0]], {}), CUT, [found[1]]]) as fake:
        assert find(fake) == found
    assert [asked.get("token") for asked in fake.asked] == [None, 1, 1]


@pytest.mark.parametrize("name", APIS)
def test_the_paging_of_every_provider(name, tmp_path, monkeypatch):
    """By POST with a token, by POST with `next`, and by GET with a cursor, three pages each."""
    for day in range(1, 6):
        write_items(tmp_path, "aspen", [make_item("hls_l30", datetime=datetime(2022, 5, day, 10, tzinfo=UTC))])
    with serving(tmp_path) as server:
        for key, value in server.environment.items():
            monkeypatch.setenv(key, value)
        catalogue = Catalogue(APIS[name].root)
        collection = APIS[name].collections["hls_l30"]
        assert collection in catalogue.collections()
        query = site_query(SITE, collection, (date(2022, 5, 2), date(2022, 5, 31)))
        found = [catalogue.search(query, page) for page in (100, 2, 1)]
    assert len(found[0]) == 4
    assert found[0] == found[1] == found[2]


def test_next_links_by_get_by_post_and_merged():
    found = items(4)
    with api([]) as fake:
        merged = {"method": "POST", "merge": True, "body": {"page": 2}}
        fake.answers = [([found[0]], merged), ([found[1]], {}), ([found[2]], {"href": "/search?cursor=x"}), [found[3]]]
        assert find(fake) == found
    assert fake.asked[1] == fake.asked[0] | {"page": 2}
    assert fake.asked[2] == {"token": 2}
    assert fake.asked[3] == {"cursor": "x"}


def test_an_api_without_post_is_searched_by_get():
    with api([500, 500, 500, 500, items(2)], methods=["GET"]) as fake:
        assert len(find(fake)) == 2
    west, south, east, north = QUERY["bbox"]
    assert fake.asked[-1] == {
        "collections": "landsat-c2-l2",
        "bbox": f"{west},{south},{east},{north}",
        "datetime": QUERY["datetime"],
        "limit": "50",
    }


def test_an_empty_page_does_not_end_a_search_and_two_do():
    found = items(2)
    with api([([found[0]], {}), ([], {}), ([found[1]], {}), ([], {}), ([], {}), 400]) as fake:
        assert find(fake) == found


def test_pages_that_go_round_in_a_circle_are_found_out():
    link = {"method": "POST", "body": {"token": "same"}}
    with api([(items(1), link)]) as fake, pytest.raises(UserError, match=r"^catalogue [^\n]* circle[^\n]*$"):
        find(fake)


@pytest.mark.parametrize(("status", "asked"), [(503, (pages.RETRIES + 1) * pages.ATTEMPTS), (400, 1)])
def test_an_api_that_keeps_failing_is_one_line_and_what_is_refused_is_not_tried_again(status, asked):
    with api([status]) as fake:
        line = f"^catalogue {fake.url}: POST {fake.url}/search answers {status}: [^\n]*try[^\n]*$"
        with pytest.raises(UserError, match=line):
            find(fake)
    assert len(fake.asked) == asked


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/stac", "http://archive.anyband.test/stac"])
def test_nothing_at_the_address_is_one_line_without_the_key(address, monkeypatch):
    """The second one is that of the embedded archive, whose server does not run."""
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.setenv("STAC_KEY", "top-s3cret")
    with pytest.raises(UserError, match=f"^catalogue {address}: GET {address} fails: [^\n]*$") as error:
        Catalogue(address, Key("STAC_KEY", "api_key", query=True))
    assert "s3cret" not in str(error.value)


def test_every_request_has_a_time_limit(monkeypatch):
    limits = []
    send = requests.Session.send

    def spy(self, request, **settings):
        limits.append(settings["timeout"])
        return send(self, request, **settings)

    monkeypatch.setattr("requests.Session.send", spy)
    with api([items(1)]) as fake:
        find(fake)
    assert limits == [pages.TIMEOUT_S] * 2


KEYS = [
    (Key("STAC_KEY", "Authorization", "Bearer "), "Bearer top-s3cret"),
    (Key("STAC_KEY", "X-API-Key"), "top-s3cret"),
    (Key("STAC_KEY", "api_key", query=True), "top-s3cret"),
]


@pytest.mark.parametrize(("key", "sent"), KEYS)
def test_a_key_goes_to_its_own_api_alone_and_into_no_manifest(key, sent, monkeypatch):
    """Not to the hosts that a redirection and a link lead to; what the server repeats of it is not kept."""
    monkeypatch.setenv("STAC_KEY", " top-s3cret\n")
    found = items(3)
    found[0]["links"] = [{"rel": "self", "href": "http://127.0.0.1/items/a?api_key=top-s3cret"}]
    found[0]["properties"]["note"] = "asked with top-s3cret"
    with api([]) as home, api([([found[1]], {}), ([], {}), ([], {})]) as other:
        home.answers = [([found[0]], {"href": f"{other.url}/search", "method": "GET"})]
        home.moved = {"/collections": (307, f"{other.url}/collections?page=2")}
        catalogue = Catalogue(home.url, key)
        catalogue.collections()
        (first, second) = catalogue.search(QUERY, 100)
    assert home.sent(key) == [sent] * 3
    assert other.sent(key) == [None] * len(other.requests)
    assert len(other.requests) >= 3
    assert "s3cret" not in json.dumps([first, second])


def test_a_key_that_is_missing_or_wrong_is_one_line(monkeypatch):
    monkeypatch.setenv("STAC_KEY", "top-s3cret")
    key = Key("STAC_KEY", "api_key", query=True)
    with api([401, 403]) as fake:
        for known, advice in ((None, "docs/data.md, Access.*netrc"), (key, "the key in STAC_KEY is not accepted$")):
            with pytest.raises(UserError, match=f"answers 40[13]: .*{advice}") as error:
                Catalogue(fake.url, known).search(QUERY, 100)
            assert "s3cret" not in str(error.value)
        assert len(fake.asked) == 2
        monkeypatch.delenv("STAC_KEY")
        with pytest.raises(UserError, match=f"^catalogue {fake.url}: the environment variable STAC_KEY is not set"):
            Catalogue(fake.url, key)


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirection_that_loses_the_search_is_named(status):
    with api([items(1)]) as fake:
        fake.moved = {"/search": (status, "/other/search")}
        line = (
            f"^catalogue {fake.url}: redirects POST {fake.url}/search to {fake.url}/other/search with status {status}, "
        )
        with pytest.raises(UserError, match=line):
            find(fake)


def test_a_redirection_that_keeps_the_search_is_followed():
    with api([items(1)]) as fake:
        fake.moved = {"/search": (308, "/search/")}
        assert len(find(fake)) == 1


@pytest.mark.parametrize("goal", ["http://stac.internal.invalid:8080", "{url}/nowhere"])
def test_links_that_lead_elsewhere_are_named_with_their_whole_address(goal):
    with api([items(1)]) as fake:
        goal = goal.format(url=fake.url)
        fake.landing = {"conformsTo": CORE, "links": [{"rel": "search", "href": f"{goal}/search", "method": "POST"}]}
        fake.moved = {"/nowhere/search": (404, "/")}
        with pytest.raises(
            UserError, match=f"^catalogue {fake.url}/v1: POST {goal}/search (fails|answers 404).*a link of"
        ):
            Catalogue(f"{fake.url}/v1").search(QUERY, 100)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"type": "Catalog", "links": [{"rel": "child", "href": "a.json"}]}, "is a static catalogue: serve it"),
        ({"type": "FeatureCollection", "features": []}, "is a list of items of an API, not its landing page"),
        ({"collections": [], "links": []}, "is a list of collections of an API, not its landing page"),
        ({"type": "Collection", "links": []}, "is a collection of an API, not its landing page"),
        ({"type": "Feature", "links": []}, "is an item of an API, not its landing page"),
        ({"conformsTo": CORE}, "does not conform"),
        ({"conformsTo": 5, "links": 5}, "does not conform"),
        ({"conformsTo": [], "links": []}, "does not conform"),
        ("<html>Please log in</html>", "GET .*login page"),
    ],
)
def test_another_page_than_the_landing_page_says_what_is_needed(document, said):
    """Of an API that promises nothing pystac-client only warns; servers then ignore the filters."""
    with api([], landing=document) as fake, pytest.raises(UserError, match=f"^catalogue {fake.url}: {said}"):
        Catalogue(fake.url)


def test_the_address_of_the_search_says_what_is_needed():
    with api([400]) as fake, pytest.raises(UserError, match="answers 400: .* landing page, without /collections or"):
        Catalogue(f"{fake.url}/search")


def test_a_certificate_that_is_not_trusted_is_tried_once_and_one_variable_mends_it(tmp_path, monkeypatch, no_waits):
    for name in CERTIFICATES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GDAL_CURL_CA_BUNDLE", certifi.where())  # as rasterio does
    with api([items(1)], certificate=self_signed(tmp_path)) as fake:
        with pytest.raises(UserError, match="certificate is not trusted: set REQUESTS_CA_BUNDLE to a file of all"):
            find(fake)
        assert no_waits == []
        assert fake.handshakes == 1
        with (
            rasterio.Env(**gdal_env()),
            pytest.raises(UserError, match="certificate is not trusted: set REQUESTS_CA_BUNDLE"),
        ):
            read_raster(f"{fake.url}/x.tif", lambda source: source.count, "item X")
        assert no_waits == []
        for name in CERTIFICATES:
            with monkeypatch.context() as environment:
                environment.setenv(name, str(tmp_path / "own.pem"))
                assert len(find(fake)) == 1
                with rasterio.Env(**gdal_env()), pytest.raises(UserError, match="response code: 501"):
                    read_raster(f"{fake.url}/x.tif", lambda source: source.count, "item X")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nothing.pem"))
        for action in (lambda: find(fake), gdal_env):
            with pytest.raises(UserError, match="^REQUESTS_CA_BUNDLE names .*, which does not exist"):
                action()


def self_signed(folder):
    """A context with a certificate of 127.0.0.1 that is its own authority, `own.pem`."""
    command = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=anyband -addext subjectAltName=IP:127.0.0.1"
    files = ["-keyout", str(folder / "own.key"), "-out", str(folder / "own.pem")]
    subprocess.run(["openssl", *command.split(), *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "own.pem", folder / "own.key")
    return context


@pytest.mark.parametrize("release", ["1.0.0-rc.2", "1.0.0", "1.1.0"])
def test_any_release_of_item_search_will_do(release):
    """LP DAAC names a release candidate; pystac-client would refuse 1.1."""
    with api([items(1)], conforms_to=[f"https://api.stacspec.org/v{release}/item-search"]) as fake:
        assert len(find(fake)) == 1


def test_collections_of_all_pages():
    with api([]) as fake:
        assert Catalogue(fake.url).collections() == ["c1", "c0"]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"footprint": square(LONGITUDE + 1, LATITUDE)}, "bbox"),
        ({"footprint": square(LONGITUDE, LATITUDE - 1)}, "bbox"),
        ({"datetime": datetime(2022, 7, 1, 10, tzinfo=UTC)}, "datetime"),
        ({"product": "hls_l30"}, "collections"),
    ],
)
def test_items_that_were_not_asked_for_are_found_out(changes, name):
    item = make_item(**{"product": "landsat"} | changes)
    outside = pytest.raises(UserError, match=f"{item['id']}, which is outside the {name} asked for")
    with api([[item]]) as fake, outside:
        find(fake)


@pytest.mark.parametrize("entry", [{}, {"collection": "landsat-c2-l2"}, "item"])
def test_what_is_no_item_is_one_line(entry):
    with api([[entry]]) as fake, pytest.raises(UserError, match=r"^catalogue [^\n]* no STAC item [^\n]*$"):
        find(fake)


def test_an_item_that_lasts_into_the_interval_belongs_to_it():
    """LP DAAC compares the whole duration of a granule with the dates, not its start."""
    item = make_item("landsat")
    item["properties"] |= {"datetime": "2022-04-30T23:59:50Z", "start_datetime": "2022-04-30T23:59:50Z"}
    item["properties"] |= {"end_datetime": "2022-05-01T00:00:14Z"}
    with api([[item]]) as fake:
        assert len(find(fake)) == 1


def test_a_site_across_the_antimeridian_is_asked_for_in_two_boxes():
    """LP DAAC refuses a box whose west is east of its east; an item that meets both parts is no duplicate."""
    site = Site("date-line", 179.99, -17.0, 3840)
    query = site_query(site, "landsat-c2-l2", None)
    there = make_item("landsat", footprint=square(180.0, -17.0))
    with api([[there]]) as fake:
        assert find(fake, query) == [there]
    west, south, east, north = query["bbox"]
    assert [asked["bbox"] for asked in fake.asked] == [[west, south, 180.0, north], [-180.0, south, east, north]]


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
        assert catalogue_api._meets_bbox({"bbox": [west, -18, east, -16]}, query)
    for west, east in ((178.0, 179.5), (-179.5, -178.0), (0, 1)):
        assert not catalogue_api._meets_bbox({"bbox": [west, -18, east, -16]}, query)
    assert catalogue_api._meets_bbox({"bbox": [179.5, -18, 0, 180.5, -16, 900]}, query)


def test_a_manifest_changes_only_with_its_items(tmp_path, monkeypatch):
    path = tmp_path / "scenes/landsat.json"
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
