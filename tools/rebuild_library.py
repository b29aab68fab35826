"""Rebuilds the spectral library of the simulated archive; run by hand, never by the workflow.

Needs two packages that are no dependency of the project: ``xleaf`` (PROSPECT-D and 4SAIL) and ``earthlib`` (measured
soils, built and dry plant materials). Usage, in an environment of its own::

    pip install numpy xleaf==1.2.2 earthlib==1.1.0
    python -m tools.rebuild_library

Sources: Feret et al. 2017 (PROSPECT-D, doi:10.1016/j.rse.2017.03.004), Verhoef et al. 2007 (4SAIL,
doi:10.1109/TGRS.2007.895844), Gordon et al. 1988 (water reflectance from u = bb / (a + bb),
doi:10.1029/JD093iD09p10909).
Trait ranges follow those usual for PROSAIL inversion over Europe (Weiss and Baret, S2ToolBox Level 2 ATBD).
"""

from __future__ import annotations

import csv
import importlib.metadata
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np

DATA = Path(__file__).parents[1] / "src/anyband/simulation/data"
SEED = 20240
RANK = 32
FINE_NM = np.arange(400.0, 2501.0, 1.0)
GRID_NM = np.arange(400.0, 2501.0, 5.0)
SETS = 24
LAI_LEVELS = (0.02, 0.3, 0.8, 1.6, 2.8, 4.2, 6.0)
MOISTURE_LEVELS = (0.0, 0.33, 0.67, 1.0)
STAGES = ("young", "mature", "senescing", "dry")
SUN_ZENITH_DEG = 38.0

# family: structure N, chlorophyll ug/cm2, dry matter g/cm2, leaf water per dry matter, mean leaf angle deg, hot spot,
# share of ground seen between rows, tufts and crowns (4SAIL knows no gaps).
# Leaf water is tied to dry matter so that the two shortwave-infrared bands move together, as they do in real scenes.
FAMILIES: dict[str, dict[str, tuple[float, float]]] = {
    name: dict(zip(("n", "cab", "cm", "water", "angle", "hot", "gap"), ranges, strict=True))
    for name, ranges in {
        "deciduous": ((1.45, 1.9), (28, 46), (0.0055, 0.0085), (2.0, 2.4), (35, 52), (0.1, 0.2), (0.02, 0.07)),
        "conifer": ((1.6, 2.1), (34, 56), (0.010, 0.015), (0.9, 1.2), (48, 62), (0.1, 0.2), (0.02, 0.08)),
        "shrub": ((1.5, 1.9), (22, 40), (0.008, 0.013), (0.9, 1.2), (46, 62), (0.08, 0.2), (0.05, 0.2)),
        "grass": ((1.35, 1.7), (20, 40), (0.004, 0.0065), (1.8, 2.2), (54, 68), (0.02, 0.1), (0.12, 0.28)),
        "winter_cereal": ((1.35, 1.6), (30, 50), (0.0045, 0.006), (2.7, 3.2), (58, 70), (0.02, 0.1), (0.02, 0.06)),
        "summer_crop": ((1.35, 1.65), (30, 52), (0.0045, 0.0065), (2.9, 3.4), (44, 62), (0.05, 0.15), (0.03, 0.1)),
        "rapeseed": ((1.4, 1.7), (28, 46), (0.005, 0.0065), (2.9, 3.4), (46, 62), (0.05, 0.15), (0.02, 0.06)),
        "wetland": ((1.4, 1.8), (20, 40), (0.006, 0.009), (1.6, 2.0), (62, 75), (0.02, 0.1), (0.03, 0.1)),
    }.items()
}  # fmt: skip
# stage: factor on chlorophyll, factor on leaf water, brown pigment
STAGE_FACTORS = {
    "young": (0.8, 1.1, 0.0),
    "mature": (1.0, 1.0, 0.0),
    "senescing": (0.45, 0.7, 0.25),
    "dry": (0.04, 0.12, 0.6),
}
# measured materials: (LEVEL_2, names of LEVEL_3, how many) in the table of earthlib
MEASURED = {
    "roof_tile": ("built", ("tile", "concrete_tile"), 36),
    "roof_shingle": ("built", ("comp_shingle", "wood_shingle"), 48),
    "roof_metal": ("built", ("metal", "gravel"), 24),
    "asphalt": ("built", ("asphalt", "road", "parking_lot"), 48),
    "concrete": ("built", ("sidewalk", "driveway", "bridge"), 32),
    "mineral": ("bare", ("sand", "gravel", "dirt"), 40),
}
DARKEST = {"roof_tile": 0.18, "roof_shingle": 0.16, "roof_metal": 0.16, "asphalt": 0.13, "concrete": 0.2}
EARTH_SHARE = {
    "roof_tile": 0.08, "roof_shingle": 0.08, "roof_metal": 0.04, "asphalt": 0.15, "concrete": 0.12, "mineral": 0.35,
}  # fmt: skip
SWIR1 = 1210  # index of 1610 nm in FINE_NM
STRAW = (
    "goldgras",
    "deadgras",
    "woodstrw",
    "brte_br",
    "Grass_dry.8+.2green",
    "Grass_dry.9+.1green",
    "deadfern",
    "deadlitt",
)


def measured_library() -> tuple[np.ndarray, list[dict[str, str]]]:
    """Reads earthlib's table and spectra.

    Returns:
        reflectance (spectra, FINE_NM) and the metadata rows in the same order.
    """
    spec = importlib.util.find_spec("earthlib")
    if spec is None or spec.origin is None:
        raise SystemExit("earthlib is not installed: pip install earthlib==1.1.0")
    folder = Path(spec.origin).parent / "data"
    with (folder / "spectra.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    header = (folder / "spectra.sli.hdr").read_text()
    text = header.split("wavelength = {", 1)[1].split("}", 1)[0]
    wavelength = np.array([float(item) for item in text.split(",")])
    wavelength = wavelength * 1000.0 if wavelength.max() < 100.0 else wavelength
    values = np.fromfile(folder / "spectra.sli", dtype="<f4").reshape(len(rows), wavelength.size)
    # The gaps at the water-vapour bands are bridged linearly; beyond the last sample the value is held.
    fine = np.stack([np.interp(FINE_NM, wavelength, row) for row in values])
    return fine, rows


def pick(rng: np.random.Generator, fine: np.ndarray, candidates: list[int], count: int) -> list[int]:
    """Picks sound spectra at random without repetition: positive everywhere, below 0.75, not noisy."""
    sound = [
        i
        for i in candidates
        if fine[i].min() > 0.005 and fine[i].max() < 0.75 and np.abs(np.diff(fine[i], 2)).max() < 0.02
    ]
    return sorted(rng.choice(sound, size=min(count, len(sound)), replace=False).tolist())


def wet(spectrum: np.ndarray, moisture: float, absorption: np.ndarray) -> np.ndarray:
    """Darkens a dry soil: half as bright when saturated (internal reflection in the film) and absorbed by the film.

    Args:
        spectrum: dry reflectance (FINE_NM,).
        moisture: 0 dry to 1 saturated.
        absorption: absorption of liquid water in 1/cm (FINE_NM,).

    Returns:
        reflectance (FINE_NM,).
    """
    film_cm = 0.02
    return spectrum * ((1.0 - moisture) + moisture * 0.55 * np.exp(-2.0 * film_cm * absorption))


def water_spectrum(rng: np.random.Generator, absorption: np.ndarray) -> np.ndarray:
    """One inland water: Gordon's quadratic with chlorophyll, suspended and dissolved matter, and sky glint."""
    chlorophyll, matter, organic = np.exp(rng.uniform(np.log([1.5, 1.5, 0.3]), np.log([25.0, 14.0, 2.5])))
    shape = np.exp(-(((FINE_NM - 440) / 45) ** 2)) + 0.55 * np.exp(-(((FINE_NM - 676) / 14) ** 2))
    total = 100.0 * absorption + 0.04 * chlorophyll**0.75 * shape + organic * np.exp(-0.016 * (FINE_NM - 440))
    total = total + 0.03 * matter * np.exp(-0.011 * (FINE_NM - 440))
    back = 0.0011 * (500.0 / FINE_NM) ** 4.32 + 0.011 * matter * (550.0 / FINE_NM) ** 0.7
    u = back / (total + back)
    below = 0.089 * u + 0.125 * u**2
    return np.asarray(np.pi * 0.52 * below / (1.0 - 1.7 * below) + rng.uniform(0.003, 0.010))


def canopy(
    prosail: Any,
    traits: dict[str, float],
    stage: str,
    family: str,
    lai: float,
    background: np.ndarray,  # noqa: ANN401
) -> np.ndarray:
    """One PROSAIL canopy over a measured background, reflectance (FINE_NM,)."""
    cab, water, brown = STAGE_FACTORS[stage]
    if family == "rapeseed" and stage == "mature":
        # flowering: the leaves stay green, the petals are added by the caller
        cab = 0.9
    if family == "winter_cereal" and stage == "dry":
        brown = 0.25
    prosail.mod_dataspec_pdb.rsoil1 = background
    chlorophyll = traits["cab"] * cab
    seen = np.asarray(
        prosail.simulate(
            traits["n"], chlorophyll, 3.0 + 0.16 * chlorophyll, 0.5, brown * traits["brown"],
            traits["cm"] * traits["water"] * water, traits["cm"], 1.0, lai, traits["hot"],
            SUN_ZENITH_DEG, 0.0, 90.0, 2, traits["angle"], 0.0,
        )
    )  # fmt: skip
    return (1.0 - traits["gap"]) * seen + traits["gap"] * background


def canopies(
    rng: np.random.Generator, soils: np.ndarray, waters: np.ndarray, litter: np.ndarray, straw: np.ndarray
) -> dict[str, np.ndarray]:
    """All vegetation: family -> (SETS, stages, LAI levels, FINE_NM)."""
    from xleaf import prosail

    absorption = np.array(prosail.mod_dataspec_pdb.k_cw)
    # A petal is a leaf without chlorophyll: carotenoids absorb below 520 nm, the rest is white.
    petal = prosail.prospect_db(2.2, 0.2, 25.0, 0.0, 0.0, 0.012, 0.003)[:, 0] * 1.1
    result = {}
    for family, ranges in FAMILIES.items():
        out = np.empty((SETS, len(STAGES), len(LAI_LEVELS), FINE_NM.size))
        for index in range(SETS):
            traits = {key: rng.uniform(*bounds) for key, bounds in ranges.items()}
            traits["brown"] = rng.uniform(0.6, 1.2)
            ground = wet(soils[index % len(soils)], 0.35, absorption)
            if family == "grass":
                # the ground of a meadow is mostly dead grass
                ground = 0.45 * ground + 0.55 * straw[index % len(straw)] * 0.8
            if family in ("deciduous", "conifer", "shrub"):
                ground = 0.5 * ground + 0.5 * litter[index % len(litter)]
            if family == "wetland":
                ground = 0.5 * wet(soils[index % len(soils)], 1.0, absorption) + 0.5 * waters[index % len(waters)]
            for s, stage in enumerate(STAGES):
                for k, lai in enumerate(LAI_LEVELS):
                    spectrum = canopy(prosail, traits, stage, family, lai, ground)
                    if family == "rapeseed" and stage == "mature":
                        flowers = 0.3 * min(1.0, lai / 3.0)
                        spectrum = (1.0 - flowers) * spectrum + flowers * petal
                    out[index, s, k] = spectrum
        result[family] = out
    return result


def groups() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Everything of the library: name -> (sets, stages, levels, FINE_NM), and where each group comes from."""
    from xleaf import prosail

    rng = np.random.default_rng(SEED)
    absorption = np.array(prosail.mod_dataspec_pdb.k_cw)
    fine, rows = measured_library()
    by_name = {row["NAME"].strip(): i for i, row in enumerate(rows)}
    result: dict[str, np.ndarray] = {}
    source: dict[str, Any] = {}
    topsoil = [i for i, row in enumerate(rows) if row["SOURCE"] == "icraf-isric-soil-database"]
    # field soils: dark to medium ones, as tilled land has; very bright desert soils are left out
    chosen = pick(rng, fine, [i for i in topsoil if 0.10 < fine[i, 265] < 0.28 and fine[i, 1200] > 0.2], 48)
    soils = fine[chosen] * rng.uniform(0.75, 1.0, (len(chosen), 1))
    result["soil"] = np.stack([[wet(s, m, absorption) for m in MOISTURE_LEVELS] for s in soils])[:, None]
    source["soil"] = {"package": "earthlib", "names": [rows[i]["NAME"] for i in chosen], "database": "ICRAF-ISRIC"}
    for name, (level_2, level_3, count) in MEASURED.items():
        fitting = [i for i, row in enumerate(rows) if row["LEVEL_2"] == level_2 and row["LEVEL_3"] in level_3]
        # new or wet surfaces, the darkest, are left out: roofs and roads weather and brighten
        chosen = pick(rng, fine, [i for i in fitting if fine[i, SWIR1] > DARKEST.get(name, 0.0)], count)
        # sand, gravel and rock in the open are rougher and so darker than their samples
        rough = rng.uniform(0.6, 0.95, (len(chosen), 1)) if name == "mineral" else 1.0
        # dust, earth in the joints and moss: a share of moist soil
        earth = np.stack([wet(soils[i % len(soils)], 0.67, absorption) for i in range(len(chosen))])
        share = EARTH_SHARE[name]
        result[name] = ((1.0 - share) * fine[chosen] * rough + share * earth)[:, None, None]
        source[name] = {"package": "earthlib", "names": [rows[i]["NAME"] for i in chosen], "database": "asd"}
    chosen = [by_name[name] for name in STRAW if name in by_name]
    result["straw"] = fine[chosen][:, None, None]
    source["straw"] = {"package": "earthlib", "names": list(STRAW), "database": "asd"}
    litter = fine[pick(rng, fine, [i for i, row in enumerate(rows) if row["LEVEL_3"] == "litter"], 12)]
    waters = np.stack([water_spectrum(rng, absorption) for _ in range(48)])
    result["water"] = waters[:, None, None]
    source["water"] = {"model": "Gordon et al. 1988 quadratic", "absorption": "PROSPECT-D liquid water, xleaf"}
    for family, spectra in canopies(rng, soils, waters, litter, fine[chosen]).items():
        result[family] = spectra
        source[family] = {"package": "xleaf", "model": "PROSPECT-D + 4SAIL", "traits": FAMILIES[family]}
    return result, source


def main() -> None:
    """Writes spectral_library.npz and spectral_library.json beside this module."""
    content, source = groups()
    index, parts, first = {}, [], 0
    for name, spectra in content.items():
        sets, stages, levels, _ = spectra.shape
        index[name] = {"first": first, "sets": sets, "stages": stages, "levels": levels}
        # 5 nm triangle average, so that nothing is lost between the samples of the stored grid
        smooth = sum(w * np.roll(spectra, k, axis=-1) for k, w in zip(range(-4, 5), TRIANGLE, strict=True))
        smooth[..., :4], smooth[..., -4:] = spectra[..., :4], spectra[..., -4:]
        parts.append(smooth[..., ::5].reshape(-1, GRID_NM.size))
        first += sets * stages * levels
    table = np.clip(np.concatenate(parts), 0.0, 1.0)
    left, singular, right = np.linalg.svd(table, full_matrices=False)
    scale = np.sqrt(singular[:RANK])
    coefficient, basis = (left[:, :RANK] * scale).astype(np.float16), (right[:RANK] * scale[:, None]).astype(np.float32)
    error = coefficient.astype(np.float32) @ basis - table
    np.savez_compressed(
        DATA / "spectral_library.npz", wavelength_nm=GRID_NM.astype(np.float32), basis=basis, coefficient=coefficient
    )
    provenance = {
        "groups": index,
        "lai_levels": LAI_LEVELS,
        "moisture_levels": MOISTURE_LEVELS,
        "stages": STAGES,
        "rank": RANK,
        "rmse": round(float(np.sqrt((error**2).mean())), 6),
        "largest_error": round(float(np.abs(error).max()), 4),
        "packages": {name: importlib.metadata.version(name) for name in ("xleaf", "earthlib", "numpy")},
        "licences": {"xleaf": "MIT", "earthlib": "MIT (spectra of third parties, named per group)"},
        "sources": source,
    }
    (DATA / "spectral_library.json").write_text(json.dumps(provenance, indent=1) + "\n")
    print(f"{table.shape[0]} rows, rmse {provenance['rmse']}, largest error {provenance['largest_error']}")


TRIANGLE = np.array([1, 2, 3, 4, 5, 4, 3, 2, 1]) / 25.0

if __name__ == "__main__":
    main()
