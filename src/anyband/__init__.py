"""anyband: one encoder for any multispectral acquisition, compared fairly with the usual fusion methods.

`anyband.open_chips(PATH)` opens the chips of a site as an `xarray.DataTree`.
"""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__version__ = "0.2.0"
__all__ = ["__version__", "open_chips"]


def _ignore_foreign_proj() -> None:
    """Let rasterio's wheel use the coordinate systems that it brings, and not those of QGIS or another environment.

    Where they are of another version, no EPSG code would be known, and every scene be dropped for it.
    """
    found = find_spec("rasterio")
    folders = found.submodule_search_locations if found else None
    if folders and Path(folders[0], "proj_data", "proj.db").is_file():
        for name in ("PROJ_DATA", "PROJ_LIB"):
            os.environ.pop(name, None)


_ignore_foreign_proj()


def __getattr__(name: str) -> Any:
    """Load `open_chips` when it is asked for: xarray takes a second that a step does without."""
    if name == "open_chips":
        from anyband.chips.tree import open_chips

        return open_chips
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
