"""What a simulated scene says about itself before it becomes a STAC item."""

import datetime as dt
from dataclasses import dataclass, field

Transform = tuple[float, float, float, float, float, float]

SIMULATED = "anyband:simulated"
PERCENTAGES = (
    "water", "snow_ice", "vegetation", "thin_cirrus", "cloud_shadow", "nodata_pixel", "unclassified", "dark_features",
    "not_vegetated", "degraded_msi_data", "high_proba_clouds", "medium_proba_clouds", "saturated_defective_pixel",
)  # fmt: skip


@dataclass(frozen=True)
class AssetFile:
    """One raster of a scene: path below the site's `files/`, CRS, affine (a, b, c, d, e, f), (rows, columns)."""

    path: str
    epsg: int
    transform: Transform
    shape: tuple[int, int]


@dataclass(frozen=True)
class SceneInfo:
    """What a simulated scene has to say about itself.

    Times are UTC, angles degrees, cloud cover and percentages 0..100; `footprint` is the lon/lat ring of valid data;
    `assets` maps the provider's asset keys to the files that exist.
    """

    product: str
    platform: str
    datetime: dt.datetime
    dataset: str
    site: str
    epsg: int
    assets: dict[str, AssetFile]
    footprint: list[tuple[float, float]]
    cloud_cover: float
    sun_zenith: float
    sun_azimuth: float
    view_zenith: float
    view_azimuth: float
    baseline: str | None
    generation_time: dt.datetime
    simulated: str
    percentages: dict[str, float] = field(default_factory=dict)

    @property
    def centre(self) -> tuple[float, float]:
        """Longitude and latitude in the middle of the footprint's bounding box, degrees."""
        west, south, east, north = bounding_box(self.footprint)
        return (west + east) / 2, (south + north) / 2


def bounding_box(ring: list[tuple[float, float]]) -> list[float]:
    """West, south, east, north of a ring of longitudes and latitudes, degrees."""
    longitudes, latitudes = zip(*ring, strict=True)
    return [min(longitudes), min(latitudes), max(longitudes), max(latitudes)]
