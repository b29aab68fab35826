"""The hidden world of the embedded archive: land, sky, instruments, and the processors of their data."""

from pathlib import Path
from typing import Any

import yaml

DATA = Path(__file__).parent / "data"


def read_table(name: str) -> dict[str, Any]:
    """Constants of the simulation, with their sources, from `data/{name}.yaml`."""
    content: dict[str, Any] = yaml.safe_load((DATA / f"{name}.yaml").read_text(encoding="utf-8"))
    return content
