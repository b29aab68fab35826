"""Pair the scenes of one site: the rules of `pairing` with footprints, quality layers and tables around them."""

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from anyband.catalog.items.acquisition import Acquisition
from anyband.catalog.items.hls import with_platform
from anyband.catalog.items.raw_item import item_id
from anyband.catalog.pairs.coverage import Look, covering_labels, covers, look_at, site_square
from anyband.catalog.pairs.pairing import (
    SAME_MOMENT,
    Clarity,
    Match,
    Reading,
    find_candidates,
    find_hls,
    nearest_in_time,
    select_pairs,
)
from anyband.catalog.pairs.scene_pair import ScenePair
from anyband.catalog.pairs.selection import Drop, drop, in_zones_near, parse_all, select_scenes
from anyband.catalog.sites import Site
from anyband.products import CATALOGUED, OPTICAL, SATELLITES
from anyband.raster.access import gdal_env
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
    with rasterio.Env(**gdal_env()):
        square = site_square(site, {scene.epsg for scene in scenes["sentinel2"]} or {site.utm_epsg})
        for product in (*SATELLITES, *extra):
            scenes[product], more = select_scenes(scenes[product], partial(covers, square))
            drops += more
        labels = covering_labels(scenes["label"], square)
        if not labels:
            found = len(scenes["label"])
            raise UserError(f"site {site.name}: label missing, none of {found} label items covers the whole site")
        matches, more = _find_matches(site, scenes, max_day_gap, extra)
    pairs, unclear = select_pairs(matches, min_clear)
    drops += more + unclear
    rows = [_row(number, pair, labels) for number, pair in enumerate(pairs)]
    kept = [_scenes(number, pair, labels) for number, pair in enumerate(pairs)]
    return rows, drops + _unnamed(items, rows, drops), kept


def _scenes(number: int, match: Match, labels: Sequence[Acquisition]) -> ScenePair:
    """What extraction needs of a pair; HLS scenes, matched as of the same pass, have their partners' satellites."""
    s30 = replace(match.hls_s30, platform=match.sentinel2.platform)
    l30 = replace(match.hls_l30, platform=match.landsat.platform)
    scenes = {"sentinel2": match.sentinel2, "landsat": match.landsat, "hls_s30": s30, "hls_l30": l30, **match.extra}
    return ScenePair(number, {product: scenes[product] for product in OPTICAL if product in scenes}, tuple(labels))


def _find_matches(
    site: Site, scenes: Mapping[str, Sequence[Acquisition]], max_day_gap: int, extra: Collection[str]
) -> tuple[list[Match], list[Drop]]:
    """One match for each two passes: the first candidate that can be read."""
    groups, drops = find_candidates(scenes["sentinel2"], scenes["landsat"], max_day_gap)
    identified, looks = Reading(with_platform), Reading(lambda scene: look_at(scene, site))
    matches: list[Match] = []
    for group in groups:
        taken: Match | None = None
        for sentinel2, landsat in group:
            ids = sentinel2.item_id, landsat.item_id
            if taken is not None:
                drops.append(Drop(*ids, "same pass", f"{taken.ids[0]} and {taken.ids[1]} are used instead"))
                continue
            s30 = find_hls(sentinel2, sentinel2.tile, scenes["hls_s30"], identified)
            l30 = find_hls(landsat, sentinel2.tile, scenes["hls_l30"], identified)
            if s30 is None or l30 is None:
                detail = f"no {'S30' if s30 is None else 'L30'} of the same acquisition in tile {sentinel2.tile}"
                drops.append(Drop(*ids, "no HLS", detail))
                continue
            others = {product: nearest_in_time(sentinel2, scenes[product], SAME_MOMENT) for product in extra}
            found = {product: scene for product, scene in others.items() if scene is not None}
            if len(found) < len(others):
                lacking = next(product for product in others if product not in found)
                drops.append(Drop(*ids, "no extra sensor", f"no {lacking} scene at the time of {sentinel2.item_id}"))
                continue
            first, second = looks.of(sentinel2), looks.of(landsat)
            if first is not None and second is not None:
                taken = Match(sentinel2, landsat, s30, l30, _clarity(first, second), found)
                matches.append(taken)
    return matches, drops + identified.drops + looks.drops


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
        partner = product in ("sentinel2", "landsat")
        why = ("no partner", "no scene of the other sensor that goes with it is usable")
        names = sorted({item_id(item) for item in items[product]} - named)
        left += [drop(product, name, *(why if partner else (NOT_NEEDED, "no pair wants it"))) for name in names]
    return left


def _row(number: int, match: Match, labels: Sequence[Acquisition]) -> dict[str, Any]:
    """One row of the table of pairs; several label items are joined by a space."""
    sentinel2, landsat, clarity = match.sentinel2, match.landsat, match.clarity
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
