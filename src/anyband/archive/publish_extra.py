"""Publishing the scenes of extra sensors: one file of all bands, one mask, and an item that describes every band.

The item is STAC 1.1 with `bands` (eo v2, raster v2, projection v2), in no provider's own dialect: wavelengths, scale,
grid and the meaning of the mask are all said there.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyband.archive.geometry_names import mgrs_tile
from anyband.archive.item_properties import microseconds
from anyband.archive.publish import SiteWriter
from anyband.archive.stac_items import BASE
from anyband.products import collection_of
from anyband.raster.write import epsg_crs, write_raster
from anyband.runtime import write_json
from anyband.sensors import Sensor
from anyband.simulation.instrument.extra_sensors import ExtraImage
from anyband.simulation.instrument.sampling import PixelGrid
from anyband.simulation.overpasses import Acquisition
from anyband.simulation.processors.encode import encode_hls
from anyband.simulation.processors.masks import cloud_percent
from anyband.simulation.processors.quality import Detected
from anyband.simulation.scene_info import SIMULATED, SceneInfo, bounding_box

EXTENSIONS = [
    f"https://stac-extensions.github.io/{name}/schema.json"
    for name in ("eo/v2.0.0", "raster/v2.0.0", "projection/v2.0.0", "view/v1.0.0", "classification/v2.0.0")
]
MASK = {"no_data": 0, "clear": 1, "cloud": 2, "cloud_shadow": 3, "thin_cirrus": 4}
"""Values of the mask."""
SCALE, NODATA = 1e-4, -9999


def publish_extra(writer: SiteWriter, product: str, acquisition: Acquisition, image: ExtraImage) -> None:
    """Write the files and the item of one scene of an extra sensor."""
    info = writer.info(product, acquisition, image.grid.epsg, cloud_percent(image.found))
    identifier, collection = extra_id(info, image.sensor), collection_of(product)
    rasters: dict[str, tuple[NDArray[Any], int]] = {
        "image": (encode_hls(image.values), NODATA),
        "mask": (mask_values(image.found), MASK["no_data"]),
    }
    for key, (values, nodata) in rasters.items():
        path = writer.folder / "files" / collection / identifier / f"{identifier}_{key}.tif"
        scale = SCALE if key == "image" else None
        write_raster(path, values, epsg_crs(image.grid.epsg), image.grid.transform, nodata, scale)
    item = extra_item(info, image.sensor, image.grid)
    write_json(writer.folder / "items" / collection / f"{identifier}.json", item)
    writer.written.append(identifier)


def mask_values(found: Detected) -> NDArray[np.uint8]:
    """The cloud mask as published, (rows, columns)."""
    values = np.full(found.cloud.shape, MASK["clear"], np.uint8)
    for name, mask in (("thin_cirrus", found.cirrus), ("cloud_shadow", found.shadow), ("cloud", found.cloud)):
        values[mask] = MASK[name]
    return values


def extra_id(info: SceneInfo, sensor: Sensor) -> str:
    """Identifier of a scene: satellite, time, tile and site."""
    return f"{sensor.platform}_{info.datetime:%Y%m%dT%H%M%S}_{mgrs_tile(*info.centre)}_{info.site}"


def extra_item(info: SceneInfo, sensor: Sensor, grid: PixelGrid) -> dict[str, Any]:
    """The STAC 1.1 item of a scene whose files exist."""
    identifier, collection = extra_id(info, sensor), collection_of(info.product)
    ring = [list(point) for point in info.footprint]
    ring += [ring[0]] if ring[0] != ring[-1] else []
    url = f"{BASE}/sensors/collections/{collection}"
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": EXTENSIONS,
        "id": identifier,
        "collection": collection,
        "bbox": bounding_box(info.footprint),
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": _properties(info, sensor, grid),
        "links": [
            {"rel": "collection", "type": "application/json", "href": url},
            {"rel": "self", "type": "application/geo+json", "href": f"{url}/items/{identifier}"},
        ],
        "assets": _assets(f"{BASE}/files/{info.site}/{collection}/{identifier}/{identifier}", sensor),
    }


def _properties(info: SceneInfo, sensor: Sensor, grid: PixelGrid) -> dict[str, Any]:
    return {
        "datetime": microseconds(info.datetime),
        "created": microseconds(info.generation_time),
        "platform": sensor.platform,
        "constellation": sensor.product,
        "gsd": sensor.bands[0].gsd_m,
        "eo:cloud_cover": info.cloud_cover,
        "proj:code": f"EPSG:{grid.epsg}",
        "proj:shape": list(grid.shape),
        "proj:transform": list(grid.transform),
        "view:sun_elevation": 90 - info.sun_zenith,
        "view:sun_azimuth": info.sun_azimuth,
        "view:off_nadir": info.view_zenith,
        "view:azimuth": info.view_azimuth,
        SIMULATED: info.simulated,
    }


def _assets(start: str, sensor: Sensor) -> dict[str, Any]:
    media = "image/tiff; application=geotiff; profile=cloud-optimized"
    bands = [
        {
            "name": band.name,
            "eo:center_wavelength": round(band.response.centre_nm / 1000, 6),
            "eo:full_width_half_max": round(band.response.fwhm_nm / 1000, 6),
        }
        for band in sensor.bands
    ]
    image = {
        "href": f"{start}_image.tif",
        "type": media,
        "roles": ["data", "reflectance"],
        "title": "Surface reflectance",
        "data_type": "int16",
        "nodata": NODATA,
        "raster:scale": SCALE,
        "raster:offset": 0.0,
        "raster:spatial_resolution": sensor.bands[0].pixel_m,
        "bands": bands,
    }
    classes = [{"value": value, "name": name, "title": name.replace("_", " ")} for name, value in MASK.items()]
    mask = {
        "href": f"{start}_mask.tif",
        "type": media,
        "roles": ["data-mask", "cloud", "cloud-shadow"],
        "title": "Mask of clouds and shadows",
        "data_type": "uint8",
        "nodata": MASK["no_data"],
        "raster:spatial_resolution": sensor.bands[0].pixel_m,
        "classification:classes": classes,
    }
    return {"image": image, "mask": mask}
