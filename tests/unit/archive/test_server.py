"""The API against brute-force answers, through pystac-client and HTTP, and the file server through GDAL."""

import json
import random
import re
import threading
import time
import warnings
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import numpy as np
import pytest
import requests
from pystac_client import Client
from pystac_client.warnings import PystacClientWarning
from shapely import box
from shapely.geometry import mapping, shape

from anyband.archive.http_server import ArchiveServer, parse_range, text_answer
from anyband.archive.item_properties import utm_zone
from anyband.archive.stac_api import STAC, ItemIndex
from make_items import make_item, square, write_items

ROOT = STAC.root
START = datetime(2022, 1, 1, 10, 0, tzinfo=UTC)
PRODUCTS = ("sentinel2", "landsat", "hls_s30", "label")


def synthetic_items(number=80, seed=3):
    """Items all over two zones and a year."""
    dice = random.Random(seed)
    items = []
    for count in range(number):
        longitude, latitude = dice.uniform(6.5, 17.5), dice.uniform(41, 49)
        product = PRODUCTS[count % len(PRODUCTS)]
        zone = 32600 + utm_zone(longitude, latitude)
        item = make_item(
            product,
            site=f"s{count}",
            datetime=START + timedelta(days=dice.randrange(360), seconds=count),
            footprint=square(longitude, latitude, dice.uniform(0.05, 0.8)),
            epsg=4326 if product == "label" else zone,
        )
        items.append(item)
    return items


@pytest.fixture(scope="module")
def items():
    return synthetic_items()


@pytest.fixture(scope="module")
def root(tmp_path_factory, items):
    folder = tmp_path_factory.mktemp("archive")
    for count, item in enumerate(items):
        write_items(folder, f"site{count % 7}", [item])
    half_written = make_item("sentinel2", site="unfinished")
    write_items(folder, ".site9.123.partial", [half_written])
    (folder / "site0/items/landsat-c2-l2/._copy.json").write_bytes(b"\0\5not an item")
    for name in ("files", ".site9.123.partial/files"):
        path = folder / ("site0" if name == "files" else "") / name / "a b/c.tif"
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(range(256)) * 40)
    return folder


@pytest.fixture(scope="module")
def server(root):
    with ArchiveServer(root) as running:
        yield running


@pytest.fixture
def proxy(server, monkeypatch):
    """The environment that the wrapped command of the serve step gets."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def client(proxy):
    """A client that takes every warning about conformance for an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", PystacClientWarning)
        yield Client.open(ROOT)


def found(client, **query):
    """Ids by POST and by GET, which must agree in order too; numberMatched must be their number."""
    answers = []
    for method in ("POST", "GET"):
        search = client.search(method=method, **query)
        ids = [item["id"] for item in search.items_as_dicts()]
        assert search.matched() == len(ids)
        answers.append(ids)
    assert answers[0] == answers[1]
    assert len(set(answers[0])) == len(answers[0])
    return answers[0]


def expected(items, keep):
    return {item["id"] for item in items if keep(item)}


def overlaps(item, west, south, east, north):
    """Footprints are upright rectangles, so this needs no geometry library."""
    left, bottom, right, top = item["bbox"]
    return left <= east and right >= west and bottom <= north and top >= south


def test_everything_is_found_once_over_many_pages(client, items):
    assert set(found(client, limit=17)) == expected(items, lambda item: True)


@pytest.mark.parametrize("seed", range(3))
def test_bbox(client, items, seed):
    dice = random.Random(seed)
    west, south = dice.uniform(6, 17), dice.uniform(40, 49)
    bounds = west, south, west + dice.uniform(0.01, 4), south + dice.uniform(0.01, 4)
    assert set(found(client, bbox=bounds)) == expected(items, lambda item: overlaps(item, *bounds))


def test_bbox_across_the_antimeridian_is_not_the_rest_of_the_world(client, items):
    assert found(client, bbox=[170, 40, -170, 50]) == []
    everywhere = expected(items, lambda item: item["bbox"][2] >= 12)
    assert set(found(client, bbox=[12, 40, -170, 60])) == everywhere


@pytest.mark.parametrize("seed", range(2))
def test_intersects(client, items, seed):
    dice = random.Random(seed)
    triangle = shape(
        {"type": "Polygon", "coordinates": [[(x := dice.uniform(7, 15), 42), (x + 2, 48), (x + 3, 43), (x, 42)]]}
    )
    wanted = expected(items, lambda item: shape(item["geometry"]).intersects(triangle))
    assert wanted
    assert set(found(client, intersects=mapping(triangle))) == wanted
    assert set(found(client, intersects={"type": "Point", "coordinates": [x + 2, 45]})) == expected(
        items, lambda item: overlaps(item, x + 2, 45, x + 2, 45)
    )


def interval(item):
    properties = item["properties"]
    ends = (
        (properties["datetime"],) * 2
        if properties["datetime"]
        else (properties["start_datetime"], properties["end_datetime"])
    )
    return tuple(datetime.fromisoformat(end) for end in ends)


@pytest.mark.parametrize(
    "text",
    ["2022-03-01T00:00:00Z/2022-05-01T00:00:00Z", "../2022-02-01T00:00:00Z", "2022-11-01T00:00:00Z/..", "INSTANT"],
)
def test_datetime(client, items, text):
    if text == "INSTANT":
        text = items[0]["properties"]["datetime"]
    begin, end = (text.split("/") * 2)[:2] if "/" not in text else text.split("/")
    low = datetime.min.replace(tzinfo=UTC) if begin == ".." else datetime.fromisoformat(begin)
    high = datetime.max.replace(tzinfo=UTC) if end == ".." else datetime.fromisoformat(end)
    wanted = expected(items, lambda item: interval(item)[0] <= high and interval(item)[1] >= low)
    assert wanted
    assert set(found(client, datetime=text)) == wanted


def test_collections_and_ids(client, items):
    wanted = expected(items, lambda item: item["collection"] in ("landsat-c2-l2", "esa-worldcover"))
    assert set(found(client, collections=["landsat-c2-l2", "esa-worldcover"])) == wanted
    some = [items[3]["id"], items[8]["id"], "no-such-item"]
    assert set(found(client, ids=some)) == set(some[:2])


def test_several_filters_at_once(client, items):
    bounds = (7, 41, 14, 48)
    query = {"bbox": bounds, "datetime": "2022-02-01T00:00:00Z/2022-10-01T00:00:00Z", "collections": ["sentinel-2-l2a"]}
    wanted = expected(
        items,
        lambda item: (
            item["collection"] == "sentinel-2-l2a"
            and overlaps(item, *bounds)
            and "2022-02-01" < item["properties"]["datetime"] < "2022-10-01"
        ),
    )
    assert wanted
    assert set(found(client, **query, limit=5)) == wanted


def test_next_link_of_a_post_holds_the_whole_body(proxy):
    body = {"collections": ["hls2-s30"], "limit": 10}
    page = requests.post(f"{ROOT}/search", json=body, timeout=5).json()
    link = next(link for link in page["links"] if link["rel"] == "next")
    assert link["method"] == "POST"
    assert link["body"] == body | {"token": link["body"]["token"]}
    assert page["numberMatched"] == 20
    assert page["numberReturned"] == 10


def test_equal_ids_of_two_sites_do_not_confuse_paging(items):
    """A token that named the last item of a page once led back to its double on an earlier page."""
    index, body, numbers = ItemIndex([items[0]] * 5), {"limit": 2}, []
    while body:
        page = STAC.answer(index, "POST", "search", "", json.dumps(body).encode())
        numbers.append(page["numberReturned"])
        body = next((link["body"] for link in page["links"] if link["rel"] == "next"), None)
    assert numbers == [2, 2, 1]


def test_links_lead_to_themselves_and_to_the_description_and_a_limit_is_cut(proxy):
    for path in ("", "/collections", "/collections/hls2-s30", "/collections/hls2-s30/items?limit=2", "/search?limit=2"):
        links = {link["rel"]: link for link in requests.get(ROOT + path, timeout=5).json()["links"]}
        assert links["self"]["href"] == ROOT + path
    described = {link["rel"]: link for link in requests.get(ROOT, timeout=5).json()["links"]}["service-desc"]
    description = requests.get(described["href"], timeout=5)
    assert "/collections" in description.json()["paths"]
    assert description.headers["Content-Type"] == described["type"]
    assert requests.get(f"{ROOT}/search?limit=1000000", timeout=5).json()["numberReturned"] == 80


def test_collections_and_single_items(client, items):
    names = [collection.id for collection in client.get_collections()]
    assert names == ["sentinel-2-l2a", "landsat-c2-l2", "hls2-s30", "hls2-l30", "esa-worldcover"]
    collection = client.get_collection("landsat-c2-l2")
    assert {item.id for item in collection.get_items()} == expected(
        items, lambda item: item["collection"] == collection.id
    )
    item = items[1]
    assert collection.get_item(item["id"]).id == item["id"]
    answer = requests.get(f"{ROOT}/collections/{collection.id}/items/{item['id']}", timeout=5)
    assert answer.json() == item, "raw items come back unchanged"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"cloud": 3}, "'cloud'"),
        ({"bbox": [1, 2, 3]}, "bbox"),
        ({"bbox": "1,2,3,x"}, "bbox"),
        ({"intersects": {"type": "Nonsense"}}, "intersects"),
        ({"intersects": mapping(box(0, 0, 1, 1)), "bbox": [0, 0, 1, 1]}, "exclude"),
        ({"datetime": "2022-05-01"}, "datetime"),
        ({"datetime": "../.."}, "datetime"),
        ({"datetime": "1985-04-12T23:20:50,52Z"}, "datetime"),
        ({"datetime": "2022-05-01T00:00:00Z/2021-05-01T00:00:00Z"}, "datetime"),
        ({"limit": 0}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"query": {"eo:cloud_cover": {"lt": 3}}}, "'query'"),
        ({"ids": "abc"}, "ids"),
        ({"token": "next:nothing"}, "token"),
        ([], "body"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(proxy, body, named):
    answer = requests.post(f"{ROOT}/search", json=body, timeout=5)
    assert answer.status_code == 400
    assert named in answer.text
    assert answer.text.count("\n") == 1


def test_broken_json_and_unknown_addresses(proxy):
    assert requests.post(f"{ROOT}/search", data="{", timeout=5).status_code == 400
    assert requests.get(f"{ROOT}/search?intersects=%7B", timeout=5).status_code == 400
    for address in ("/nothing", "/collections/none", "/collections/none/items", "/collections/hls2-s30/items/none"):
        answer = requests.get(ROOT + address, timeout=5)
        assert answer.status_code == 404
        assert answer.text.count("\n") == 1


FILE = "http://archive.anyband.test/files/site0/a%20b/c.tif"


@pytest.mark.parametrize(
    ("header", "status", "start", "stop"),
    [
        (None, 200, 0, 10_240),
        ("bytes=100-199", 206, 100, 200),
        ("bytes=10000-", 206, 10_000, 10_240),
        ("bytes=-100", 206, 10_140, 10_240),
        ("bytes=-99999", 206, 0, 10_240),
        ("bytes=10240-", 416, 0, 0),
        ("bytes=-0", 416, 0, 0),
        ("bytes=5-2", 200, 0, 10_240),  # nonsense is ignored, RFC 9110
        ("bytes=0-1,5-6", 200, 0, 10_240),
        ("lines=0-1", 200, 0, 10_240),
    ],
)
def test_byte_ranges(proxy, header, status, start, stop):
    content = (bytes(range(256)) * 40)[start:stop]
    for method in ("GET", "HEAD"):
        answer = requests.request(method, FILE, headers={"Range": header} if header else {}, timeout=5)
        assert answer.status_code == status
        assert answer.content == (content if method == "GET" else b"")
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert int(answer.headers["Content-Length"]) == len(content)
        if status == 206:
            assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/10240"
        if status == 416:
            assert answer.headers["Content-Range"] == "bytes */10240"


def test_range_header_of_an_empty_file():
    assert parse_range("bytes=0-", 0) == (0, 0)


@pytest.mark.parametrize(
    "path",
    [
        "site0/missing.tif",
        "site0",
        "",
        "nosite/a.tif",
        "site0/../../etc/passwd",
        "site0/%2e%2e/items",
        ".site9.123.partial/a b/c.tif",
    ],
)
def test_missing_and_forbidden_files_are_404_with_one_line(server, path):
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
    connection.request("GET", f"/files/{path.replace(' ', '%20')}")
    answer = connection.getresponse()
    assert answer.status == 404
    assert answer.read().decode().count("\n") == 1


def test_unfinished_sites_are_not_in_the_catalogue(client):
    assert not [name for name in found(client) if "unfinished" in name]


def test_other_hosts_are_refused(proxy):
    answer = requests.get("http://example.test/stac", timeout=5)
    assert answer.status_code == 502
    assert re.fullmatch(r"[^\n]*archive\.anyband\.test[^\n]*example\.test\n", answer.text)


def test_gdal_reads_a_window_through_the_proxy(root, proxy):
    import rasterio
    from rasterio.windows import Window

    from anyband.raster.access import gdal_env

    values = np.arange(1024 * 1024, dtype=np.uint32).reshape(1024, 1024).astype(np.uint16)
    grid = {"crs": "EPSG:32632", "transform": rasterio.Affine(10, 0, 600_000, 0, -10, 5_100_000)}
    profile = {"driver": "GTiff", "height": 1024, "width": 1024, "count": 1, "dtype": "uint16", "tiled": True, **grid}
    path = root / "site1/files/big.tif"
    path.parent.mkdir(parents=True)
    with rasterio.open(path, "w", **profile, blockxsize=256, blockysize=256) as target:
        target.write(values, 1)
    url = "http://archive.anyband.test/files/site1/big.tif"
    with rasterio.Env(**gdal_env()), rasterio.open(url) as source:
        window = source.read(1, window=Window(300, 700, 20, 30))
    assert (window == values[700:730, 300:320]).all()


def test_two_servers_side_by_side(root, tmp_path):
    write_items(tmp_path, "other", [make_item("landsat")])
    with ArchiveServer(root) as first, ArchiveServer(tmp_path) as second:
        assert first.server_port != second.server_port
        for server, number in ((first, 80), (second, 1)):
            answer = requests.get(f"{ROOT}/search", proxies={"http": server.proxy_url}, timeout=5)
            assert answer.json()["numberMatched"] == number


def test_closing_ends_the_thread_that_serves(tmp_path):
    """A loop over a closed socket spins, and slows down everything else in the process."""
    before = threading.active_count()
    with ArchiveServer(tmp_path):
        assert threading.active_count() > before
    time.sleep(0.1)
    assert threading.active_count() <= before


def test_a_hook_sees_every_request_and_may_answer_in_its_place(root):
    seen = []

    def hook(request, respond):
        seen.append((request.method, request.path))
        return respond(request) if request.path != "stac/conformance" else text_answer(HTTPStatus.IM_A_TEAPOT, "tea")

    with ArchiveServer(root, hook=hook) as server:
        proxies = {"http": server.proxy_url}
        assert requests.get(f"{ROOT}/conformance", proxies=proxies, timeout=5).text == "tea\n"
        assert requests.get(ROOT, proxies=proxies, timeout=5).json()["type"] == "Catalog"
    assert seen == [("GET", "stac/conformance"), ("GET", "stac")]
