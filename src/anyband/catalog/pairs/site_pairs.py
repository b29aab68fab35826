"""Pair the scenes of one site: the rules of `pairing` with footprints, quality layers and tables around them."""

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from anyband.catalog.items.acquisition import Acquisition
from anyband.catalog.items.hls import with_platform
from anyband.catalog.items.raw_item import item_id
from anyband.catalog.pairs.clear import Look, look_at
from anyband.catalog.pairs.coverage import covering_labels, find_coverage, site_square
from anyband.catalog.pairs.pairing import (
    Clarity,
    HlsVersions,
    Match,
    Pair,
    day_gap,
    find_candidates,
    find_extra,
    select_pairs,
)
from anyband.catalog.pairs.scene_pair import ScenePair
from anyband.catalog.pairs.selection import Drop, drop, in_zones_near, parse_all, select_scenes
from anyband.catalog.sites import Site
from anyband.products import CATALOGUED, OPTICAL, SATELLITES
from anyband.raster.access import gdal_env
from anyband.raster.asset import UnusableItemError
from anyband.runtime import UserError

NOT_NEEDED = "not needed"
"""Reason for items that nothing is wrong with; it counts for nothing in a summary."""

PAIR_COLUMNS = (
    "pair", *CATALOGUED, "datetime_sentinel2", "datetime_landsat", "day_gap", "clear_joint", "clear_sentinel2",
    "clear_landsat", "platform_sentinel2", "platform_landsat", "baseline", "sun_zenith_sentinel2",
    "sun_zenith_landsat", "epsg_sentinel2", "epsg_landsat",
)  # fmt: skip
DROP_COLUMNS = ("sentinel2", "landsat", "reason", "detail")


def pair_columns(extra: Collection[str] = ()) -> tuple[str, ...]:
    """Columns of the table of pairs; one more for every extra product of the dataset."""
    return (*PAIR_COLUMNS, *extra)


def pair_site(
    site: Site,
    items: Mapping[str, Sequence[Mapping[str, Any]]],
    max_day_gap: int,
    min_clear: float,
    exclude: Collection[str] = (),
    extra: Collection[str] = (),
) -> tuple[list[dict[str, Any]], list[Drop], list[ScenePair]]:
    """Rows of the table of pairs, what was left out, and the scenes of the pairs; no rows when nothing is left.

    Every item is in a row or among what was left out.

    Args:
        site: the square that every scene must cover.
        items: raw items by product.
        max_day_gap: most days between the two scenes of a pair.
        min_clear: least share of the site that must be clear in both.
        exclude: ids of items that are not to be used.
        extra: further products that every pair must have, at the time of its Sentinel-2 scene.

    Raises:
        UserError: no label covers the site, access is refused, or a provider is out of reach.
    """
    import rasterio

    scenes: dict[str, list[Acquisition]] = {}
    drops: list[Drop] = []
    for product in (*CATALOGUED, *extra):
        scenes[product], more = parse_all(items[product], product, exclude)
        drops += more
    for product in (*SATELLITES, *extra):
        scenes[product], more = in_zones_near(scenes[product], site)
        drops += more
    square = site_square(site, {scene.epsg for scene in scenes["sentinel2"]} or {site.utm_epsg})
    for product in (*SATELLITES, *extra):
        scenes[product], more = select_scenes(scenes[product], find_coverage(square))
        drops += more
    labels = covering_labels(scenes["label"], square)
    if not labels:
        found = len(scenes["label"])
        raise UserError(f"site {site.name}: label missing, none of {found} label items covers the whole site")
    with rasterio.Env(**gdal_env()):
        matches, clarity, more = _find_matches(site, scenes, max_day_gap, extra)
    pairs, unclear = select_pairs(matches, clarity, min_clear)
    drops += more + unclear
    rows = [_row(number, pair, labels) for number, pair in enumerate(pairs)]
    kept = [_scenes(number, pair, labels) for number, pair in enumerate(pairs)]
    return rows, drops + _unnamed(items, rows, drops), kept


def _scenes(number: int, pair: Pair, labels: Sequence[Acquisition]) -> ScenePair:
    """What extraction needs of a pair; HLS scenes, matched as of the same pass, have their partners' satellites."""
    match = pair.match
    s30 = replace(match.hls_s30, platform=match.sentinel2.platform)
    l30 = replace(match.hls_l30, platform=match.landsat.platform)
    scenes = {"sentinel2": match.sentinel2, "landsat": match.landsat, "hls_s30": s30, "hls_l30": l30, **match.extra}
    return ScenePair(number, {product: scenes[product] for product in OPTICAL if product in scenes}, tuple(labels))


def _find_matches(
    site: Site, scenes: Mapping[str, Sequence[Acquisition]], max_day_gap: int, extra: Collection[str]
) -> tuple[list[Match], dict[tuple[str, str], Clarity], list[Drop]]:
    """One match for each two passes, with what it shows of the site: the first candidate that can be read."""
    groups, drops = find_candidates(scenes["sentinel2"], scenes["landsat"], max_day_gap)
    s30, l30 = (HlsVersions(scenes[product], with_platform) for product in ("hls_s30", "hls_l30"))
    looks = Looks(site)
    matches: list[Match] = []
    clarity: dict[tuple[str, str], Clarity] = {}
    for group in groups:
        taken: Match | None = None
        for sentinel2, landsat in group:
            ids = sentinel2.item_id, landsat.item_id
            if taken is not None:
                drops.append(Drop(*ids, "same pass", f"{taken.ids[0]} and {taken.ids[1]} are used instead"))
                continue
            versions = s30.find(sentinel2, sentinel2.tile), l30.find(landsat, sentinel2.tile)
            if versions[0] is None or versions[1] is None:
                missing = "S30" if versions[0] is None else "L30"
                detail = f"no {missing} of the same acquisition in tile {sentinel2.tile}"
                drops.append(Drop(*ids, "no HLS", detail))
                continue
            others, lacking = find_extra(sentinel2, {product: scenes[product] for product in extra})
            if lacking is not None:
                drops.append(Drop(*ids, "no extra sensor", f"no {lacking} scene at the time of {sentinel2.item_id}"))
                continue
            first, second = looks.at(sentinel2), looks.at(landsat)
            if first is not None and second is not None:
                taken = Match(sentinel2, landsat, versions[0], versions[1], day_gap(sentinel2, landsat), others)
                clarity[ids] = _clarity(first, second)
                matches.append(taken)
    return matches, clarity, drops + s30.drops + l30.drops + looks.drops


class Looks:
    """Looks at the quality layers of scenes, each read once; those that cannot be used are kept as drops."""

    def __init__(self, site: Site) -> None:
        """Start without any."""
        self._site = site
        self._found: dict[str, Look | None] = {}
        self.drops: list[Drop] = []

    def at(self, scene: Acquisition) -> Look | None:
        """What a scene shows of the site, None if its quality layer cannot be used."""
        if scene.item_id not in self._found:
            try:
                self._found[scene.item_id] = look_at(scene, self._site)
            except UnusableItemError as error:
                self._found[scene.item_id] = None
                self.drops.append(drop(scene.product, scene.item_id, error.reason, str(error)))
        return self._found[scene.item_id]


def _clarity(sentinel2: Look, landsat: Look) -> Clarity:
    """Shares of the site; points of both looks are the same places, since both scenes are in one UTM zone."""
    joint = float((sentinel2.clear & landsat.clear).mean())
    seen = float((sentinel2.seen & landsat.seen).mean())
    return Clarity(joint, float(sentinel2.clear.mean()), float(landsat.clear.mean()), seen)


def _unnamed(
    items: Mapping[str, Sequence[Mapping[str, Any]]], rows: Sequence[Mapping[str, Any]], drops: Sequence[Drop]
) -> list[Drop]:
    """Items that neither a pair nor a drop names: partners of unusable scenes, and versions that no pair needs."""
    named = {name for entry in drops for name in (entry.sentinel2, entry.landsat)}
    named |= {name for row in rows for product in items for name in str(row[product]).split()}
    left = []
    for product in items:
        for name in sorted({item_id(item) for item in items[product]} - named):
            if product in ("sentinel2", "landsat"):
                left.append(
                    drop(product, name, "no partner", "no scene of the other sensor that goes with it is usable")
                )
            else:
                left.append(drop(product, name, NOT_NEEDED, "no pair wants it"))
    return left


def _row(number: int, pair: Pair, labels: Sequence[Acquisition]) -> dict[str, Any]:
    """One row of the table of pairs; several label items are joined by a space."""
    match, clarity = pair.match, pair.clarity
    sentinel2, landsat = match.sentinel2, match.landsat
    values = (
        number, sentinel2.item_id, landsat.item_id, match.hls_s30.item_id, match.hls_l30.item_id,
        " ".join(label.item_id for label in labels),
        _iso(sentinel2), _iso(landsat), match.day_gap,
        *(f"{share:.4f}" for share in (clarity.joint, clarity.sentinel2, clarity.landsat)),
        sentinel2.platform, landsat.platform, sentinel2.baseline,
        *("" if zenith is None else f"{zenith:.3f}" for zenith in (sentinel2.sun_zenith, landsat.sun_zenith)),
        sentinel2.epsg, landsat.epsg,
    )  # fmt: skip
    row = dict(zip(PAIR_COLUMNS, values, strict=True))
    return row | {product: scene.item_id for product, scene in match.extra.items()}


def _iso(scene: Acquisition) -> str:
    return scene.datetime.isoformat().replace("+00:00", "Z")


def as_csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """A table as text; quoting and line ends as pandas writes them."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
