"""From figures to findings: what is explainable (warn), and where metadata and pixels contradict each other."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from anyband.audit.limits import COMPARISONS, IMPROVED_GEOLOCATION, MIN_QUALITY, STOP, VARIATION, WARN, Expected
from anyband.products import PRODUCTS

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


def culprits(off: set[str], measured: set[str]) -> tuple[str, ...]:
    """Products to blame when the comparisons `off` are off and the others of `measured` are not.

    S30 belongs to Sentinel-2 and L30 to Landsat: S30 - Sentinel-2 - Landsat - L30 is a chain, and a fault of one
    product breaks all its links and no other.
    """
    products = sorted({product for name in measured for product in name.split("-")})
    fitting = [p for p in products if {name for name in measured if p in name.split("-")} == off]
    if fitting:
        return tuple(fitting)
    return tuple(sorted({product for name in off for product in name.split("-")}))


def pretty(name: str) -> str:
    """The two products of a comparison in words."""
    return " - ".join(PRODUCTS[product].heading for product in name.split("-"))


def listed(products: Iterable[str]) -> str:
    """Products in words."""
    return " and ".join(PRODUCTS[product].heading for product in products)


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
    findings = [*_same_pixels(figures), *_metadata(measured, figures["offset"])]
    findings += _shifts(figures["comparisons"], day, findings)
    if not findings:
        findings = unusual(figures["comparisons"], figures["products"])
    if any(finding.verdict == CONTRADICTION for finding in findings):
        return CONTRADICTION, findings
    if "sentinel2-landsat" not in measured:
        return TOO_FEW, findings
    return (WARNING if findings else PASS), findings


def _metadata(measured: Mapping[str, Any], offset: Mapping[str, Any]) -> list[Finding]:
    """Other ground, exchanged bands, offset, scale: the first that holds, for each hides the next."""
    ground = {name for name, found in measured.items() if _no_common_ground(found)}
    if ground:
        rs = ", ".join(f"{measured[name]['highest_r']:.2f} ({pretty(name)})" for name in sorted(ground))
        return [
            Finding(
                "ground",
                CONTRADICTION,
                culprits(ground, set(measured)),
                f"highest correlation of all bands only {rs}: the products do not show the same ground",
                "a CRS of the wrong hemisphere or zone, or a grid that is not the file's",
            )
        ]
    return (
        list(_exchanged(measured))
        or _offset(offset)
        or _scale(measured)
        or list(_lone(measured))
        or list(_undecided(measured, offset))
    )


def _no_common_ground(found: Mapping[str, Any]) -> bool:
    return found["highest_r"] is not None and found["highest_r"] < STOP["common_r"]


def _exchanged(measured: Mapping[str, Any]) -> Iterator[Finding]:
    """Two bands under each other's names; in which product, the other comparisons of both bands tell."""
    seen = {name: tuple(found["exchanged"][0]) for name, found in measured.items() if found["exchanged"]}
    if not seen:
        return
    name, bands = next(iter(seen.items()))
    guilty = culprits(set(seen), set(seen) | {other for other in measured if _has_both(other, name, bands)})
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
    if product != comparison.second:
        return list(bands)
    return [dict(comparison.bands)[band] for band in bands]


def _has_both(other: str, name: str, bands: tuple[str, ...]) -> bool:
    """Whether another comparison, of a product of this one, has both bands as well."""
    column = {BY_NAME[other].first: 0, BY_NAME[other].second: 1}
    shared = column.keys() & {BY_NAME[name].first, BY_NAME[name].second}
    return any(
        set(_translated(name, bands, product)) <= {pair[column[product]] for pair in BY_NAME[other].bands}
        for product in shared
    )


def _offset(offset: Mapping[str, Any]) -> list[Finding]:
    """The offset of baseline 04.00 of Sentinel-2."""
    texts = {
        "+0.1": ("0.1 too low", "the offset of -0.1 is applied although the pixels do not hold it"),
        "-0.1": ("0.1 too high", "the pixels hold the offset of baseline 04.00 and it is not taken off"),
    }
    if offset["decision"] not in texts:
        return []
    how, cause = texts[offset["decision"]]
    witnesses = [name for name, twin in offset["twins"].items() if twin["decision"] == offset["decision"]]
    found = f"Sentinel-2 is {how} in all bands against {listed(witnesses)}"
    return [Finding("offset", CONTRADICTION, ("sentinel2",), found, cause)]


def _scale(measured: Mapping[str, Any]) -> list[Finding]:
    """Scale or offset of a whole product: one line through all bands is far from 1:1."""
    telling = {
        name: found["line"] for name, found in measured.items() if found["line"] and found["highest_r"] is not None
    }
    off = {name for name, line in telling.items() if _off_line(line)}
    if not off:
        return []
    lines = "; ".join(_line_text(name, measured[name]["line"]) for name in sorted(off))
    guilty = culprits(off, set(measured))
    if _explained(off, measured):
        cause = "snow, haze, flood or harvest between the acquisitions"
        return [Finding("change", WARNING, guilty, f"all bands follow {lines}", cause)]
    found = f"all bands follow {lines}"
    return [Finding("scale", CONTRADICTION, guilty, found, "scale or offset is not that of the pixels")]


def _line_text(name: str, line: Mapping[str, float]) -> str:
    first, second = (PRODUCTS[product].heading for product in name.split("-"))
    sign = "-" if line["intercept"] < 0 else "+"
    return f"{second} = {line['slope']:.2f} {first} {sign} {abs(line['intercept']):.3f}"


def _off_line(line: Mapping[str, float]) -> bool:
    if abs(line["intercept"]) > STOP["line_intercept"]:
        return True
    return not STOP["line_slope_low"] <= line["slope"] <= STOP["line_slope_high"]


def _lone(measured: Mapping[str, Any]) -> Iterator[Finding]:
    """One band far off while the others agree."""
    off = {name for name, found in measured.items() if found["lone"] and found["highest_r"] is not None}
    if not off:
        return
    guilty = culprits(off, set(measured))
    found = [
        f"{band} differs by {measured[name]['bands'][band]['difference']:+.3f} ({pretty(name)})"
        for name in sorted(off)
        for band in measured[name]["lone"]
    ]
    explained = _explained(off, measured)
    yield Finding(
        "change" if explained else "bands",
        WARNING if explained else CONTRADICTION,
        guilty,
        ", ".join(found),
        "haze or change between the acquisitions" if explained else "the asset of another band under this name",
    )


def _explained(off: set[str], measured: Mapping[str, Any]) -> bool:
    """Whether each of Sentinel-2 and Landsat agrees with the HLS product of its acquisition: no item is misread."""
    return len(measured) == 3 and off == {"sentinel2-landsat"}


def _undecided(measured: Mapping[str, Any], offset: Mapping[str, Any]) -> Iterator[Finding]:
    if measured and offset["decision"] == "undecided":
        found = f"the offset of Sentinel-2 is undecided: no hypothesis fits all bands (dark pixels: {offset['dark']})"
        yield Finding("offset", WARNING, ("sentinel2",), found, "too little stable ground, haze or change")


def _same_pixels(figures: Mapping[str, Any]) -> Iterator[Finding]:
    for product, pairs in figures["same_pixels"].items():
        for first, second in pairs[:1]:
            found = f"{first} and {second} of {PRODUCTS[product].heading} hold the same pixels"
            yield Finding("bands", CONTRADICTION, (product,), found, "one asset taken for two bands")


def _shifts(comparisons: Mapping[str, Any], day: str, earlier: list[Finding]) -> Iterator[Finding]:
    """Products that do not lie on each other."""
    if any(finding.kind == "ground" for finding in earlier):
        return
    improved = day >= IMPROVED_GEOLOCATION
    warn = next(entry.high for entry in WARN if entry.statistic == "shift_m")
    shifts = {n: c["shift"] for n, c in comparisons.items() if c["shift"] and c["shift"]["quality"] >= MIN_QUALITY}
    # L30 is Landsat's own pixels on another grid: no registration lies between them, whatever the date.
    own = {name for name in shifts if improved or name == "landsat-hls_l30"}
    off = {name for name, shift in shifts.items() if shift["distance_m"] > STOP["shift_m"]}
    far = off & own | {name for name in off if shifts[name]["distance_m"] > STOP["shift_before_m"]}
    some = {name for name, shift in shifts.items() if warn is not None and shift["distance_m"] > warn}
    if not some:
        return
    found = "; ".join(
        f"{listed(name.split('-')[1:])} has to move {moved(shifts[name])} to lie on {listed(name.split('-')[:1])}"
        for name in sorted(far or some)
    )
    if far:
        cause = "a grid that was snapped or announced off the file's (Landsat's edges lie at odd multiples of 15 m)"
    elif improved:
        cause = "registration: less than one pair in a hundred is that far off"
    else:
        cause = f"registration before the improved geolocation of {IMPROVED_GEOLOCATION}"
    # Where registration may explain one of the shifts, the others do not tell which product is off.
    guilty = culprits(far or some, set(shifts) if far in (off, set()) else far)
    yield Finding("shift", CONTRADICTION if far else WARNING, guilty, found, cause)


def unusual(comparisons: Mapping[str, Any], products: Mapping[str, Any]) -> list[Finding]:
    """Warnings on a pair that contradicts nothing.

    Args:
        comparisons: figures by name, of `measure`.
        products: levels by product and band.
    """
    measured = {name: found for name, found in comparisons.items() if "bands" in found}
    few = [_few(name) for name in comparisons if name not in measured and measured]
    return [*few, *_flat(measured), *_statistics(measured), *_levels(products)]


def _few(name: str) -> Finding:
    found = f"{pretty(name)}: too few pixels clear in both, so these two are not compared"
    return Finding("few", WARNING, tuple(name.split("-")), found, "clouds, and margins around them")


def _flat(measured: Mapping[str, Any]) -> Iterator[Finding]:
    for name, found in measured.items():
        if found["highest_r"] is None:
            text = f"{pretty(name)}: fewer than two bands vary, so ground and bands cannot be told"
            yield Finding("flat", WARNING, tuple(name.split("-")), text, "water, sand or snow throughout")


def _statistics(measured: Mapping[str, Any]) -> Iterator[Finding]:
    """Statistics outside the range of good pairs; slopes and correlations only of bands that vary."""
    for name, found in measured.items():
        for entry in (e for e in WARN if e.comparison == name):
            off = {
                band: figures["stable"][entry.statistic]
                for band, figures in found["bands"].items()
                if _varies(figures["stable"]) or entry.statistic in ("bias", "rmse")
                if not entry.holds(figures["stable"].get(entry.statistic, entry.low or 0.0))
            }
            if off:
                yield _warning(entry, tuple(name.split("-")), f"{pretty(name)}: {entry.statistic}", off)


def _varies(figures: Mapping[str, float]) -> bool:
    return min(figures["std_first"], figures["std_second"]) >= VARIATION


def _levels(products: Mapping[str, Any]) -> Iterator[Finding]:
    for product, bands in products.items():
        for entry in (e for e in WARN if e.comparison == "levels"):
            off = {
                band: figures[entry.statistic]
                for band, figures in bands.items()
                if figures["pixels"] and not entry.holds(figures[entry.statistic])
            }
            if off:
                yield _warning(entry, (product,), f"{PRODUCTS[product].heading}: {entry.statistic}", off)


def _warning(entry: Expected, products: tuple[str, ...], what: str, off: Mapping[str, float]) -> Finding:
    values = ", ".join(f"{band} {value:.3g}" for band, value in off.items())
    span = f"{entry.low} to {entry.high}"
    if entry.low is None or entry.high is None:
        span = f"at most {entry.high}" if entry.low is None else f"at least {entry.low}"
    return Finding(
        "statistic", WARNING, products, f"{what} {values}, expected {span}", "haze, change, dark or flat ground"
    )
