"""What is to be read of one item: its bands with their descriptions, their encoding, and the quality layer."""

from collections.abc import Mapping
from typing import Any

from anyband.apply.described_items import describe
from anyband.apply.optical_item import Layer, Scene
from anyband.catalog.items import landsat
from anyband.catalog.items.acquisition import ANGLES, Acquisition
from anyband.catalog.items.dialects import find_dialect, parse_item
from anyband.catalog.items.hls import with_platform
from anyband.observation import scene_row
from anyband.runtime import UserError
from anyband.sensors import get_sensor


def read_scene(item: Mapping[str, Any]) -> Scene:
    """The scene of a raw item: by its provider's dialect where that is known, else by its own description.

    Raises:
        UserError: naming the item, and the asset and what is missing of it.
    """
    dialect = find_dialect(item)
    if dialect is None or (dialect is landsat.parse and not _platform(item).endswith(("-8", "-9"))):
        return describe(item)
    acquisition = parse_item(item)
    if acquisition.product == "label":
        raise UserError(f"item {item['id']}: no asset with surface reflectance, it is a map of classes")
    return from_acquisition(with_platform(acquisition))


def _platform(item: Mapping[str, Any]) -> str:
    return str(item["properties"].get("platform") or "").lower().replace("_", "-")


def from_acquisition(acquisition: Acquisition) -> Scene:
    """The scene of an acquisition of a known product, described by the registry."""
    sensor = get_sensor(acquisition.platform, acquisition.product)
    layers = tuple(
        Layer(
            name=name,
            concept=sensor.band(name).concept,
            response=sensor.band(name).response,
            gsd_m=sensor.band(name).gsd_m,
            asset=found.asset,
            href=found.href,
            scale=found.scale,
            offset=found.offset,
            nodata=None if found.nodata is None else float(found.nodata),
            transform=found.transform,
            shape=found.shape,
            index=found.index,
        )
        for name, found in acquisition.bands.items()
    )
    facts = scene_row(acquisition.datetime, **{name: getattr(acquisition, name) for name in ANGLES})
    return Scene(
        acquisition.item_id, acquisition.product, acquisition.platform, acquisition.epsg, layers, acquisition.qa, facts
    )
