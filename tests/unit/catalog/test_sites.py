"""Sites from files and from the draw."""

import json
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyband.catalog.sites import LAND, LEAST_DISTANCE_M, Site, draw_sites, load_sites
from anyband.ground import distance_m
from anyband.runtime import UserError

BLOCK_M = 20_000
DRAWN = {
    "n2750e07313": (73.1269, 27.5023),
    "n0328e04574": (45.7368, 3.2785),
    "s1366e04980": (49.8021, -13.6649),
}


def load(path, text, extent_m=3840):
    path.write_text(text, encoding="utf-8")
    return load_sites(str(path), Path("/nowhere"), "main", extent_m)


def block(position):
    """Cell of the UTM grid that holds a position, as the split of chips names it."""
    from pyproj import Transformer

    epsg = Site("a", *position, 3840).utm_epsg
    x, y = Transformer.from_crs(4326, epsg, always_xy=True).transform(*position)
    return epsg, x // BLOCK_M, y // BLOCK_M


def test_a_table_in_its_order_with_comments_and_more_columns(tmp_path):
    text = "# places\n\nregion,site,latitude,longitude\nalps,inn-1,47.1, 11.5\n# and\npampas,Azul_2,-36.8,-59.9\n"
    assert list(load(tmp_path / "a.csv", text).items()) == [("inn-1", (11.5, 47.1)), ("Azul_2", (-59.9, -36.8))]


def test_a_path_below_the_root_and_a_byte_order_mark(tmp_path):
    (tmp_path / "a.csv").write_text("site,longitude,latitude\nb,1,2\n", encoding="utf-8-sig")
    assert load_sites("a.csv", tmp_path, "main") == {"b": (1.0, 2.0)}


HEAD = "site,longitude,latitude\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (HEAD + "007,11.5,47.1\nNone,-59.9,-36.8\n", "utf-16"),
        (HEAD + "007,11.5,47.1\nNone,-59.9,-36.8\n", "utf-8-sig"),
        ("site;longitude;latitude;note, free\n007;11,5;47,1;\nNone;-59,9;-36,8;dry, flat\n", "utf-8"),
        ("site\tlongitude\tlatitude\n007\t+11.5\t4.71e1\nNone\t-59.9\t-36.8\n", "utf-8"),
        (HEAD.replace("\n", "\r\n") + "\r\n,,\r\n007,11.5,47.1\r\n\r\nNone,-59.9,-36.8", "utf-8"),
        ('"site","longitude","latitude"\n"007","11.5","47.1"\n"None","-59.9","-36.8"\n', "utf-8"),
    ],
    ids=["utf-16", "byte-order-mark", "semicolons", "tabs", "windows", "quotes"],
)
def test_a_table_as_spreadsheets_save_it(tmp_path, text, encoding):
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    assert load_sites("a.csv", tmp_path, "main") == {"007": (11.5, 47.1), "None": (-59.9, -36.8)}


@pytest.mark.parametrize("turn", [0, 0.5, -0.5])
def test_a_polygon_across_the_antimeridian_is_not_the_rest_of_the_world(tmp_path, turn):
    ring = [(179, 0), (-179, 0), (-179, 1), (179, 1), (179, 0)]
    ring = [[(x + turn + 180) % 360 - 180, y] for x, y in ring]
    found = load(tmp_path / "a.geojson", collection(feature({"type": "Polygon", "coordinates": [ring]}, site="a")))
    assert abs(abs(found["a"][0]) - 180) <= 1 and found["a"][1] == 0.5


def test_sites_are_compared_across_the_antimeridian(tmp_path):
    with pytest.raises(UserError, match="2224 m apart"):
        load(tmp_path / "a.csv", HEAD + "a,179.99,1\nb,-179.99,1\n")


def test_a_missing_file_and_a_file_that_is_no_text_are_one_line(tmp_path):
    with pytest.raises(UserError, match=r"^datasets.main.sites: no.csv does not exist: name a CSV or a GeoJSON file$"):
        load_sites("no.csv", tmp_path, "main")
    with pytest.raises(UserError, match=r"^datasets.main.sites: [^\n]* cannot be read [^\n]*$"):
        load_sites(".", tmp_path, "main")
    for content in (b"site,longitude,latitude\n\xfc,1,2\n", HEAD.encode("utf-16-le"), b"\xff\xfea"):
        (tmp_path / "a.csv").write_bytes(content)
        with pytest.raises(UserError, match=r"a.csv: is not UTF-8 text: save it as CSV or GeoJSON in UTF-8$"):
            load_sites("a.csv", tmp_path, "main")


def collection(*features, **more):
    return json.dumps({"type": "FeatureCollection", "features": list(features), **more})


def feature(geometry, **properties):
    return {"type": "Feature", "geometry": geometry, "properties": properties}


POINT = {"type": "Point", "coordinates": [11.5, 47.1, 600]}
CRESCENT = [[0, 0], [4, 0], [4, 4], [0, 4], [0, 3], [3, 3], [3, 1], [0, 1], [0, 0]]


def test_points_and_polygons_by_their_names(tmp_path):
    import shapely

    polygon = {"type": "Polygon", "coordinates": [CRESCENT]}
    features = [feature(POINT, site="inn", name="other"), feature(polygon, name="moon"), feature(POINT) | {"id": 7}]
    features[2]["geometry"] = {"type": "Point", "coordinates": [20, 20]}
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
    found = load(tmp_path / "a.geojson", collection(*features, crs=crs))
    assert list(found) == ["inn", "moon", "7"]
    assert found["inn"] == (11.5, 47.1)
    assert shapely.Polygon(CRESCENT).contains(shapely.Point(found["moon"]))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "a.csv: has no sites"),
        (HEAD, "a.csv: has no sites"),
        ("# note\nsite;longitude\n", "a.csv, line 2: column site is missing: write .*, not site;longitude"),
        ("site,longitude,latitude,site\n", "a.csv, line 1: column site comes twice"),
        ("site,lon,lat\na,1,2\n", "a.csv, line 1: column longitude is missing: write .*, not site,lon,lat"),
        (HEAD + "a,1\n", "a.csv, line 2: has 2 cells for 3 columns"),
        (HEAD + "a,1,2\n#\nb,x,2\n", "a.csv, line 4: longitude is 'x': write a number"),
        (HEAD + "a,1,\n", "a.csv, line 2: latitude is '': write a number"),
        (HEAD + "a,1,nan\n", "a.csv, line 2: latitude is 'nan': write a number"),
        (HEAD + "a,1_0,2\n", "a.csv, line 2: longitude is '1_0': write a number"),
        (HEAD + 'a,"11,5",2\n', "a.csv, line 2: longitude is '11,5': write a number"),
        (HEAD + "a,11,5,47,1\n", "a.csv, line 2: has 5 cells for 3 columns: .* decimals with a point"),
        (HEAD + "a,11\u00b030',47\n", "a.csv, line 2: longitude is .11\u00b030.*: write a number"),
        (HEAD + "a,-59.9,-136.8\n", "a.csv, line 2: latitude is -136.8: .*swapped"),
        (HEAD + "a b,1,2\n", "a.csv, line 2: site 'a b' is no file name"),
        (HEAD + "a" * 101 + ",1,2\n", "a.csv, line 2: site 'a+' is no file name"),
        (HEAD + "a,1,-60.1\n", "a.csv, line 2: latitude is -60.1: write degrees from -60 to 84"),
        (HEAD + "a,181,2\n", "a.csv, line 2: longitude is 181: write degrees from -180 to 180"),
        (HEAD + "a,1,2\nA,3,4\n", "a.csv, line 3: site 'A' comes twice"),
        (HEAD + "a/b,1,2\n", "a.csv, line 2: site 'a/b' is no file name"),
        (HEAD + ",1,2\n", "a.csv, line 2: site '' is no file name"),
        (HEAD + "a.dropped,1,2\n", "a.csv, line 2: site 'a.dropped' is no file name"),
        (HEAD + "a,1,2\nb,9,9\nc,1.03,2\n", "a.csv: sites 'a' and 'c' are 33.. m apart, nearer than extent_m 3840"),
        ("{", "a.geojson: is not JSON"),
        ("[]", "a.geojson: is not a GeoJSON FeatureCollection"),
        (collection(), "a.geojson: has no sites"),
        (collection(feature(POINT)), "a.geojson, feature 1: has no name"),
        (collection(feature(POINT, site="a"), feature(None, site="b")), "a.geojson, feature 2: has no place"),
        (collection(feature({"type": "LineString"}, site="a")), "a.geojson, feature 1: has no place"),
        (collection(feature({"type": "Polygon", "coordinates": []}, site="a")), "a.geojson, feature 1: has no place"),
        (collection(feature({"type": "Point", "coordinates": ["x", 1]}, site="a")), "a.geojson, feature 1: longitude"),
        (
            collection(feature({"type": "Point", "coordinates": [True, 1]}, site="a")),
            "a.geojson, feature 1: longitude is True: write a number",
        ),
        (collection(feature(POINT) | {"properties": ["a"]}), "a.geojson, feature 1: has no name"),
        (
            collection(feature(POINT, site="a"), crs={"properties": {"name": "urn:ogc:def:crs:EPSG::32632"}}),
            "a.geojson: its crs is urn:ogc:def:crs:EPSG::32632: save it in longitude and latitude",
        ),
    ],
)
def test_mistakes_are_one_line(tmp_path, text, line):
    with pytest.raises(UserError, match=line) as found:
        load(tmp_path / ("a.csv" if "a.csv" in line else "a.geojson"), text)
    assert "\n" not in str(found.value)


@settings(max_examples=25)
@given(st.integers(1, 80), st.integers(0, 2**32))
def test_drawn_sites_lie_on_land_in_blocks_of_their_own(count, seed):
    import shapely

    sites = load_sites({"draw": count, "seed": seed}, Path(), "main")
    assert len(sites) == count
    assert sites == draw_sites(count, seed)
    land = shapely.from_geojson(LAND.read_text())
    for longitude, latitude in sites.values():
        assert land.contains(shapely.Point(longitude, latitude))
        assert -56 <= latitude <= 70
    assert len({block(position) for position in sites.values()}) == count
    assert all(distance_m(*pair) >= LEAST_DISTANCE_M for pair in combinations(sites.values(), 2))


def test_the_seed_alone_decides():
    """Positions written down once: another machine or version that draws others would not repeat a run."""
    assert draw_sites(3, 1) == DRAWN
    assert draw_sites(3, 2) != DRAWN


@pytest.mark.parametrize("seed", range(5))
def test_no_region_takes_all(seed):
    """Land by the sine of the latitude and by longitude: each part has about its share of 60 sites."""
    sites = draw_sites(60, seed).values()
    parts = {
        "America": (sum(lon < -30 for lon, _ in sites), 0.30),
        "Eurasia and Australia": (sum(lon > 60 for lon, _ in sites), 0.34),
        "south": (sum(lat < 0 for _, lat in sites), 0.26),
        "far north": (sum(lat > 60 for _, lat in sites), 0.10),
    }
    for name, (count, share) in parts.items():
        assert abs(count / 60 - share) < 0.11, name


def test_too_many_sites_are_one_line(monkeypatch):
    monkeypatch.setattr("anyband.catalog.sites.LEAST_DISTANCE_M", 5_000_000.0)
    with pytest.raises(UserError, match=r"^draw: 40 sites do not fit on land 5000 km apart: draw fewer$"):
        draw_sites(40, 1)


def test_importing_is_cheap():
    """Snakemake does it at every start."""
    program = "import sys, anyband.catalog.sites; print({'pandas', 'shapely', 'pystac_client'} & sys.modules.keys())"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"
