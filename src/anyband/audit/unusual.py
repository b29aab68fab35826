"""What is explainable but worth a line: statistics outside the range of good pairs, ground without variation."""

from collections.abc import Iterator, Mapping
from typing import Any

from anyband.audit.finding import WARNING, Finding, pretty
from anyband.audit.limits import VARIATION, WARN, Expected
from anyband.products import PRODUCTS


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
