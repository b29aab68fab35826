"""Which Sentinel-2 and Landsat scenes of a site belong together: rules as functions without input or output.

Two scenes may match when they are few enough days apart and lie in one UTM zone; they need HLS versions of the very
same acquisitions and, together, a clear view of enough of the ground. Tiles of one Sentinel-2 datatake and rows of one
Landsat pass show the same ground, so they are alternatives: the best one that can be read is taken. Each pass is used
at most once, best match first. Whatever is left out is recorded with its reason.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, TypeVar

from anyband.catalog.items.acquisition import Acquisition
from anyband.catalog.pairs.selection import SAME_PASS, Drop, drop, find_passes
from anyband.raster.asset import UnusableItemError

T = TypeVar("T")
SECONDS_PER_DAY = 86_400
SAME_MOMENT = timedelta(minutes=1)
"""What an extra sensor's scene may be off the Sentinel-2 scene that it goes with."""

Candidate = tuple[Acquisition, Acquisition]
"""A Sentinel-2 and a Landsat scene."""


@dataclass(frozen=True)
class Clarity:
    """Share (0..1) of the site that is clear in both scenes and in each of them; `seen`: has data in both."""

    joint: float
    sentinel2: float
    landsat: float
    seen: float = 1.0


@dataclass(frozen=True)
class Match:
    """Scenes that belong together, and what they show of the site.

    `extra` has scenes of other sensors at the time of the Sentinel-2 scene, by product.
    """

    sentinel2: Acquisition
    landsat: Acquisition
    hls_s30: Acquisition
    hls_l30: Acquisition
    clarity: Clarity
    extra: Mapping[str, Acquisition] = field(default_factory=dict)

    @property
    def ids(self) -> tuple[str, str]:
        """Item ids of Sentinel-2 and Landsat."""
        return self.sentinel2.item_id, self.landsat.item_id

    @property
    def day_gap(self) -> int:
        """Time between the two in days, rounded."""
        return day_gap(self.sentinel2, self.landsat)


class Reading(Generic[T]):
    """What is read from files of scenes: once each, and only where needed. What cannot be used is among `drops`."""

    def __init__(self, read: Callable[[Acquisition], T]) -> None:
        """Take what reads; it raises UnusableItemError for a scene that cannot be used."""
        self._read, self._found = read, dict[str, T | None]()
        self.drops: list[Drop] = []

    def of(self, scene: Acquisition) -> T | None:
        """What is read of a scene, None if it cannot be used."""
        if scene.item_id not in self._found:
            self._found[scene.item_id] = None
            try:
                self._found[scene.item_id] = self._read(scene)
            except UnusableItemError as error:
                self.drops.append(drop(scene.product, scene.item_id, error.reason, str(error)))
        return self._found[scene.item_id]


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


def nearest_in_time(scene: Acquisition, others: Iterable[Acquisition], within: timedelta) -> Acquisition | None:
    """The scene nearest in time to `scene`, then by id; None where all are farther away than `within`."""
    near = [other for other in others if abs(other.datetime - scene.datetime) <= within]
    return min(near, key=lambda other: (abs(other.datetime - scene.datetime), other.item_id), default=None)


def find_hls(
    scene: Acquisition, tile: str, versions: Iterable[Acquisition], identified: Reading[Acquisition]
) -> Acquisition | None:
    """HLS version of `scene` in an MGRS tile: of the same pass of the same satellite, not just the nearest in time.

    The satellite of a version may have to be read from its file, which `identified` does.
    """
    near = [one for one in versions if one.tile == tile and abs(one.datetime - scene.datetime) <= SAME_PASS]
    known = [one for one in map(identified.of, near) if one and one.platform == scene.platform]
    return nearest_in_time(scene, known, SAME_PASS)


def select_pairs(matches: Sequence[Match], min_clear: float) -> tuple[list[Match], list[Drop]]:
    """Use each pass at most once: smallest day gap first, then clearest, then by id; pairs come in order of time.

    Args:
        matches: one for each two passes.
        min_clear: least share of the site that must be clear in both scenes.
    """

    def rank(match: Match) -> tuple[Any, ...]:
        return match.day_gap, -match.clarity.joint, *match.ids

    pairs: list[Match] = []
    drops: list[Drop] = []
    used: set[str] = set()
    names = find_passes({scene.item_id: scene for m in matches for scene in (m.sentinel2, m.landsat)}.values())
    for match in sorted(matches, key=rank):
        passes = {names[item_id] for item_id in match.ids}
        if match.clarity.joint < min_clear:
            drops.append(Drop(*match.ids, *_too_little(match.clarity, min_clear)))
        elif passes & used:
            drops.append(Drop(*match.ids, "scene used", "one of the two belongs to a better pair"))
        else:
            used |= passes
            pairs.append(match)
    return sorted(pairs, key=lambda pair: (pair.sentinel2.datetime, pair.sentinel2.item_id)), drops


def _too_little(clarity: Clarity, min_clear: float) -> tuple[str, str]:
    """Reason and detail of a match that shows too little of the site."""
    if clarity.seen < min_clear:
        return "no data", f"data in both {clarity.seen:.3f} < {min_clear:g}, although both footprints cover the site"
    shares = f"(Sentinel-2 {clarity.sentinel2:.3f}, Landsat {clarity.landsat:.3f})"
    return "cloudy", f"clear in both {clarity.joint:.3f} < {min_clear:g} {shares}"
