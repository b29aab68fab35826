"""How real the simulated archive looks: figures of all its places beside the real ones, as tables for docs/archive.md.

python -m tools.realism results/archive/main --write docs/archive.md
"""

import argparse
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anyband.archive.place import EXTENT_M, hidden_grid, surface_seed
from anyband.config import Simulation
from anyband.landcover import SCORED
from anyband.runtime import UserError, step_main, write_text
from anyband.sensors import get_sensor
from anyband.sensors.platforms import MSI_TO_OLI
from anyband.simulation.land.landscape import build_landscape
from anyband.simulation.land.surface import compose
from anyband.simulation.places import load_places
from anyband.simulation.realism_sums import COMMON, LEVEL_BANDS

BEGIN, END = "<!-- realism: begin (generated) -->", "<!-- realism: end -->"

# A real pair two days apart, Landsat-8 on Sentinel-2B at 60 m, boreal farmland in Alberta, August 2020, 248 204 pixels:
# (bias, RMSE, r, OLS slope, ratio of deviations or None) of Landsat against Sentinel-2.
REAL_PAIR: dict[str, tuple[float, float, float, float, float | None]] = {
    "coastal": (0.001, 0.0087, 0.636, 0.735, None),
    "blue": (-0.005, 0.0096, 0.793, 0.672, 0.85),
    "green": (-0.002, 0.0072, 0.936, 0.863, 0.92),
    "red": (0.001, 0.0084, 0.928, 0.855, 0.92),
    "nir_narrow": (-0.003, 0.0208, 0.977, 0.932, 0.95),
    "swir1": (-0.014, 0.0203, 0.968, 0.915, 0.95),
    "swir2": (-0.014, 0.0193, 0.956, 0.827, 0.87),
}
REAL_NDVI = (0.003, 0.061, 0.959)
# Mean reflectance of BigEarthNet (Europe, all seasons, sea included), in LEVEL_BANDS.
REAL_MEAN = (0.042, 0.060, 0.057, 0.094, 0.209, 0.228, 0.161, 0.102)
REGRESSION_PLACES = 6


def relation(moments: Iterable[Sequence[float]]) -> dict[str, float]:
    """Bias, RMSE, r, OLS slope and ratio of deviations of y against x from pooled moments."""
    n, x, y, xx, yy, xy = np.sum(np.array(list(moments)), axis=0)
    if n < 2:
        return dict.fromkeys(("pixels", "bias", "rmse", "r", "slope", "ratio"), math.nan)
    mean_x, mean_y = x / n, y / n
    variance_x, variance_y = xx / n - mean_x**2, yy / n - mean_y**2
    covariance = xy / n - mean_x * mean_y
    return {
        "pixels": float(n),
        "bias": float(mean_y - mean_x),
        "rmse": math.sqrt(max((xx + yy - 2 * xy) / n, 0)),
        "r": float(covariance / math.sqrt(variance_x * variance_y)),
        "slope": float(covariance / variance_x),
        "ratio": math.sqrt(variance_y / variance_x),
    }


def read_pairs(archive: Path) -> list[dict[str, Any]]:
    """Figures of every date pair below results/archive/{dataset}.

    Raises:
        UserError: no simulated place there.
    """
    files = sorted(archive.glob("[!.]*/simulation.json"))
    if not files:
        raise UserError(f"{archive} holds no simulated place: run the simulate step first")
    return [pair for file in files for pair in json.loads(file.read_text())["pairs"]]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def level2_table(pairs: Sequence[Mapping[str, Any]]) -> str:
    """Landsat against Sentinel-2 at 60 m, simulated and real."""
    single = {
        band: [relation([p["level2"][band]]) for p in pairs if p["level2"][band][0] > 300] for band in (*COMMON, "ndvi")
    }
    rows = []
    for band in COMMON:
        middle = {key: float(np.median([r[key] for r in single[band]])) for key in single[band][0]}
        spread = np.percentile([r["rmse"] for r in single[band]], [10, 90])
        bias, rmse, r, slope, ratio = REAL_PAIR[band]
        rows.append(
            [
                band,
                f"{middle['bias']:+.3f} / {bias:+.3f}",
                f"{middle['rmse']:.4f} ({spread[0]:.4f}-{spread[1]:.4f}) / {rmse:.4f}",
                f"{middle['r']:.3f} / {r:.3f}",
                f"{middle['slope']:.3f} / {slope:.3f}",
                f"{middle['ratio']:.2f} / {'-' if ratio is None else f'{ratio:.2f}'}",
            ]
        )
    vegetation = {key: float(np.median([r[key] for r in single["ndvi"]])) for key in ("bias", "rmse", "r")}
    cells = [f"{value:+.3f} / {real:+.3f}" for value, real in zip(vegetation.values(), REAL_NDVI, strict=True)]
    rows.append(["NDVI", *(cell.replace("+0", "0") if k else cell for k, cell in enumerate(cells)), "", ""])
    return table(["band", "bias", "RMSE (10-90 % of pairs)", "r", "OLS slope", "ratio of std"], rows)


def hls_table(pairs: Sequence[Mapping[str, Any]]) -> str:
    """S30 against L30 at 30 m, all clear pixels pooled."""
    rows = []
    for band in (*COMMON, "ndvi"):
        found = relation(p["hls"][band] for p in pairs)
        rows.append(
            [band, f"{found['r'] ** 2:.3f}", f"{found['rmse']:.4f}", f"{found['bias']:+.4f}", f"{found['ratio']:.3f}"]
        )
    return table(["band", "r2", "RMSD", "bias L30 - S30", "ratio of std"], rows)


def level_table(pairs: Sequence[Mapping[str, Any]]) -> str:
    """Mean clear Sentinel-2 reflectance by label class, and of all pixels beside BigEarthNet."""
    sums: dict[str, np.ndarray[Any, Any]] = {}
    for pair in pairs:
        for code, values in pair["levels"].items():
            sums[code] = sums.get(code, 0) + np.array(values)
    total = sum(int(values[0]) for values in sums.values())
    rows = []
    for code, found in sorted(sums.items(), key=lambda item: int(item[0])):
        if found[0] and code != "0":
            levels = [f"{level:.3f}" for level in found[1:] / found[0]]
            rows.append([SCORED.get(int(code), code), f"{100 * found[0] / total:.1f}", *levels])
    mean = np.sum([values[1:] for values in sums.values()], axis=0) / total
    rows.append(["**all simulated**", "100", *(f"{v:.3f}" for v in mean)])
    rows.append(["BigEarthNet (real, all seasons, with sea)", "", *(f"{v:.3f}" for v in REAL_MEAN)])
    return table(["label", "share %", *LEVEL_BANDS], rows)


def cloud_text(pairs: Sequence[Mapping[str, Any]]) -> str:
    """Clear shares, lost chips and negative reflectances."""
    joint = np.array([pair["clear"]["joint"] for pair in pairs])
    scenes = 1 - np.array([pair["clear"][sensor] for pair in pairs for sensor in ("sentinel2", "landsat")])
    chips = np.array([share for pair in pairs for share in pair["chips"]])
    negative = {
        band: 100 * sum(p["negative"][band][0] for p in pairs) / max(sum(p["negative"][band][1] for p in pairs), 1)
        for band in LEVEL_BANDS
    }
    worst = max(negative, key=lambda band: negative[band])
    quantiles = ", ".join(f"{q} % of scenes below {np.quantile(scenes, q / 100):.3f}" for q in (50, 75, 90))
    lines = (
        f"{len(pairs)} date pairs, {scenes.size} scenes",
        f"masked share of a scene (cloud, shadow, cirrus, margins): {quantiles}",
        f"scenes masked by more than 70 %: {int((scenes > 0.7).sum())}",
        f"jointly clear share of a pair: mean {joint.mean():.2f}, below 30 % in {int((joint < 0.3).sum())} pairs",
        f"960 m chips less than 80 % clear in both scenes: {100 * (chips < 0.8).mean():.1f} %",
        f"clear Sentinel-2 pixels with negative reflectance: at most {negative[worst]:.2f} % ({worst})",
    )
    return "\n".join(f"* {line}" for line in lines)


def spectra_table() -> str:
    """OLI regressed on MSI over the spectra of simulated surfaces, beside the published HLS adjustment.

    Spectra count as often as they occur on the surfaces of a few places on one day of each season.
    """
    reference = get_sensor("landsat-9", "landsat")
    sensors = {unit: get_sensor(f"sentinel-2{unit}", "sentinel2") for unit in "ab"}
    responses = [reference.band(COMMON[band][1]).response for band in COMMON]
    responses += [sensor.band(COMMON[band][0]).response for sensor in sensors.values() for band in COMMON]
    samples = []
    for place in load_places()[:REGRESSION_PLACES]:
        landscape = build_landscape(hidden_grid(place, EXTENT_M), place.archetype, surface_seed(place, Simulation()))
        values = landscape.library.band_values(responses)
        for day in (135, 210):
            state = compose(landscape, day, place.southern)
            pick = (slice(7, None, 19), slice(7, None, 19))
            share = state.fraction_b[pick].ravel()[:, None]
            first, second = (values[rows[pick].ravel()] for rows in (state.material_a, state.material_b))
            samples.append((1 - share) * first + share * second)
    table_values = np.concatenate(samples)
    rows = []
    count = len(COMMON)
    for k, band in enumerate(COMMON):
        row = [band]
        for unit, name in enumerate(("sentinel-2a", "sentinel-2b")):
            slope, offset = np.polyfit(table_values[:, count * (unit + 1) + k], table_values[:, k], 1)
            published = MSI_TO_OLI[name][band]
            row += [f"{slope:.4f} / {offset:+.4f}", f"{published[0]:.4f} / {published[1]:+.4f}"]
        rows.append(row)
    return table(["band", "simulated S2A", "HLS S2A", "simulated S2B", "HLS S2B"], rows)


def report(archive: Path) -> str:
    """All figures as Markdown."""
    pairs = read_pairs(archive)
    parts = [
        "### Spectra: OLI-2 from MSI, slope / offset",
        spectra_table(),
        "### Level 2: Landsat against Sentinel-2 at 60 m, simulated (median of the date pairs) / real",
        level2_table(pairs),
        "### HLS: S30 against L30 at 30 m, clear pixels of all pairs",
        hls_table(pairs),
        "### Levels: mean Sentinel-2 surface reflectance of clear pixels by label",
        level_table(pairs),
        "### Sky",
        cloud_text(pairs),
    ]
    return "\n\n".join(parts)


def insert(document: str, text: str) -> str:
    """Put `text` between the two markers of a document.

    Raises:
        UserError: a marker is missing.
    """
    if BEGIN not in document or END not in document:
        raise UserError(f"the document lacks the markers {BEGIN} and {END}")
    head, rest = document.split(BEGIN, 1)
    return f"{head}{BEGIN}\n\n{text}\n\n{END}{rest.split(END, 1)[1]}"


def main() -> None:
    """Print the figures, or write them into a document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", type=Path, help="results/archive/{dataset}")
    parser.add_argument("--write", type=Path, help="document with the two markers")
    arguments = parser.parse_args()
    text = report(arguments.archive)
    if arguments.write is None:
        sys.stdout.write(text + "\n")
    else:
        write_text(arguments.write, insert(arguments.write.read_text(encoding="utf-8"), text))


if __name__ == "__main__":
    step_main(main)
