"""The bandpass adjustment of HLS: OLI = slope * MSI + offset for each pair of like bands and each Sentinel-2.

Source: HLS V2.0 User Guide, table 5 (Claverie et al. 2018, Remote Sensing of Environment 219).
"""

import csv
from pathlib import Path

TABLE = Path(__file__).parent / "data" / "hls-bandpass.csv"


def read_bandpass(path: Path = TABLE) -> dict[str, dict[str, tuple[float, float]]]:
    """Slope and offset by platform and concept of the band; bands that are not named stay as they are."""
    lines: dict[str, dict[str, tuple[float, float]]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            line = float(row["slope"]), float(row["offset"])
            lines.setdefault(row["platform"], {})[row["concept"]] = line
    return lines


MSI_TO_OLI = read_bandpass()
