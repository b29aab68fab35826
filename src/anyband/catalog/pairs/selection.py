"""Which scenes of one product may be paired, and what becomes of those that may not.

An item must not be excluded and must be usable, Landsat of tier 1, and cover the whole site; of several versions of
one scene the newest stays. Nothing depends on the order in which a catalogue lists its items.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from anyband.catalog.items.acquisition import Acquisition
from anyband.catalog.items.dialects import parse_item
from anyband.catalog.items.raw_item import item_id
from anyband.catalog.sites import Site
from anyband.raster.asset import UnusableItemError

SAME_PASS = timedelta(minutes=45)
"""Scenes of one satellite this close in time are of one pass over a place: the next orbit comes after 98 minutes.

Days do not tell passes apart: east of 150 degrees a pass in the morning lies around midnight UTC.
"""

Covers = Callable[[Acquisition], bool]


@dataclass(frozen=True)
class Drop:
    """A scene or a match that is not used; ids are empty where they do not apply."""

    sentinel2: str
    landsat: str
    reason: str
    detail: str


def drop(product: str, item_id: str, reason: str, detail: str) -> Drop:
    """Record one scene that is not used, in the column of its sensor."""
    if product in ("landsat", "hls_l30"):
        return Drop("", item_id, reason, detail)
    return Drop(item_id, "", reason, detail)


def parse_all(
    items: Iterable[Mapping[str, Any]], product: str, exclude: Collection[str] = ()
) -> tuple[list[Acquisition], list[Drop]]:
    """Acquisitions of the usable items of one product, sorted by id.

    Args:
        items: raw items.
        product: what they are.
        exclude: ids of items that are not to be used.
    """
    versions: dict[str, list[Acquisition]] = {}
    drops = []
    for item in items:
        name = item_id(item)
        if name in exclude:
            drops.append(drop(product, name, "excluded", "by the settings of the dataset"))
            continue
        try:
            scene = parse_item(item)
        except UnusableItemError as error:
            drops.append(drop(product, name, error.reason, str(error)))
        else:
            versions.setdefault(name, []).append(scene)
    kept = []
    for name, listed in sorted(versions.items()):
        newest, *older = _newest_first(listed)
        kept.append(newest)
        drops += [drop(product, name, "duplicate", "listed more than once, the newest is used") for _ in older]
    return kept, sorted(drops, key=str)


def in_zones_near(scenes: Iterable[Acquisition], site: Site) -> tuple[list[Acquisition], list[Drop]]:
    """Scenes whose CRS is a UTM zone of the site or near it; one of any other would move the site's square away.

    Zones are narrow near the poles, where a scene spans several of them.
    """
    most = 1 if abs(site.latitude) < 60 else 4
    kept, drops = [], []
    for scene in scenes:
        zone = scene.epsg % 100
        apart = abs(zone - site.utm_epsg % 100)
        if scene.epsg // 100 in (326, 327) and 1 <= zone <= 60 and min(apart, 60 - apart) <= most:
            kept.append(scene)
        else:
            detail = f"EPSG:{scene.epsg} is no UTM zone near the site (EPSG:{site.utm_epsg})"
            drops.append(drop(scene.product, scene.item_id, "contradiction", detail))
    return kept, drops


def select_scenes(scenes: Sequence[Acquisition], covers: Covers) -> tuple[list[Acquisition], list[Drop]]:
    """Scenes of one product that may be paired, sorted by id: tier 1, whole site, newest version."""
    kept, drops = [], []
    for scene in scenes:
        if scene.tier not in (None, "T1"):
            drops.append(drop(scene.product, scene.item_id, "tier", f"{scene.tier}: only T1 is registered well enough"))
        elif not covers(scene):
            drops.append(drop(scene.product, scene.item_id, "partial", "its valid data do not cover the whole site"))
        else:
            kept.append(scene)
    # HLS has one id for all versions of a scene, and the satellite may not be known yet.
    versioned = [scene for scene in kept if not scene.product.startswith("hls_")]
    newest, more = _newest_versions(versioned)
    others = [scene for scene in kept if scene.product.startswith("hls_")]
    return sorted([*newest, *others], key=lambda scene: scene.item_id), drops + more


def _newest_versions(scenes: Sequence[Acquisition]) -> tuple[list[Acquisition], list[Drop]]:
    """Of the scenes of one tile and pass, which differ in processing only, the newest one."""
    passes = find_passes(scenes)
    groups: dict[tuple[str, str], list[Acquisition]] = {}
    for scene in scenes:
        groups.setdefault((passes[scene.item_id], scene.tile), []).append(scene)
    ranked = [_newest_first(group) for group in groups.values()]
    drops = [
        drop(old.product, old.item_id, "reprocessed", f"{newest.item_id} is used instead")
        for newest, *older in ranked
        for old in older
    ]
    return [group[0] for group in ranked], sorted(drops, key=str)


def _newest_first(scenes: Sequence[Acquisition]) -> list[Acquisition]:
    def age(scene: Acquisition) -> tuple[str, ...]:
        # Address and footprint are the last resort for items that tell no difference at all.
        address = scene.qa.href if scene.qa else ""
        return scene.baseline or "", scene.produced, scene.item_id, address, str(scene.footprint)

    return sorted(scenes, key=age, reverse=True)


def find_passes(scenes: Iterable[Acquisition]) -> dict[str, str]:
    """Name of the pass that each scene is of, by item id: the id of the pass's first scene."""
    names: dict[str, str] = {}
    last: Acquisition | None = None
    for scene in sorted(scenes, key=lambda scene: (scene.platform, scene.datetime, scene.item_id)):
        goes_on = last is not None and last.platform == scene.platform and scene.datetime - last.datetime <= SAME_PASS
        names[scene.item_id] = names[last.item_id] if last and goes_on else scene.item_id
        last = scene
    return names
