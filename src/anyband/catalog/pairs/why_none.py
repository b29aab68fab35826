"""Why nothing is left of a site, and what helps: advice follows what most scenes or chips were left out for."""

from collections import Counter
from collections.abc import Sequence

from anyband.catalog.pairs.selection import Drop
from anyband.catalog.pairs.site_pairs import NOT_NEEDED
from anyband.catalog.sites import Site

REPLACED = (NOT_NEEDED, "duplicate", "reprocessed", "same pass", "scene used")
"""Left out because something else is used instead; no cause."""

FOLLOWING = ("no partner", "no HLS")
"""May follow from another scene's loss, which is told first where there are as many of both."""

ADVICE = {
    "cloudy": "widen the dates or max_day_gap, or lower min_clear",
    "cloud": "widen the dates, or lower min_clear or chip_min_clear",
    "no partner": "widen the dates or max_day_gap",
    "tier": "widen the dates",
    "no HLS": "choose dates, or a catalogue, with HLS scenes of the same passes",
    "no extra sensor": "choose dates at which every sensor of extra_sensors has scenes",
    "partial": "move the site into the scenes, or lower extent_m",
    "no data": "move the site into the scenes, or lower extent_m",
    "outside": "move the site into the scenes, or lower extent_m",
    "zone": "move the site away from the border of two UTM zones",
    "no label": "choose another site or label: no class is known there",
    "excluded": "take ids out of the dataset's `exclude`",
}
"""What helps against a reason; of others the first detail says what is wrong."""


def why_none(site: Site, drops: Sequence[Drop]) -> str:
    """One line on a site that is left without pairs."""
    counts = Counter(entry.reason for entry in drops if entry.reason != NOT_NEEDED)
    listed = list_reasons(counts) or "no scenes"
    advice = advise(causes(drops), drops)
    return f"site {site.name}: no pair of scenes is left ({listed}), so it gives no chips; {advice}"


def list_reasons(counts: Counter[str]) -> str:
    """Reasons with their numbers, the commonest first."""
    return ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items(), key=lambda c: (-c[1], c[0])))


def causes(drops: Sequence[Drop]) -> Counter[str]:
    """Numbers of the reasons that left a site without pairs.

    Where a sensor has lost all its scenes, the other's have no partner because of that: only its own reasons count.
    """
    told = [entry for entry in drops if entry.reason not in REPLACED]
    for name in ("sentinel2", "landsat"):
        own = Counter(entry.reason for entry in told if getattr(entry, name))
        if own and "no partner" not in own:
            return own
    return Counter(entry.reason for entry in told)


def advise(counts: Counter[str], drops: Sequence[Drop]) -> str:
    """What to do about the commonest reason.

    Args:
        counts: of reasons, in pairing or in cutting ("outside the landsat scene" counts as "outside").
        drops: where details are looked up.
    """
    if not counts:
        return ADVICE["no partner"]
    main = max(sorted(counts), key=lambda reason: (counts[reason], reason not in ADVICE, reason not in FOLLOWING))
    known = ADVICE.get("outside" if main.startswith("outside") else main)
    if known:
        return known
    detail = next((entry.detail for entry in drops if entry.reason == main and entry.detail), "see the table of drops")
    return f"other dates or thresholds do not mend that; the first of them: {' '.join(detail.split())}"
