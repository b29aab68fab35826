"""Which Sentinel-2 and Landsat scenes of a site belong together: rules as functions without input or output.

Two scenes may match when they are few enough days apart and lie in one UTM zone; they need HLS versions of the very
same acquisitions and, together, a clear view of enough of the ground. Tiles of one Sentinel-2 datatake and rows of one
Landsat pass show the same ground, so they are alternatives: the best one that can be read is taken. Each pass is used
at most once, best match first. Whatever is left out is recorded with its reason.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from anyband.catalog.items.acquisition import Acquisition
from anyband.catalog.pairs.selection import SAME_PASS, Drop, drop, find_passes
from anyband.raster.asset import UnusableItemError

SECONDS_PER_DAY = 86_400
SAME_MOMENT = timedelta(minutes=1)
"""What an extra sensor's scene may be off the Sentinel-2 scene that it goes with."""


@dataclass(frozen=True)
class Match:
    """Scenes that belong together, whatever the sky; `day_gap` is the time between them in days, rounded.

    `extra` has scenes of other sensors at the time of the Sentinel-2 scene, by product.
    """

    sentinel2: Acquisition
    landsat: Acquisition
    hls_s30: Acquisition
    hls_l30: Acquisition
    day_gap: int
    extra: Mapping[str, Acquisition] = field(default_factory=dict)

    @property
    def ids(self) -> tuple[str, str]:
        """Item ids of Sentinel-2 and Landsat."""
        return self.sentinel2.item_id, self.landsat.item_id


@dataclass(frozen=True)
class Clarity:
    """Share (0..1) of the site that is clear in both scenes and in each of them; `seen`: has data in both."""

    joint: float
    sentinel2: float
    landsat: float
    seen: float = 1.0


@dataclass(frozen=True)
class Pair:
    """A match that is used."""

    match: Match
    clarity: Clarity


Candidate = tuple[Acquisition, Acquisition]
"""A Sentinel-2 and a Landsat scene."""


def find_candidates(
    sentinel2: Sequence[Acquisition], landsat: Sequence[Acquisition], max_day_gap: int
) -> tuple[list[list[Candidate]], list[Drop]]:
    """Scenes within `max_day_gap` days of each other and in one UTM zone.

    Returns:
        One list for each two passes, the preferred candidate first: of one CRS (both north of the equator), then by
        id; and what has no partner in time, or another zone.
    """
    passes = find_passes([*sentinel2, *landsat])
    groups: dict[tuple[str, str], list[Candidate]] = {}
    drops: list[Drop] = []
    near: set[str] = set()
    for first in sentinel2:
        for second in landsat:
            if day_gap(first, second) > max_day_gap:
                continue
            near |= {first.item_id, second.item_id}
            if first.epsg % 100 != second.epsg % 100:
                detail = f"EPSG:{first.epsg} and EPSG:{second.epsg} are different UTM zones"
                drops.append(Drop(first.item_id, second.item_id, "zone", detail))
            else:
                groups.setdefault((passes[first.item_id], passes[second.item_id]), []).append((first, second))
    for scene in (*sentinel2, *landsat):
        if scene.item_id not in near:
            detail = f"no scene of the other sensor within {max_day_gap} days"
            drops.append(drop(scene.product, scene.item_id, "no partner", detail))
    return [sorted(group, key=_preference) for _, group in sorted(groups.items())], drops


def _preference(candidate: Candidate) -> tuple[bool, str, str]:
    first, second = candidate
    return first.epsg != second.epsg, first.item_id, second.item_id


def day_gap(first: Acquisition, second: Acquisition) -> int:
    """Days between two scenes, rounded."""
    return round(abs((first.datetime - second.datetime).total_seconds()) / SECONDS_PER_DAY)


class HlsVersions:
    """HLS scenes of a site, whose satellites may have to be read from their files: once, and only where needed."""

    def __init__(self, scenes: Sequence[Acquisition], identify: Callable[[Acquisition], Acquisition]) -> None:
        """Take the scenes of one product, and what adds the satellite to one that does not name it."""
        self._by_tile: dict[str, list[Acquisition]] = {}
        for scene in scenes:
            self._by_tile.setdefault(scene.tile, []).append(scene)
        self._identify = identify
        self._identified: dict[str, Acquisition | None] = {}
        self.drops: list[Drop] = []

    def find(self, scene: Acquisition, tile: str) -> Acquisition | None:
        """HLS version of `scene` in an MGRS tile: of the same pass of the same satellite, not the nearest in time."""
        near = [c for c in self._by_tile.get(tile, ()) if abs(c.datetime - scene.datetime) <= SAME_PASS]
        found = [known for c in near if (known := self._with_platform(c)) and known.platform == scene.platform]
        return min(found, key=lambda known: (abs(known.datetime - scene.datetime), known.item_id), default=None)

    def _with_platform(self, scene: Acquisition) -> Acquisition | None:
        if scene.platform:
            return scene
        if scene.item_id not in self._identified:
            try:
                self._identified[scene.item_id] = self._identify(scene)
            except UnusableItemError as error:
                self._identified[scene.item_id] = None
                self.drops.append(drop(scene.product, scene.item_id, error.reason, str(error)))
        return self._identified[scene.item_id]


def find_extra(
    scene: Acquisition, extra: Mapping[str, Sequence[Acquisition]]
) -> tuple[dict[str, Acquisition], str | None]:
    """By product, the extra sensors' scenes of the time of a Sentinel-2 scene; and the first product without one."""
    found = {}
    for product, scenes in extra.items():
        near = [other for other in scenes if abs(other.datetime - scene.datetime) <= SAME_MOMENT]
        if not near:
            return {}, product
        found[product] = min(near, key=lambda other: (abs(other.datetime - scene.datetime), other.item_id))
    return found, None


def select_pairs(
    matches: Sequence[Match], clarity: Mapping[tuple[str, str], Clarity], min_clear: float
) -> tuple[list[Pair], list[Drop]]:
    """Use each pass at most once: smallest day gap first, then clearest, then by id; pairs come in order of time.

    Args:
        matches: one for each two passes.
        clarity: by ids of the Sentinel-2 and the Landsat scene.
        min_clear: least share of the site that must be clear in both scenes.
    """

    def rank(match: Match) -> tuple[Any, ...]:
        return match.day_gap, -clarity[match.ids].joint, *match.ids

    pairs: list[Pair] = []
    drops: list[Drop] = []
    used: set[str] = set()
    names = find_passes({scene.item_id: scene for m in matches for scene in (m.sentinel2, m.landsat)}.values())
    for match in sorted(matches, key=rank):
        passes, seen = {names[item_id] for item_id in match.ids}, clarity[match.ids]
        if seen.joint < min_clear:
            drops.append(Drop(*match.ids, *_too_little(seen, min_clear)))
        elif passes & used:
            drops.append(Drop(*match.ids, "scene used", "one of the two belongs to a better pair"))
        else:
            used |= passes
            pairs.append(Pair(match, seen))
    return sorted(pairs, key=lambda pair: (pair.match.sentinel2.datetime, pair.match.sentinel2.item_id)), drops


def _too_little(clarity: Clarity, min_clear: float) -> tuple[str, str]:
    """Reason and detail of a match that shows too little of the site."""
    if clarity.seen < min_clear:
        return "no data", f"data in both {clarity.seen:.3f} < {min_clear:g}, although both footprints cover the site"
    shares = f"(Sentinel-2 {clarity.sentinel2:.3f}, Landsat {clarity.landsat:.3f})"
    return "cloudy", f"clear in both {clarity.joint:.3f} < {min_clear:g} {shares}"
