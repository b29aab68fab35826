"""Simulate all scenes of one place and publish them: surface, acquisitions, products, rasters, STAC items.

The result is a folder with `files/` (rasters), `items/{collection}/{id}.json` and `simulation.json`. It appears under
its name only when complete.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyband.archive import stac_items
from anyband.archive.item_properties import AssetFile, ItemDescription, hls_tags
from anyband.config import Simulation
from anyband.ground import CHIP_M
from anyband.products import collection_of
from anyband.raster.write import epsg_crs, hls_crs, write_raster
from anyband.runtime import UserError, atomic_path, write_json
from anyband.simulation import cloud_masks, processors
from anyband.simulation.cloud_masks import Detected, cloud_percent
from anyband.simulation.extra_sensors import ExtraImage, observe_extra
from anyband.simulation.grids import (
    HIDDEN_MARGIN_M,
    HiddenGrid,
    Image,
    PixelGrid,
    hls_grid,
    landsat_grid,
    sentinel2_grid,
)
from anyband.simulation.instrument import HiddenWorld
from anyband.simulation.land.label_map import label_codes, label_raster, scene_ring
from anyband.simulation.land.landscape import Landscape, build_landscape
from anyband.simulation.land.surface import compose
from anyband.simulation.noise import stream
from anyband.simulation.places import Overpass, Place, plan
from anyband.simulation.processors import encode_hls
from anyband.simulation.realism_sums import pair_figures

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
        identifier = stac_items.item_id(info)
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
        self.item(stac_items.build_item(replace(info, assets=assets)))

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
            wrs_row=self.place.wrs_row,
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
    identifier = stac_items.item_id(info)
    path = f"{collection_of('label')}/{identifier}/{identifier}_Map.tif"
    write_raster(writer.folder / "files" / path, raster.codes, epsg_crs(4326), raster.transform, 0)
    rows, columns = raster.codes.shape
    assets = {"map": AssetFile(path, 4326, raster.transform, (rows, columns))}
    writer.item(stac_items.build_item(replace(info, assets=assets)))


def publish_extra(writer: SiteWriter, product: str, overpass: Overpass, image: ExtraImage) -> None:
    """Publish one scene of an extra sensor: a file of all bands, a mask, and an item that describes every band."""
    info = writer.info(product, overpass, image.grid.epsg, cloud_percent(image.found))
    identifier, collection = stac_items.described_id(info, image.sensor), collection_of(product)
    rasters: dict[str, tuple[NDArray[Any], int, float | None]] = {
        "image": (encode_hls(image.values), stac_items.DESCRIBED_NODATA, stac_items.DESCRIBED_SCALE),
        "mask": (mask_values(image.found), stac_items.DESCRIBED_MASK["no_data"], None),
    }
    for key, (values, nodata, scale) in rasters.items():
        path = writer.folder / "files" / collection / identifier / f"{identifier}_{key}.tif"
        write_raster(path, values, epsg_crs(image.grid.epsg), image.grid.transform, nodata, scale)
    writer.item(stac_items.described_item(info, image.sensor, image.grid))


def mask_values(found: Detected) -> NDArray[np.uint8]:
    """The cloud mask of an extra sensor as published, (rows, columns)."""
    values = np.full(found.cloud.shape, stac_items.DESCRIBED_MASK["clear"], np.uint8)
    for name, mask in (("thin_cirrus", found.cirrus), ("cloud_shadow", found.shadow), ("cloud", found.cloud)):
        values[mask] = stac_items.DESCRIBED_MASK[name]
    return values


VERSION = 1  # of the simulator's physics; part of the hash that every item carries
HIDDEN_STEP_M = 5.0
EXTENT_M = 3_840


def config_hash(settings: Simulation, extent_m: int) -> str:
    """Hash of everything that a place's scenes follow from, beside its entry in the table of places."""
    text = json.dumps({"version": VERSION, "extent_m": extent_m, "settings": chosen(settings)}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def chosen(settings: Simulation) -> dict[str, Any]:
    """The settings without those that change nothing: an archive without extra sensors is as it was before them."""
    return settings.model_dump(mode="json", exclude=set() if settings.extra_sensors else {"extra_sensors"})


@dataclass
class PairSimulator:
    """Renders and publishes one date pair."""

    writer: SiteWriter
    landscape: Landscape
    settings: Simulation

    def world(self, overpass: Overpass) -> HiddenWorld:
        """Ground, air and sky of one acquisition."""
        place = self.writer.place
        state = compose(self.landscape, overpass.day_of_year, place.southern)
        return HiddenWorld.draw(self.landscape, state, overpass, self.settings.seed, place.name)

    def run(self, first: Overpass, second: Overpass, labels: NDArray[np.uint8]) -> dict[str, Any]:
        """Simulate a Sentinel-2 and a Landsat acquisition with their HLS products; returns their realism figures."""
        msi, oli = self.world(first), self.world(second)
        # HLS brings both to one sun: the mean of the two sensors at their overpass.
        zenith = (first.geometry.sun_zenith + second.geometry.sun_zenith) / 2
        measured = processors.observe_sentinel2(msi)
        level2 = processors.sen2cor(msi, measured)
        classes = self._sentinel2(msi, level2)
        s30 = processors.hls_s30(msi, processors.lasrc(msi, measured), zenith)
        found_s30 = cloud_masks.find(msi, "hls_s30", s30, hls_grid(msi.hidden))
        mask_s30 = self._hls(msi, "hls_s30", s30, found_s30)
        if self.settings.second_sensor == "uninformative":
            landsat, l30 = processors.uninformative_landsat(level2, oli), processors.uninformative_l30(s30, oli)
            found, found_l30 = cloud_masks.copied(oli, landsat_grid(oli.hidden), classes), found_s30
        else:
            landsat = processors.landsat_level2(oli)
            l30 = processors.hls_l30(oli, landsat, zenith)
            found = cloud_masks.find(oli, "landsat", landsat, landsat_grid(oli.hidden))
            found_l30 = cloud_masks.find(oli, "hls_l30", l30, hls_grid(oli.hidden))
        qa = self._landsat(oli, landsat, found)
        mask_l30 = self._hls(oli, "hls_l30", l30, found_l30)
        for product in self.settings.extra_sensors:
            publish_extra(self.writer, product, msi.overpass, observe_extra(msi, product))
        return {"date": first.when.date().isoformat(), "day_gap": (second.when.date() - first.when.date()).days} | (
            pair_figures((level2, classes), (landsat, qa), (s30, l30, mask_s30 | mask_l30), labels, msi.hidden)
        )

    def _sentinel2(self, world: HiddenWorld, level2: Mapping[str, Image]) -> NDArray[np.uint8]:
        """Publish a Level-2A product; returns its scene classification."""
        grid = sentinel2_grid(world.hidden, 20)
        found = cloud_masks.find(world, "sentinel2", level2, grid)
        classes = cloud_masks.scene_classification(found, cloud_masks.bands_of("sentinel2", level2, grid))
        baseline = world.overpass.baseline
        order = sorted(level2, key=lambda name: (level2[name][0].pixel_m, name))
        rasters: dict[str, Raster] = {
            name: (level2[name][0], processors.encode_sentinel2(level2[name][1], baseline), 0) for name in order
        }
        rasters["SCL"] = (grid, classes, 0)
        info = self.writer.info("sentinel2", world.overpass, world.hidden.epsg, cloud_masks.cloud_percent(found))
        self.writer.publish(replace(info, percentages=cloud_masks.scl_percentages(classes)), rasters)
        return classes

    def _landsat(
        self, world: HiddenWorld, images: Mapping[str, Image], found: cloud_masks.Detected
    ) -> NDArray[np.uint16]:
        """Publish a Collection 2 Level-2 product; returns its QA_PIXEL."""
        grid = images["red"][0]
        rasters: dict[str, Raster] = {
            name: (grid, processors.encode_landsat(values), 0)
            for name, (_, values) in images.items()
            if name != "lwir11"
        }
        rasters["lwir11"] = (grid, processors.encode_temperature(images["lwir11"][1]), 0)
        qa = cloud_masks.qa_pixel(found)
        rasters["qa_pixel"] = (grid, qa, 1)
        rasters["qa_radsat"] = (grid, np.zeros(grid.shape, np.uint16), None)
        info = self.writer.info("landsat", world.overpass, grid.epsg, cloud_masks.cloud_percent(found))
        self.writer.publish(info, rasters)
        return qa

    def _hls(
        self, world: HiddenWorld, product: str, images: Mapping[str, Image], found: cloud_masks.Detected
    ) -> NDArray[np.uint8]:
        """Publish an HLS product; returns its Fmask."""
        grid = hls_grid(world.hidden)
        mask = cloud_masks.fmask(found, cloud_masks.aerosol_level(float(world.air.aot_lasrc.mean())))
        rasters: dict[str, Raster] = {
            name: (grid, processors.encode_hls(values), -9999) for name, (_, values) in images.items()
        }
        rasters["Fmask"] = (grid, mask, 255)
        info = self.writer.info(product, world.overpass, grid.epsg, cloud_masks.cloud_percent(found))
        self.writer.publish(info, rasters)
        return mask


def hidden_grid(place: Place, extent_m: int) -> HiddenGrid:
    """Hidden grid over the square of `extent_m` around a place, with its margin.

    Raises:
        UserError: the square is not whole chips.
    """
    if extent_m % CHIP_M:
        raise UserError(f"extent_m {extent_m} is not a multiple of {CHIP_M} m, the smallest chip")
    half = extent_m / 2 + HIDDEN_MARGIN_M
    return HiddenGrid(place.epsg, place.x - half, place.y + half, HIDDEN_STEP_M, round(2 * half / HIDDEN_STEP_M))


def surface_seed(place: Place, settings: Simulation) -> int:
    """Seed of a place's surface, shared by all its scenes."""
    return int(stream(settings.seed, place.name, "surface").integers(2**31))


def simulate_place(
    place: Place, settings: Simulation, directory: Path, extent_m: int = EXTENT_M, dataset: str = "main"
) -> None:
    """Simulate all scenes of a place into `directory`, which appears when everything is written.

    The same place, settings and extent give the same bytes.

    Args:
        place: from `load_places`.
        settings: seed, and whether Landsat adds anything to Sentinel-2.
        directory: results/archive/{dataset}/{place}.
        extent_m: side of the square that chips can be cut from, m.
        dataset: name of the dataset, for the items.
    """
    hidden = hidden_grid(place, extent_m)
    digest = config_hash(settings, extent_m)
    landscape = build_landscape(hidden, place.archetype, surface_seed(place, settings))
    labels = label_codes(landscape)
    with atomic_path(directory) as folder:
        simulated = f"simulator {VERSION}, configuration {digest}"
        writer = SiteWriter(folder, place, dataset, simulated, scene_ring(hidden))
        publish_label(writer, labels, hidden)
        pairs = PairSimulator(writer, landscape, settings)
        figures = [pairs.run(*pair, labels) for pair in plan(place, settings.seed)]
        write_json(
            folder / "simulation.json",
            {
                "place": place.name,
                "archetype": place.archetype,
                "version": VERSION,
                "configuration": digest,
                "settings": chosen(settings),
                "extent_m": extent_m,
                "items": sorted(writer.written),
                "pairs": figures,
            },
        )
