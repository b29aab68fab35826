"""Colours: one per method everywhere, safe for colour-blind readers, one variant for paper and one for dark screens.

Method colours follow Okabe and Ito (2008); the dark variants are lightened. Class colours keep the hues of the
WorldCover legend, toned down.
"""

from collections.abc import Sequence

# method -> (light, dark)
METHOD_COLOURS = {
    "anyband": ("#c8500a", "#ff8a4c"),
    "input-fusion": ("#0b6bab", "#5aaeec"),
    "feature-fusion": ("#0a8a66", "#3fc79d"),
    "s2-only": ("#6a4fb3", "#a594ee"),
    "l9-only": ("#b3568c", "#e79ac6"),
    "pixel": ("#77736b", "#a5a199"),
    "majority": ("#a39f97", "#78756f"),
}
SPARE_COLOURS = (
    ("#8a7a00", "#d3c24a"), ("#12788f", "#56c0d8"), ("#8f2d3c", "#ea8090"), ("#4a5a1f", "#aebf6d"),
    ("#5a3a1b", "#cfa57c"), ("#2f3b73", "#93a3ea"), ("#6d6d00", "#c9c955"), ("#7a3b7a", "#d193d1"),
)  # fmt: skip
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

CLASS_COLOURS = {
    10: "#1d6b3c", 20: "#dba52c", 30: "#e4e08a", 40: "#d7a3dd", 50: "#cf3f33", 60: "#b8b2a6", 70: "#eef1f2",
    80: "#2d74c0", 90: "#35a39c", 95: "#12a878", 100: "#d9d3b0",
}  # fmt: skip


def method_colours(methods: Sequence[str]) -> dict[str, tuple[str, str]]:
    """(light, dark) colour of every method; methods without a colour of their own take spare ones by name."""
    others = sorted(set(methods) - set(METHOD_COLOURS))
    spare = {name: SPARE_COLOURS[index % len(SPARE_COLOURS)] for index, name in enumerate(others)}
    return {method: METHOD_COLOURS.get(method) or spare[method] for method in methods}


def method_markers(methods: Sequence[str]) -> dict[str, str]:
    """A marker per method, so that colour never carries the meaning alone."""
    known = [*METHOD_COLOURS, *sorted(set(methods) - set(METHOD_COLOURS))]
    return {method: list(MARKERS)[known.index(method) % len(MARKERS)] for method in methods}


def rgb(colour: str) -> tuple[int, int, int]:
    """`#rrggbb` as three bytes."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue
