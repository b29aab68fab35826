import json

import pytest

from anyband.archive.item_properties import mgrs_tile, utm_zone, worldcover_tile, wrs_path_row


@pytest.mark.parametrize(
    ("longitude", "latitude", "tile"),
    [
        (27.5, -7.73, "35MNM"),  # recorded Sentinel-2 items
        (27.2, -14.5, "35LND"),
        (94.6, 81.4, "46XES"),
        (5.0, 60.0, "32VKM"),  # zone 32 reaches west off Norway
        (10.45, 46.05, "32TPS"),
        (-0.1, 51.5, "30UXC"),
        (148.86, -34.96, "55HFB"),
    ],
)
def test_mgrs_tiles_of_known_places(longitude, latitude, tile):
    assert mgrs_tile(longitude, latitude)[:3] == tile[:3]
    assert len(mgrs_tile(longitude, latitude)) == 5


def test_mgrs_column_and_row_letters():
    assert mgrs_tile(27.5, -7.73) == "35MNM"
    assert mgrs_tile(148.862141, -34.958281) == "55HFB"  # even-numbered letters start over in the south
    assert mgrs_tile(8.03, 49.74) == "32UMA"  # even zones start their rows at F


def test_mgrs_ends_at_the_poles():
    with pytest.raises(ValueError, match="84"):
        mgrs_tile(0, 85)


def test_svalbard_zones():
    assert [utm_zone(longitude, 78) for longitude in (5, 15, 25, 40)] == [31, 33, 35, 37]


@pytest.mark.parametrize(
    ("longitude", "latitude", "path_row"),
    [
        (148.7234, -43.1821, (89, 90)),
        (150.1097, -38.9024, (89, 87)),
        (-123.3869, 47.4413, (47, 27)),
        (-80.0372, -7.2332, (10, 65)),
        (-95.5656, 43.1778, (28, 30)),
    ],
)
def test_wrs_at_centres_of_real_scenes(longitude, latitude, path_row):
    assert wrs_path_row(longitude, latitude) == path_row


def test_wrs_of_recorded_landsat_items(realdata):
    recorded = json.loads((realdata / "stac-items/stac-geoparquet-pc/landsat-c2-l2-pc.json").read_text())
    for item in recorded:
        corners = item["geometry"]["coordinates"][0][:4]
        longitude, latitude = (sum(corner[axis] for corner in corners) / 4 for axis in (0, 1))
        properties = item["properties"]
        expected = int(properties["landsat:wrs_path"]), int(properties["landsat:wrs_row"])
        assert wrs_path_row(longitude, latitude) == expected


def test_worldcover_tiles_are_named_after_their_lower_left_corner():
    assert worldcover_tile(7.5, 1.5) == "N00E006"
    assert worldcover_tile(-0.1, -0.1) == "S03W003"
    assert worldcover_tile(148.86, -34.96) == "S36E147"
