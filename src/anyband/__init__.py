"""anyband: one encoder for any multispectral acquisition, compared fairly with the usual fusion methods.

`anyband.open_chips(PATH)` opens the chips of a site as an `xarray.DataTree`.
"""

from typing import Any

__version__ = "0.2.0"
__all__ = ["__version__", "open_chips"]


def __getattr__(name: str) -> Any:
    """Load `open_chips` when it is asked for: xarray takes a second that a step does without."""
    if name == "open_chips":
        from anyband.chips.tree import open_chips

        return open_chips
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
