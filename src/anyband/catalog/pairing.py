"""Which Sentinel-2 and Landsat scenes of a site belong together: rules as functions without input or output.

In order: an acquisition must be usable, Landsat of tier 1, and cover the whole site; of several versions of one scene
the newest stays, of several scenes of one pass one stays; two scenes match when they lie in one UTM zone and are few
enough days apart, have HLS versions of the very same acquisitions and, together, see enough of the ground; each pass
is used at most once, best match first. Whatever is left out is recorded with its reason.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anyband.catalog.acquisition import Acquisition, UnusableItemError
from anyband.catalog.dialects import parse_item

PRODUCTS = ("sentinel2", "landsat", "hls_s30", "hls_l30", "label")
SECONDS_PER_DAY = 86_400

Covers = Callable[[Acquisition], bool]


@dataclass(frozen=True)
class Drop:
    """A scene or a match that is not used; ids are empty where they do not apply."""

    sentinel2: str
    landsat: str
    reason: str
    detail: str


@dataclass(frozen=True)
class Match:
    """Scenes that belong together, whatever the sky; `day_gap` is the time between them in days, rounded."""

    sentinel2: Acquisition
    landsat: Acquisition
    hls_s30: Acquisition
    hls_l30: Acquisition
    day_gap: int


@dataclass(frozen=True)
class Clarity:
    """Share (0..1) of the site that is clear in both scenes, and in each of them."""

    joint: float
    sentinel2: float
    landsat: float


@dataclass(frozen=True)
class Pair:
    """A match that is used."""

    match: Match
    clarity: Clarity


def drop(product: str, item_id: str, reason: str, detail: str) -> Drop:
    """Record one scene that is not used, in the column of its sensor."""
    if product in ("landsat", "hls_l30"):
        return Drop("", item_id, reason, detail)
    return Drop(item_id, "", reason, detail)


def parse_all(items: Iterable[Mapping[str, Any]], product: str) -> tuple[list[Acquisition], list[Drop]]:
    """Acquisitions of the usable items of one product, sorted by id."""
    kept, drops = [], []
    for item in sorted(items, key=lambda item: str(item["id"])):
        try:
            kept.append(parse_item(item))
        except UnusableItemError as error:
            drops.append(drop(product, str(item["id"]), "unusable", str(error)))
    return kept, drops


def select_scenes(scenes: Sequence[Acquisition], covers: Covers) -> tuple[list[Acquisition], list[Drop]]:
    """Scenes of one product that may be paired: tier 1, whole site, newest version, one a pass and UTM zone."""
    kept, drops = [], []
    for scene in scenes:
        if scene.tier not in (None, "T1"):
            drops.append(drop(scene.product, scene.item_id, "tier", f"{scene.tier}: only T1 is registered well enough"))
        elif not covers(scene):
            drops.append(drop(scene.product, scene.item_id, "partial", "its valid data do not cover the whole site"))
        else:
            kept.append(scene)
    for reason, key, rank in (("reprocessed", version_key, _newest_first), ("same pass", pass_key, _by_id)):
        kept, more = _one_each(kept, reason, key, rank)
        drops += more
    return kept, drops


def _one_each(
    scenes: Sequence[Acquisition],
    reason: str,
    key: Callable[[Acquisition], Any],
    rank: Callable[[Sequence[Acquisition]], list[Acquisition]],
) -> tuple[list[Acquisition], list[Drop]]:
    """The first scene, in order of `rank`, of each group with one key."""
    groups: dict[Any, list[Acquisition]] = {}
    for scene in scenes:
        groups.setdefault(key(scene), []).append(scene)
    ranked = [rank(group) for group in groups.values()]
    drops = [
        drop(scene.product, scene.item_id, reason, f"{first.item_id} is used instead")
        for first, *rest in ranked
        for scene in rest
    ]
    return [group[0] for group in ranked], drops


def version_key(scene: Acquisition) -> tuple[Any, ...]:
    """Equal for versions of one scene that differ in processing only."""
    return scene.platform, scene.tile, _second(scene)


def pass_key(scene: Acquisition) -> tuple[Any, ...]:
    """Equal for scenes of one pass in one UTM zone: Sentinel-2 by start of datatake, Landsat by path and day."""
    zone = scene.epsg % 100
    if scene.product == "landsat":
        return scene.platform, zone, scene.tile[:3], scene.datetime.date()
    return scene.platform, zone, _second(scene)


def _second(scene: Acquisition) -> Any:
    return scene.datetime.replace(microsecond=0)


def _by_id(scenes: Sequence[Acquisition]) -> list[Acquisition]:
    return sorted(scenes, key=lambda scene: scene.item_id)


def _newest_first(scenes: Sequence[Acquisition]) -> list[Acquisition]:
    def age(scene: Acquisition) -> tuple[str, str, str]:
        return scene.baseline or "", scene.produced, scene.item_id

    return sorted(scenes, key=age, reverse=True)


def match_scenes(scenes: Mapping[str, Sequence[Acquisition]], max_day_gap: int) -> tuple[list[Match], list[Drop]]:
    """All matches of Sentinel-2 and Landsat scenes within `max_day_gap` days; `scenes` by product, HLS included."""
    matches: list[Match] = []
    drops: list[Drop] = []
    for sentinel2 in scenes["sentinel2"]:
        for landsat in scenes["landsat"]:
            gap = abs((sentinel2.datetime - landsat.datetime).total_seconds()) / SECONDS_PER_DAY
            if round(gap) > max_day_gap:
                continue
            ids = sentinel2.item_id, landsat.item_id
            if sentinel2.epsg % 100 != landsat.epsg % 100:
                drops.append(
                    Drop(*ids, "zone", f"EPSG:{sentinel2.epsg} and EPSG:{landsat.epsg} are different UTM zones")
                )
                continue
            hls_s30 = find_hls(scenes["hls_s30"], sentinel2, sentinel2.tile)
            hls_l30 = find_hls(scenes["hls_l30"], landsat, sentinel2.tile)
            if hls_s30 is None or hls_l30 is None:
                missing = "S30" if hls_s30 is None else "L30"
                drops.append(Drop(*ids, "no HLS", f"no {missing} of the same acquisition in tile {sentinel2.tile}"))
                continue
            matches.append(Match(sentinel2, landsat, hls_s30, hls_l30, round(gap)))
    paired = {scene.item_id for match in matches for scene in (match.sentinel2, match.landsat)}
    named = paired | {name for entry in drops for name in (entry.sentinel2, entry.landsat)}
    for scene in (*scenes["sentinel2"], *scenes["landsat"]):
        if scene.item_id not in named:
            drops.append(
                drop(
                    scene.product,
                    scene.item_id,
                    "no partner",
                    f"no scene of the other sensor within {max_day_gap} days",
                )
            )
    return matches, drops


def find_hls(candidates: Sequence[Acquisition], scene: Acquisition, tile: str) -> Acquisition | None:
    """HLS version of `scene`: same tile, day and satellite; the nearest in time where there are several."""
    same = [
        candidate
        for candidate in candidates
        if candidate.tile == tile
        and candidate.platform == scene.platform
        and candidate.datetime.date() == scene.datetime.date()
    ]
    return min(same, key=lambda found: (abs(found.datetime - scene.datetime), found.item_id), default=None)


def select_pairs(
    matches: Sequence[Match], clarity: Mapping[tuple[str, str], Clarity], min_clear: float
) -> tuple[list[Pair], list[Drop]]:
    """Use each pass at most once: smallest day gap first, then clearest, then by id; pairs come in order of time.

    Args:
        matches: all matches.
        clarity: by ids of the Sentinel-2 and the Landsat scene.
        min_clear: least share of the site that must be clear in both scenes.
    """

    def rank(match: Match) -> tuple[Any, ...]:
        ids = match.sentinel2.item_id, match.landsat.item_id
        return match.day_gap, -clarity[ids].joint, *ids

    pairs: list[Pair] = []
    drops: list[Drop] = []
    used: set[Any] = set()
    for match in sorted(matches, key=rank):
        ids = match.sentinel2.item_id, match.landsat.item_id
        passes = {pass_key(match.sentinel2), pass_key(match.landsat)}
        seen = clarity[ids]
        if seen.joint < min_clear:
            detail = f"clear in both {seen.joint:.3f} < {min_clear:g}"
            drops.append(
                Drop(*ids, "cloudy", f"{detail} (Sentinel-2 {seen.sentinel2:.3f}, Landsat {seen.landsat:.3f})")
            )
        elif passes & used:
            drops.append(Drop(*ids, "scene used", "one of the two belongs to a better pair"))
        else:
            used |= passes
            pairs.append(Pair(match, seen))
    return sorted(pairs, key=lambda pair: (pair.match.sentinel2.datetime, pair.match.sentinel2.item_id)), drops


def find_label(labels: Sequence[Acquisition], covers: Covers) -> Acquisition | None:
    """The newest label that covers the whole site."""
    usable = [label for label in labels if covers(label)]
    return max(usable, key=lambda label: (label.datetime, label.produced, label.item_id), default=None)
