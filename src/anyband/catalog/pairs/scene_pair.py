"""What pairing hands to extraction: the parsed scenes of every kept pair, their satellites known, as one JSON file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anyband.catalog.items.acquisition import Acquisition
from anyband.runtime import UserError

if TYPE_CHECKING:
    from pydantic import TypeAdapter


@dataclass(frozen=True)
class ScenePair:
    """One match of scenes: its number, the acquisition of every optical product, and the maps of the label."""

    number: int
    optical: Mapping[str, Acquisition]
    labels: tuple[Acquisition, ...]

    @property
    def epsg(self) -> int:
        """CRS of the chips: that of the Sentinel-2 scene."""
        return self.optical["sentinel2"].epsg


def pairs_as_json(pairs: Sequence[ScenePair]) -> str:
    """All fields of all pairs as text, of which `read_pairs` makes the same again."""
    return _adapter().dump_json(tuple(pairs), indent=1).decode() + "\n"


def read_pairs(path: Path) -> tuple[ScenePair, ...]:
    """The pairs of a site.

    Raises:
        UserError: the file is missing, or another version of pairing wrote it.
    """
    try:
        return _adapter().validate_json(path.read_bytes())
    except (FileNotFoundError, ValueError):
        raise UserError(f"{path} is not a list of pairs: run the pair step again") from None


def _adapter() -> "TypeAdapter[tuple[ScenePair, ...]]":
    from pydantic import TypeAdapter

    return TypeAdapter(tuple[ScenePair, ...])
