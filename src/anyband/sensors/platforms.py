"""The registry: every YAML file in `sensors/data` describes the products of one platform.

Format, shown with one band of each kind::

    product: sentinel2            # sentinel2 | landsat | hls_s30 | hls_l30 | any new product's name
    platforms: [sentinel-2a]      # platforms that this description holds for
    source: where the numbers come from, and their licence
    responses: srf/sentinel-2a.csv   # columns: wavelength_nm, then one per band; optional
    bands:
      B02: {concept: blue, response: B02, gsd_m: 10, pixel_m: 10}
      X1:  {concept: thermal, centre_nm: 10895, fwhm_nm: 590, gsd_m: 100, pixel_m: 30, quantity: surface_temperature}
      X2:  {centre_nm: 1665, fwhm_nm: 170, gsd_m: 20, pixel_m: 20}
    instrument: {...}             # of a simulated sensor: noise, point spread, registration (`simulation.instrument`)

A band of reflectance without a concept gets the nearest one by wavelength (`nearest_concept`).
"""

import csv
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from anyband.runtime import UserError
from anyband.sensors.band import REFLECTANCE, Band, Sensor, SpectralResponse, nearest_concept

DATA = Path(__file__).parent / "data"


@cache
def _read_table(path: Path) -> dict[str, SpectralResponse]:
    """Responses by column name of one table; zero rows at both ends are dropped."""
    with path.open(encoding="utf-8") as file:
        lines = [line for line in file if not line.startswith("#")]
    names = lines[0].strip().split(",")
    table = np.loadtxt(lines[1:], delimiter=",", ndmin=2)
    responses = {}
    for column, name in enumerate(names[1:], start=1):
        positive = np.flatnonzero(table[:, column] > 0)
        rows = slice(max(positive[0] - 1, 0), positive[-1] + 2)
        responses[name] = SpectralResponse(table[rows, 0], np.clip(table[rows, column], 0, None))
    return responses


def _response(path: Path, name: str, spec: dict[str, Any], table: dict[str, SpectralResponse]) -> SpectralResponse:
    """Response of one band: from the table, else a Gaussian; never a default wavelength."""
    if "response" in spec:
        if spec["response"] not in table:
            raise UserError(f"{path.name}: band {name} names response {spec['response']!r}, which the table lacks")
        return table[spec["response"]]
    if "centre_nm" in spec and "fwhm_nm" in spec:
        return SpectralResponse.gaussian(spec["centre_nm"], spec["fwhm_nm"])
    raise UserError(f"{path.name}: band {name} has no wavelength: give `response`, or `centre_nm` and `fwhm_nm`")


def _band(name: str, spec: dict[str, Any], response: SpectralResponse) -> Band:
    """One band; raises KeyError for what is missing and ValueError for what is wrong."""
    quantity = spec.get("quantity", REFLECTANCE)
    derived = "concept" not in spec and quantity == REFLECTANCE
    return Band(
        name=name,
        concept=nearest_concept(response.centre_nm) if derived else spec["concept"],
        response=response,
        gsd_m=float(spec["gsd_m"]),
        pixel_m=float(spec["pixel_m"]),
        quantity=quantity,
    )


def load_sensor(path: Path) -> tuple[Sensor, ...]:
    """Read one sensor YAML; one Sensor per platform that it names.

    Raises:
        UserError: naming the file, the band and what is missing.
    """
    document = _read(path)
    missing = {"product", "platforms", "source", "bands"} - set(document)
    if missing:
        raise UserError(f"{path.name}: key {sorted(missing)[0]!r} is missing")
    table = _read_table(path.parent / document["responses"]) if "responses" in document else {}
    bands = []
    for name, spec in document["bands"].items():
        try:
            bands.append(_band(name, spec, _response(path, name, spec, table)))
        except KeyError as error:
            raise UserError(f"{path.name}: band {name} lacks {error.args[0]!r}") from None
        except ValueError as error:
            raise UserError(f"{path.name}: {error}") from None
    return tuple(Sensor(document["product"], platform, tuple(bands)) for platform in document["platforms"])


def _read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def description(platform: str) -> dict[str, Any]:
    """The sensor file of a platform with one product, as read; the simulator finds its `instrument` there."""
    return _read(DATA / f"{platform}.yaml")


@cache
def _registry() -> dict[tuple[str, str], Sensor]:
    sensors = [sensor for path in sorted(DATA.glob("*.yaml")) for sensor in load_sensor(path)]
    return {(sensor.platform, sensor.product): sensor for sensor in sensors}


def get_sensor(platform: str, product: str) -> Sensor:
    """The sensor of a platform ("sentinel-2a", any case) and product ("sentinel2", "hls_s30" ...).

    Raises:
        UserError: unknown pair, with the known ones.
    """
    key = (platform.lower(), product)
    if key not in _registry():
        known = ", ".join(f"{p} {q}" for p, q in sorted(_registry()))
        raise UserError(f"no sensor {product!r} of platform {platform!r}; known: {known}")
    return _registry()[key]


def products(platform: str) -> tuple[str, ...]:
    """Products of a platform, sorted; none for one that is not known."""
    return tuple(sorted(q for p, q in _registry() if p == platform))


def platforms(product: str) -> tuple[str, ...]:
    """Platforms that deliver `product`, sorted."""
    return tuple(sorted(p for p, q in _registry() if q == product))


def _read_bandpass() -> dict[str, dict[str, tuple[float, float]]]:
    lines: dict[str, dict[str, tuple[float, float]]] = {}
    with (DATA / "hls-bandpass.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            line = float(row["slope"]), float(row["offset"])
            lines.setdefault(row["platform"], {})[row["concept"]] = line
    return lines


MSI_TO_OLI = _read_bandpass()
"""The bandpass adjustment of HLS: slope and offset by platform and concept of the band, OLI = slope * MSI + offset.

Bands that are not named stay as they are. Source: HLS V2.0 User Guide, table 5 (Claverie et al. 2018, Remote Sensing of
Environment 219).
"""
