"""Pair the scenes of one site: the rules of `pairing` with footprints, quality layers and tables around them."""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from anyband.catalog.access import gdal_env
from anyband.catalog.acquisition import Acquisition, UnusableItemError
from anyband.catalog.clear import read_clear, site_corners, site_points
from anyband.catalog.pairing import (
    PRODUCTS,
    Clarity,
    Covers,
    Drop,
    Match,
    Pair,
    drop,
    find_label,
    match_scenes,
    parse_all,
    select_pairs,
    select_scenes,
)
from anyband.catalog.qa import Mask
from anyband.catalog.search import Site
from anyband.runtime import UserError

PAIR_COLUMNS = (
    "pair", *PRODUCTS, "datetime_sentinel2", "datetime_landsat", "day_gap", "clear_joint", "clear_sentinel2",
    "clear_landsat", "platform_sentinel2", "platform_landsat", "baseline", "sun_zenith_sentinel2",
    "sun_zenith_landsat", "epsg_sentinel2", "epsg_landsat",
)  # fmt: skip
DROP_COLUMNS = ("sentinel2", "landsat", "reason", "detail")


def pair_site(
    site: Site, items: Mapping[str, Sequence[Mapping[str, Any]]], max_day_gap: int, min_clear: float
) -> tuple[list[dict[str, Any]], list[Drop]]:
    """Rows of the table of pairs, and what was left out; no rows when nothing is left.

    Args:
        site: the square that every scene must cover.
        items: raw items by product.
        max_day_gap: most days between the two scenes of a pair.
        min_clear: least share of the site that must be clear in both.

    Raises:
        UserError: no label covers the site, or a quality layer cannot be read.
    """
    scenes: dict[str, list[Acquisition]] = {}
    drops: list[Drop] = []
    for product in PRODUCTS:
        scenes[product], more = parse_all(items[product], product)
        drops += more
    covers = _coverage(site, scenes["sentinel2"])
    for product in ("sentinel2", "landsat", "hls_s30", "hls_l30"):
        scenes[product], more = select_scenes(scenes[product], covers)
        drops += more
    label = find_label(scenes["label"], covers)
    if label is None:
        found = len(scenes["label"])
        raise UserError(f"site {site.name}: label missing, none of {found} label items covers the whole site")
    matches, more = match_scenes(scenes, max_day_gap)
    drops += more
    matches, clarity, more = _look_at(matches, site)
    pairs, cloudy = select_pairs(matches, clarity, min_clear)
    drops += more + cloudy
    return [_row(number, pair, label) for number, pair in enumerate(pairs)], drops


def why_none(site: Site, drops: Sequence[Drop]) -> str:
    """One line on a site that is left without pairs."""
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(Counter(d.reason for d in drops).items()))
    advice = "widen the dates or max_day_gap, or lower min_clear, to keep it"
    return f"site {site.name}: no pair of scenes is left ({reasons or 'no scenes'}), so it gives no chips; {advice}"


def _coverage(site: Site, sentinel2: Sequence[Acquisition]) -> Covers:
    """A test whether the valid data of a scene cover the site's square, as laid out in the Sentinel-2 CRS."""
    from shapely import Polygon
    from shapely.affinity import translate
    from shapely.geometry import shape

    epsgs = {scene.epsg for scene in sentinel2} or {site.utm_epsg}
    square = Polygon([corner for epsg in sorted(epsgs) for corner in site_corners(site, epsg)]).convex_hull

    def covers(scene: Acquisition) -> bool:
        footprint = shape(dict(scene.footprint))
        # Some providers count longitudes beyond 180 degrees.
        return any(translate(footprint, turn).covers(square) for turn in (0, -360, 360))

    return covers


def _look_at(matches: Sequence[Match], site: Site) -> tuple[list[Match], dict[tuple[str, str], Clarity], list[Drop]]:
    """Read the quality layers of all matches, each once; matches whose layer is gone are left out."""
    import rasterio

    masks: dict[str, Mask] = {}
    gone: dict[str, Drop] = {}
    with rasterio.Env(**gdal_env()):
        for match in matches:
            points = site_points(site, match.sentinel2.epsg)
            for scene in (match.sentinel2, match.landsat):
                if scene.item_id in masks or scene.item_id in gone:
                    continue
                try:
                    masks[scene.item_id] = read_clear(scene, points, match.sentinel2.epsg)
                except UnusableItemError as error:
                    gone[scene.item_id] = drop(scene.product, scene.item_id, "unusable", str(error))
    kept = [m for m in matches if m.sentinel2.item_id in masks and m.landsat.item_id in masks]
    clarity = {}
    for match in kept:
        first, second = masks[match.sentinel2.item_id], masks[match.landsat.item_id]
        shares = (float(mask.mean()) for mask in (first & second, first, second))
        clarity[match.sentinel2.item_id, match.landsat.item_id] = Clarity(*shares)
    return kept, clarity, list(gone.values())


def _row(number: int, pair: Pair, label: Acquisition) -> dict[str, Any]:
    """One row of the table of pairs."""
    match, clarity = pair.match, pair.clarity
    sentinel2, landsat = match.sentinel2, match.landsat
    values = (
        number, sentinel2.item_id, landsat.item_id, match.hls_s30.item_id, match.hls_l30.item_id, label.item_id,
        _iso(sentinel2), _iso(landsat), match.day_gap,
        *(f"{share:.4f}" for share in (clarity.joint, clarity.sentinel2, clarity.landsat)),
        sentinel2.platform, landsat.platform, sentinel2.baseline,
        *("" if zenith is None else f"{zenith:.3f}" for zenith in (sentinel2.sun_zenith, landsat.sun_zenith)),
        sentinel2.epsg, landsat.epsg,
    )  # fmt: skip
    return dict(zip(PAIR_COLUMNS, values, strict=True))


def _iso(scene: Acquisition) -> str:
    return scene.datetime.isoformat().replace("+00:00", "Z")


def as_csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """A table as text; quoting and line ends as pandas writes them."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
