"""From figures to findings: what is explainable (warn), and where metadata and pixels contradict each other."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from anyband.audit.hypotheses import COMPARISONS, IMPROVED_GEOLOCATION, MIN_CELLS, MIN_QUALITY, STOP, VARIATION, WARN
from anyband.products import BRIGHTEST_MEDIAN, PRODUCTS

BY_NAME = {comparison.name: comparison for comparison in COMPARISONS}
PASS, WARNING, CONTRADICTION, TOO_FEW = "pass", "warn", "contradiction", "too few pixels"


@dataclass(frozen=True)
class Finding:
    """One remark on a pair.

    Attributes:
        kind: "offset", "scale", "bands", "shift", "ground", "statistic" ...
        verdict: WARNING or CONTRADICTION.
        products: whose items it is about.
        found: what was measured.
        cause: what probably lies behind it.
    """

    kind: str
    verdict: str
    products: tuple[str, ...]
    found: str
    cause: str


def culprits(off: Collection[str], measured: Collection[str]) -> tuple[str, ...]:
    """Products to blame when the comparisons `off` are off and the others of `measured` are not.

    S30 belongs to Sentinel-2 and L30 to Landsat: S30 - Sentinel-2 - Landsat - L30 is a chain, and a fault of one
    product breaks all its links and no other.
    """
    links: dict[str, set[str]] = {}
    for name in measured:
        for product in name.split("-"):
            links.setdefault(product, set()).add(name)
    fitting = [product for product, names in links.items() if names == set(off)]
    return tuple(sorted(fitting or {product for name in off for product in name.split("-")}))


def listed(products: Collection[str], between: str = " and ") -> str:
    """Products in words."""
    return between.join(PRODUCTS[product].heading for product in products)


def pretty(name: str) -> str:
    """The two products of a comparison in words."""
    return listed(name.split("-"), " - ")


def moved(shift: Mapping[str, float]) -> str:
    """A shift in words: "14.5 m east and 15.0 m south"."""
    east, south = shift["east_m"], shift["south_m"]
    across, along = "east" if east >= 0 else "west", "south" if south >= 0 else "north"
    return f"{abs(east):.1f} m {across} and {abs(south):.1f} m {along}"


def judge(figures: Mapping[str, Any], day: str) -> tuple[str, list[Finding]]:
    """Verdict and findings of one pair.

    Args:
        figures: of `measure`.
        day: of the Sentinel-2 scene, YYYY-MM-DD.
    """
    measured = {name: found for name, found in figures["comparisons"].items() if "bands" in found}
    ground = list(_other_ground(measured))
    findings = [*_same_pixels(figures), *(ground or _metadata(measured, figures["offset"]))]
    if not ground:
        findings += _shifts(figures["comparisons"], day)
    if not findings:
        findings = list(_too_bright(figures["products"])) or unusual(figures["comparisons"], figures["products"])
    if any(finding.verdict == CONTRADICTION for finding in findings):
        return CONTRADICTION, findings
    if "sentinel2-landsat" not in measured:
        return TOO_FEW, findings
    return (WARNING if findings else PASS), findings


def _other_ground(measured: Mapping[str, Any]) -> Iterator[Finding]:
    """Products that do not show the same place; this hides everything else about the metadata."""
    rs = {name: found["highest_r"] for name, found in measured.items()}
    off = sorted(name for name, r in rs.items() if r is not None and r < STOP["common_r"])
    if off:
        shown = ", ".join(f"{rs[name]:.2f} ({pretty(name)})" for name in off)
        found = f"highest correlation of all bands only {shown}: the products do not show the same ground"
        cause = "a CRS of the wrong hemisphere or zone, or a grid that is not the file's"
        yield Finding("ground", CONTRADICTION, culprits(off, measured), found, cause)


def _metadata(measured: Mapping[str, Any], offset: Mapping[str, Any]) -> list[Finding]:
    """Exchanged bands, offset, scale, one band: the first that holds, for each hides the next."""
    telling = {name: found for name, found in measured.items() if found["highest_r"] is not None}
    return (
        list(_exchanged(measured))
        or list(_offset(offset))
        or list(_scale(telling, measured))
        or list(_lone(telling, measured))
        or list(_undecided(measured, offset))
    )


def _exchanged(measured: Mapping[str, Any]) -> Iterator[Finding]:
    """Two bands under each other's names; in which product, the other comparisons of both bands tell."""
    seen = {name: tuple(found["exchanged"][0]) for name, found in measured.items() if found["exchanged"]}
    if not seen:
        return
    name, bands = next(iter(seen.items()))
    guilty = culprits(seen, {*seen, *(other for other in measured if _has_both(other, name, bands))})
    own = _translated(name, bands, guilty[0])
    where = f"between {listed(guilty)}"
    if len(guilty) == 1:
        witnesses = {product for other in seen for product in other.split("-")} - {*guilty}
        shown = "shows" if len(witnesses) == 1 else "show"
        where = f"in {listed(guilty)}, as {listed(sorted(witnesses))} {shown}"
    found = f"bands {own[0]} and {own[1]} are exchanged {where}"
    yield Finding("bands", CONTRADICTION, guilty, found, "a wrong assignment of assets to bands")


def _translated(name: str, bands: tuple[str, ...], product: str) -> list[str]:
    """Bands of the first product of a comparison by their names in one of its two products."""
    comparison = BY_NAME[name]
    return [comparison.bands[band] if product == comparison.second else band for band in bands]


def _has_both(other: str, name: str, bands: tuple[str, ...]) -> bool:
    """Whether another comparison, of a product of this one, has both bands as well."""
    known: dict[str, Collection[str]] = {
        BY_NAME[other].first: BY_NAME[other].bands.keys(),
        BY_NAME[other].second: BY_NAME[other].bands.values(),
    }
    return any(
        set(_translated(name, bands, shared)) <= {*known[shared]} for shared in name.split("-") if shared in known
    )


def _offset(offset: Mapping[str, Any]) -> Iterator[Finding]:
    """The offset of baseline 04.00 of Sentinel-2."""
    texts = {
        "+0.1": ("0.1 too low", "the offset of -0.1 is applied although the pixels do not hold it"),
        "-0.1": ("0.1 too high", "the pixels hold the offset of baseline 04.00 and it is not taken off"),
    }
    if offset["decision"] in texts:
        how, cause = texts[offset["decision"]]
        witnesses = [name for name, twin in offset["twins"].items() if twin["decision"] == offset["decision"]]
        found = f"Sentinel-2 is {how} in all bands against {listed(witnesses)}"
        yield Finding("offset", CONTRADICTION, ("sentinel2",), found, cause)


def _scale(telling: Mapping[str, Any], measured: Mapping[str, Any]) -> Iterator[Finding]:
    """Scale or offset of a whole product: one line through all bands is far from 1:1."""
    lines = {name: found["line"] for name, found in telling.items() if found["line"] and _off_line(found["line"])}
    if lines:
        shown = "; ".join(_line_text(name, line) for name, line in sorted(lines.items()))
        yield _change_or(
            "scale",
            lines,
            measured,
            f"all bands follow {shown}",
            ("snow, haze, flood or harvest between the acquisitions", "scale or offset is not that of the pixels"),
        )


def _line_text(name: str, line: Mapping[str, float]) -> str:
    first, second = (PRODUCTS[product].heading for product in name.split("-"))
    sign = "-" if line["intercept"] < 0 else "+"
    return f"{second} = {line['slope']:.2f} {first} {sign} {abs(line['intercept']):.3f}"


def _off_line(line: Mapping[str, float]) -> bool:
    along = STOP["line_slope_low"] <= line["slope"] <= STOP["line_slope_high"]
    return abs(line["intercept"]) > STOP["line_intercept"] or not along


def _lone(telling: Mapping[str, Any], measured: Mapping[str, Any]) -> Iterator[Finding]:
    """One band far off while the others agree."""
    off = {name: found for name, found in telling.items() if found["lone"]}
    if off:
        shown = ", ".join(
            f"{band} differs by {found['bands'][band]['difference']:+.3f} ({pretty(name)})"
            for name, found in sorted(off.items())
            for band in found["lone"]
        )
        causes = "haze or change between the acquisitions", "the asset of another band under this name"
        yield _change_or("bands", off, measured, shown, causes)


def _change_or(
    kind: str, off: Collection[str], measured: Mapping[str, Any], found: str, causes: tuple[str, str]
) -> Finding:
    """A change of the ground where both items agree with the HLS product of their acquisition; else a contradiction."""
    guilty = culprits(off, measured)
    if len(measured) == 3 and set(off) == {"sentinel2-landsat"}:
        return Finding("change", WARNING, guilty, found, causes[0])
    return Finding(kind, CONTRADICTION, guilty, found, causes[1])


def _undecided(measured: Mapping[str, Any], offset: Mapping[str, Any]) -> Iterator[Finding]:
    if measured and offset["decision"] == "undecided":
        found = f"the offset of Sentinel-2 is undecided: no hypothesis fits all bands (dark pixels: {offset['dark']})"
        yield Finding("offset", WARNING, ("sentinel2",), found, "too little stable ground, haze or change")


def _same_pixels(figures: Mapping[str, Any]) -> Iterator[Finding]:
    for product, pairs in figures["same_pixels"].items():
        for first, second in pairs[:1]:
            found = f"{first} and {second} of {PRODUCTS[product].heading} hold the same pixels"
            yield Finding("bands", CONTRADICTION, (product,), found, "one asset taken for two bands")


def _shifts(comparisons: Mapping[str, Any], day: str) -> Iterator[Finding]:
    """Products that do not lie on each other."""
    improved = day >= IMPROVED_GEOLOCATION
    warn = next(entry for entry in WARN if entry.statistic == "shift_m")
    shifts = {n: c["shift"] for n, c in comparisons.items() if c["shift"] and c["shift"]["quality"] >= MIN_QUALITY}
    metres = {name: shift["distance_m"] for name, shift in shifts.items()}
    some = {name for name in shifts if not warn.holds(metres[name])}
    if not some:
        return
    off = {name for name in shifts if metres[name] > STOP["shift_m"]}
    # L30 is Landsat's own pixels on another grid: no registration lies between them, whatever the date.
    far = {name for name in off if improved or name == "landsat-hls_l30" or metres[name] > STOP["shift_before_m"]}
    found = "; ".join(
        f"{listed([second])} has to move {moved(shifts[name])} to lie on {listed([first])}"
        for name in sorted(far or some)
        for first, second in [name.split("-")]
    )
    if far:
        cause = "a grid that was snapped or announced off the file's (Landsat's edges lie at odd multiples of 15 m)"
    elif improved:
        cause = "registration: less than one pair in a hundred is that far off"
    else:
        cause = f"registration before the improved geolocation of {IMPROVED_GEOLOCATION}"
    # Where registration may explain one of the shifts, the others do not tell which product is off.
    guilty = culprits(far or some, shifts if far in (off, set()) else far)
    yield Finding("shift", CONTRADICTION if far else WARNING, guilty, found, cause)


def _too_bright(products: Mapping[str, Any]) -> Iterator[Finding]:
    """Products whose clear pixels are no reflectance, though they agree, or nothing is there to compare."""
    for product, bands in products.items():
        medians = {band: found["median"] for band, found in bands.items() if found["pixels"] >= MIN_CELLS}
        off = {band: median for band, median in medians.items() if median > BRIGHTEST_MEDIAN}
        if off:
            shown = ", ".join(f"{band} {median:.3g}" for band, median in off.items())
            found = f"{listed([product])}: median of clear pixels {shown}, no ground has more than {BRIGHTEST_MEDIAN}"
            yield Finding("scale", CONTRADICTION, (product,), found, "scale or offset is not that of the pixels")


def unusual(comparisons: Mapping[str, Any], products: Mapping[str, Any]) -> list[Finding]:
    """Warnings on a pair that contradicts nothing.

    Args:
        comparisons: figures by name, of `measure`.
        products: levels by product and band.
    """
    measured = {name: found for name, found in comparisons.items() if "bands" in found}
    findings = []
    for name in comparisons if measured else ():
        if name not in measured:
            found = f"{pretty(name)}: too few pixels clear in both, so these two are not compared"
            findings.append(Finding("few", WARNING, tuple(name.split("-")), found, "clouds, and margins around them"))
    for name in measured:
        if measured[name]["highest_r"] is None:
            found = f"{pretty(name)}: fewer than two bands vary, so ground and bands cannot be told"
            findings.append(Finding("flat", WARNING, tuple(name.split("-")), found, "water, sand or snow throughout"))
    for name in measured:
        stable = {band: figures["stable"] for band, figures in measured[name]["bands"].items()}
        findings += _outside(name, name.split("-"), stable)
    for product, bands in products.items():
        findings += _outside("levels", [product], {band: found for band, found in bands.items() if found["pixels"]})
    return findings


def _outside(comparison: str, products: Collection[str], bands: Mapping[str, Mapping[str, float]]) -> Iterator[Finding]:
    """Statistics outside the range of good pairs; slopes and correlations only of bands that vary."""
    for entry in (e for e in WARN if e.comparison == comparison):
        if entry.statistic in ("r", "rma_slope"):
            varying = [b for b, found in bands.items() if min(found["std_first"], found["std_second"]) >= VARIATION]
        else:
            varying = list(bands)
        values = {band: bands[band][entry.statistic] for band in varying}
        off = {band: value for band, value in values.items() if not entry.holds(value)}
        if off:
            shown = ", ".join(f"{band} {value:.3g}" for band, value in off.items())
            span = f"{entry.low} to {entry.high}"
            if entry.low is None or entry.high is None:
                span = f"at most {entry.high}" if entry.low is None else f"at least {entry.low}"
            found = f"{listed(products, ' - ')}: {entry.statistic} {shown}, expected {span}"
            yield Finding("statistic", WARNING, tuple(products), found, "haze, change, dark or flat ground")
