"""From figures to findings: what is explainable (warn), and where metadata and pixels contradict each other."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from anyband.chips.audit.limits import (
    IMPROVED_GEOLOCATION,
    MIN_QUALITY,
    STOP,
    VARIATION,
    WARN,
    Expected,
)

TITLES = {"sentinel2": "Sentinel-2", "landsat": "Landsat", "hls_s30": "HLS S30", "hls_l30": "HLS L30"}
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

    def as_dict(self) -> dict[str, Any]:
        """For the file."""
        return asdict(self)


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
        findings = [*_flat(measured), *_unusual(measured), *_unusual_levels(figures["products"])]
    if any(finding.verdict == CONTRADICTION for finding in findings):
        return CONTRADICTION, findings
    if "sentinel2-landsat" not in measured:
        return TOO_FEW, findings
    return (WARNING if findings else PASS), findings


def _metadata(measured: Mapping[str, Any], offset: Mapping[str, Any]) -> list[Finding]:
    """Other ground, exchanged bands, offset, scale: the first that holds, for each hides the next."""
    ground = {name for name, found in measured.items() if _no_common_ground(found)}
    if ground:
        rs = ", ".join(f"{measured[name]['highest_r']:.2f} ({_pretty(name)})" for name in sorted(ground))
        return [
            Finding(
                "ground",
                CONTRADICTION,
                culprits(ground, set(measured)),
                f"highest correlation of all bands only {rs}: the products do not show the same ground",
                "a CRS of the wrong hemisphere or zone, or a grid that is not the file's",
            )
        ]
    exchanged = {name for name, found in measured.items() if found["exchanged"]}
    if exchanged:
        pairs = [f"{a} and {b}" for name in sorted(exchanged) for a, b in measured[name]["exchanged"][:1]]
        return [
            Finding(
                "bands",
                CONTRADICTION,
                culprits(exchanged, set(measured)),
                f"bands {' / '.join(dict.fromkeys(pairs))} are exchanged against {_others(exchanged)}",
                "a wrong assignment of assets to bands",
            )
        ]
    return _offset(offset) or _scale(measured) or list(_lone(measured)) or list(_undecided(measured, offset))


def _no_common_ground(found: Mapping[str, Any]) -> bool:
    return found["highest_r"] is not None and found["highest_r"] < STOP["common_r"]


def _offset(offset: Mapping[str, Any]) -> list[Finding]:
    """The offset of baseline 04.00 of Sentinel-2."""
    texts = {
        "+0.1": ("0.1 too low", "the offset of -0.1 is applied although the pixels do not hold it"),
        "-0.1": ("0.1 too high", "the pixels hold the offset of baseline 04.00 and it is not taken off"),
    }
    if offset["decision"] not in texts:
        return []
    how, cause = texts[offset["decision"]]
    witnesses = [TITLES[name] for name, twin in offset["twins"].items() if twin["decision"] == offset["decision"]]
    found = f"Sentinel-2 is {how} in all bands against {' and '.join(witnesses)}"
    return [Finding("offset", CONTRADICTION, ("sentinel2",), found, cause)]


def _scale(measured: Mapping[str, Any]) -> list[Finding]:
    """Scale or offset of a whole product: one line through all bands is far from 1:1."""
    off = {name for name, found in measured.items() if found["line"] is not None and _off_line(found["line"])}
    if not off:
        return []
    lines = [
        f"{_pretty(name)}: {measured[name]['line']['slope']:.2f} x {measured[name]['line']['intercept']:+.3f}"
        for name in sorted(off)
    ]
    guilty = culprits(off, set(measured))
    if _explained(off, measured):
        cause = "snow, haze, flood or harvest between the acquisitions"
        return [Finding("change", WARNING, guilty, f"all bands follow {'; '.join(lines)}", cause)]
    found = f"all bands follow {'; '.join(lines)}"
    return [Finding("scale", CONTRADICTION, guilty, found, "scale or offset is not that of the pixels")]


def _off_line(line: Mapping[str, float]) -> bool:
    if abs(line["intercept"]) > STOP["line_intercept"]:
        return True
    return not STOP["line_slope_low"] <= line["slope"] <= STOP["line_slope_high"]


def _lone(measured: Mapping[str, Any]) -> Iterator[Finding]:
    """One band far off while the others agree."""
    off = {name for name, found in measured.items() if found["lone"]}
    if not off:
        return
    guilty = culprits(off, set(measured))
    found = [
        f"{band} differs by {measured[name]['bands'][band]['difference']:+.3f} ({_pretty(name)})"
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
            found = f"{first} and {second} of {TITLES[product]} hold the same pixels"
            yield Finding("bands", CONTRADICTION, (product,), found, "one asset taken for two bands")


def _shifts(comparisons: Mapping[str, Any], day: str, earlier: list[Finding]) -> Iterator[Finding]:
    """Products that do not lie on each other."""
    if any(finding.kind == "ground" for finding in earlier):
        return
    improved = day >= IMPROVED_GEOLOCATION
    stop = STOP["shift_m" if improved else "shift_before_m"]
    warn = next(entry.high for entry in WARN if entry.statistic == "shift_m")
    shifts = {n: c["shift"] for n, c in comparisons.items() if c["shift"] and c["shift"]["quality"] >= MIN_QUALITY}
    far = {name for name, shift in shifts.items() if shift["distance_m"] > stop}
    some = {name for name, shift in shifts.items() if warn is not None and shift["distance_m"] > warn}
    if not some:
        return
    found = "; ".join(
        f"{TITLES[name.split('-')[1]]} has to move {shifts[name]['east_m']:+.1f} m east and "
        f"{-shifts[name]['south_m']:+.1f} m north to lie on {TITLES[name.split('-')[0]]}"
        for name in sorted(far or some)
    )
    if far:
        cause = "a grid that was snapped or announced off the file's (Landsat's edges lie at odd multiples of 15 m)"
    elif improved:
        cause = "registration: less than one pair in a hundred is that far off"
    else:
        cause = f"registration before the improved geolocation of {IMPROVED_GEOLOCATION}"
    guilty = culprits(far or some, set(shifts))
    yield Finding("shift", CONTRADICTION if far else WARNING, guilty, found, cause)


def _flat(measured: Mapping[str, Any]) -> Iterator[Finding]:
    for name, found in measured.items():
        if found["highest_r"] is None:
            text = f"{_pretty(name)}: fewer than two bands vary, so ground and bands cannot be told"
            yield Finding("flat", WARNING, tuple(name.split("-")), text, "water, sand or snow throughout")


def _unusual(measured: Mapping[str, Any]) -> Iterator[Finding]:
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
                yield _warning(entry, tuple(name.split("-")), f"{_pretty(name)}: {entry.statistic}", off)


def _varies(figures: Mapping[str, float]) -> bool:
    return min(figures["std_first"], figures["std_second"]) >= VARIATION


def _unusual_levels(products: Mapping[str, Any]) -> Iterator[Finding]:
    for product, bands in products.items():
        for entry in (e for e in WARN if e.comparison == "levels"):
            off = {
                band: figures[entry.statistic]
                for band, figures in bands.items()
                if figures["pixels"] and not entry.holds(figures[entry.statistic])
            }
            if off:
                yield _warning(entry, (product,), f"{TITLES[product]}: {entry.statistic}", off)


def _warning(entry: Expected, products: tuple[str, ...], what: str, off: Mapping[str, float]) -> Finding:
    values = ", ".join(f"{band} {value:.3g}" for band, value in off.items())
    span = f"{'' if entry.low is None else f'{entry.low:g}'} to {'' if entry.high is None else f'{entry.high:g}'}"
    return Finding(
        "statistic", WARNING, products, f"{what} {values}, expected {span}", "haze, change, dark or flat ground"
    )


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


def _pretty(name: str) -> str:
    return " - ".join(TITLES[product] for product in name.split("-"))


def _others(names: set[str]) -> str:
    return " and ".join(sorted(_pretty(name) for name in names))
