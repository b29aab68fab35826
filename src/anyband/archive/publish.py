"""Publishing: the rasters and STAC items of one site."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyband.archive.item_properties import AssetFile, ItemDescription, hls_tags
from anyband.archive.stac_items import (
    DESCRIBED_MASK,
    DESCRIBED_NODATA,
    DESCRIBED_SCALE,
    build_item,
    described_id,
    described_item,
    item_id,
)
from anyband.products import collection_of
from anyband.raster.write import epsg_crs, hls_crs, write_raster
from anyband.runtime import write_json
from anyband.simulation.cloud_masks import Detected, cloud_percent
from anyband.simulation.extra_sensors import ExtraImage
from anyband.simulation.grids import HiddenGrid, PixelGrid
from anyband.simulation.land.label_map import label_raster
from anyband.simulation.places import Overpass, Place
from anyband.simulation.processors import encode_hls

# Days from acquisition to publication, by product.
PUBLISHED_AFTER = {"sentinel2": 0.7, "landsat": 9.3, "hls_s30": 2.4, "hls_l30": 11.2}
EXTRA_PUBLISHED_AFTER = 1.2
HLS_SCALE = 1e-4  # HLS files carry it as a tag; Sentinel-2 and Landsat files do not

Raster = tuple[PixelGrid, NDArray[np.generic], float | None]  # pixels and their nodata tag (None: no tag)


@dataclass
class SiteWriter:
    """Writes the files and items of one site below a folder."""

    folder: Path
    place: Place
    dataset: str
    simulated: str
    ring: list[tuple[float, float]]
    written: list[str] = field(default_factory=list)

    def publish(self, info: ItemDescription, rasters: Mapping[str, Raster]) -> None:
        """Write the rasters of a scene (asset key -> raster) and its item."""
        identifier = item_id(info)
        collection = collection_of(info.product)
        assets = {}
        for key, (grid, values, nodata) in rasters.items():
            path = f"{collection}/{identifier}/{identifier}_{key}.tif"
            hls = info.product.startswith("hls")
            crs = hls_crs(grid.epsg % 100) if hls else epsg_crs(grid.epsg)
            scale = HLS_SCALE if hls and values.dtype == np.int16 else None
            tags = hls_tags(info) if hls else {}
            write_raster(self.folder / "files" / path, values, crs, grid.transform, nodata, scale, tags)
            assets[key] = AssetFile(path, grid.epsg, grid.transform, grid.shape)
        self.item(build_item(replace(info, assets=assets)))

    def item(self, item: dict[str, Any]) -> None:
        """Write the STAC item of a scene whose files exist."""
        write_json(self.folder / "items" / item["collection"] / f"{item['id']}.json", item)
        self.written.append(item["id"])

    def info(self, product: str, overpass: Overpass, epsg: int, cloud_cover: float) -> ItemDescription:
        """Description of a scene before its files are known."""
        seen = overpass.geometry
        return ItemDescription(
            product=product,
            platform=overpass.platform,
            datetime=overpass.when,
            dataset=self.dataset,
            site=self.place.name,
            epsg=epsg,
            footprint=self.ring,
            cloud_cover=round(cloud_cover, 6),
            sun_zenith=seen.sun_zenith,
            sun_azimuth=seen.sun_azimuth,
            view_zenith=seen.view_zenith,
            view_azimuth=seen.view_azimuth,
            baseline=overpass.baseline if product in ("sentinel2", "hls_s30") else None,
            generation_time=overpass.when + timedelta(days=PUBLISHED_AFTER.get(product, EXTRA_PUBLISHED_AFTER)),
            simulated=self.simulated,
        )


def publish_label(writer: SiteWriter, labels: NDArray[np.uint8], hidden: HiddenGrid) -> None:
    """Publish the land-cover map."""
    raster = label_raster(labels, hidden)
    info = ItemDescription(
        product="label",
        datetime=datetime(2021, 1, 1, tzinfo=UTC),
        dataset=writer.dataset,
        site=writer.place.name,
        epsg=4326,
        footprint=writer.ring,
        generation_time=datetime(2022, 10, 28, tzinfo=UTC),
        simulated=writer.simulated,
    )
    identifier = item_id(info)
    path = f"{collection_of('label')}/{identifier}/{identifier}_Map.tif"
    write_raster(writer.folder / "files" / path, raster.codes, epsg_crs(4326), raster.transform, 0)
    rows, columns = raster.codes.shape
    assets = {"map": AssetFile(path, 4326, raster.transform, (rows, columns))}
    writer.item(build_item(replace(info, assets=assets)))


def publish_extra(writer: SiteWriter, product: str, overpass: Overpass, image: ExtraImage) -> None:
    """Publish one scene of an extra sensor: a file of all bands, a mask, and an item that describes every band."""
    info = writer.info(product, overpass, image.grid.epsg, cloud_percent(image.found))
    identifier, collection = described_id(info, image.sensor), collection_of(product)
    rasters: dict[str, tuple[NDArray[Any], int, float | None]] = {
        "image": (encode_hls(image.values), DESCRIBED_NODATA, DESCRIBED_SCALE),
        "mask": (mask_values(image.found), DESCRIBED_MASK["no_data"], None),
    }
    for key, (values, nodata, scale) in rasters.items():
        path = writer.folder / "files" / collection / identifier / f"{identifier}_{key}.tif"
        write_raster(path, values, epsg_crs(image.grid.epsg), image.grid.transform, nodata, scale)
    writer.item(described_item(info, image.sensor, image.grid))


def mask_values(found: Detected) -> NDArray[np.uint8]:
    """The cloud mask of an extra sensor as published, (rows, columns)."""
    values = np.full(found.cloud.shape, DESCRIBED_MASK["clear"], np.uint8)
    for name, mask in (("thin_cirrus", found.cirrus), ("cloud_shadow", found.shadow), ("cloud", found.cloud)):
        values[mask] = DESCRIBED_MASK[name]
    return values
