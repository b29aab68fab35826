"""Colours: one per method everywhere, safe for colour-blind readers, one variant for paper and one for dark screens.

The colours of the methods of the default comparison were chosen to differ as much as possible at once for full colour
vision and for simulated protanopia and deuteranopia (Machado et al. 2009, doi:10.1109/TVCG.2009.113); a test holds the
least distance. A marker of its own tells each method apart where colour does not. Class colours keep the hues of the
WorldCover legend, toned down.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from anyband.landcover import LAND_COVER
from anyband.methods import cards

# method -> (light, dark) and matplotlib marker; rivals are compared with each other and not with the methods whose
# colours they share
METHOD_STYLES = {
    **{model: (own.colours, own.marker) for model, own in cards().items() if own.colours and own.marker},
    "prediction-full-size": (("#1c0d02", "#fcff15"), "8"),
    "majority": (("#a39f97", "#78756f"), "X"),
}
# matplotlib marker -> the same shape as an SVG path in a box from -6 to 6, for tables
MARKERS = {
    "o": "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z",
    "s": "M-4-4h8v8h-8z",
    "D": "M0-5.4L5.4 0L0 5.4L-5.4 0z",
    "^": "M0-5L5 4.4H-5z",
    "v": "M0 5L5-4.4H-5z",
    "P": "M-1.8-5h3.6v3.2H5v3.6H1.8V5h-3.6V1.8H-5v-3.6h3.2z",
    "X": "M-5-2.6L-2.6-5L0-2.4L2.6-5L5-2.6L2.4 0L5 2.6L2.6 5L0 2.4L-2.6 5L-5 2.6L-2.4 0z",
    "<": "M-5 0L4.4-5V5z",
    ">": "M5 0L-4.4-5V5z",
    "h": "M0-5L4.3-2.5V2.5L0 5L-4.3 2.5V-2.5z",
    "H": "M5 0L2.5 4.3H-2.5L-5 0L-2.5-4.3H2.5z",
    "8": "M2-4.8L4.8-2V2L2 4.8H-2L-4.8 2V-2L-2-4.8z",
    "p": "M0-5L4.8-1.5L2.9 4.1H-2.9L-4.8-1.5z",
    "*": "M0-5.6L1.3-1.8L5.3-1.7L2.1.7L3.3 4.5L0 2.2L-3.3 4.5L-2.1.7L-5.3-1.7L-1.3-1.8z",
    "d": "M0-5.6L3.2 0L0 5.6L-3.2 0z",
}

# colour of the page -> (light, dark)
THEME = {
    "--paper": ("#fdfcfa", "#151618"),
    "--ink": ("#1d1c1a", "#e9e7e2"),
    "--muted": ("#66625a", "#a8a49c"),
    "--rule": ("#dfdbd2", "#36383c"),
    "--band": ("#f2efe8", "#212327"),
    "--accent": ("#0b5a8f", "#7fbdf0"),
    "--warn": ("#8a4b00", "#f0b66a"),
    "--warn-band": ("#fdf1dc", "#2e2517"),
}

PLACEHOLDERS = {"ink": "#010203", "muted": "#040506", "rule": "#070809", "band": "#0a0b0c", "paper": "#0d0e0f"}
"""What figures of the page are drawn with: name of a colour of `THEME` -> a colour that nothing else has."""
HEAT = ("#e4ebf1", "#0b5a8f")
"""From the lowest score to the highest; numbers stand in every cell."""
ON_PALE, ON_DEEP = "#1d1c1a", "#ffffff"
"""Numbers on the two halves of `HEAT`."""
GAIN, LOSS = "#3b7dbd", "#b8562e"
"""Apart for colour-blind readers, and no method has them."""
SIGNS = {True: (GAIN, "o"), False: (LOSS, "v")}
SPLITS = {"train": ("#8d8a83", "o"), "val": ("#2f8f8f", "D"), "test": ("#b0413e", "^"), "buffer": ("#b7b2a8", "x")}
"""Split -> colour and marker; the marker alone tells them apart."""
BOTH_RIGHT, BOTH_WRONG = "#e9e6df", "#8d8a83"
"""Of the map of differences, where no method's own colour stands."""
CLASS_COLOURS = {code: entry.muted for code, entry in LAND_COVER.items()}


def variable(name: str) -> str:
    """CSS variable of a colour of the page."""
    return f"--{name}"


def variables(colours: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
    """CSS that sets the colours of the page and of methods, for light and for dark."""
    pairs = dict(THEME) | {method_variable(method): pair for method, pair in colours.items()}
    light, dark = (";".join(f"{name}:{pair[i]}" for name, pair in pairs.items()) for i in (0, 1))
    return light, dark


def method_variable(method: str) -> str:
    """CSS variable with a method's colour."""
    return f"--m-{method}"


def method_colours(methods: Sequence[str]) -> dict[str, tuple[str, str]]:
    """(light, dark) colour of every method; those without one of their own take unused ones, in the order of names."""
    return {method: colour for method, (colour, _) in _styles(methods).items()}


def method_markers(methods: Sequence[str]) -> dict[str, str]:
    """A marker per method, so that colour never carries the meaning alone."""
    return {method: marker for method, (_, marker) in _styles(methods).items()}


def _styles(methods: Sequence[str]) -> dict[str, tuple[tuple[str, str], str]]:
    known = {method: METHOD_STYLES[method] for method in methods if method in METHOD_STYLES}
    free = [style for style in dict.fromkeys(METHOD_STYLES.values()) if style not in known.values()]
    used = {colour for colour, _ in known.values()}
    free.sort(key=lambda style: style[0] in used)  # a colour that no other method of the page has comes first
    others = sorted(set(methods) - set(known))
    spare = {method: free[index % len(free)] for index, method in enumerate(others)}
    return {method: known.get(method) or spare[method] for method in methods}


def between(ends: tuple[str, str], share: float) -> str:
    """A colour on the straight line between two."""
    low, high = (np.array(rgb(colour)) / 255 for colour in ends)
    return "#" + "".join(f"{round(255 * float(v)):02x}" for v in low + share * (high - low))


def rgb(colour: str) -> tuple[int, int, int]:
    """`#rrggbb` as three bytes."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue
