"""Figures as PDF for papers: the same drawing with the colours of the light page.

Figures are drawn with placeholder colours (`svg`). In an uncompressed PDF they stand as plain numbers, which are
replaced by numbers of the same length, so that no offset in the file changes.
"""

import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from anyband.report.palette import rgb
from anyband.report.svg import VARIABLES

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def to_pdf(figure: "Figure", theme: Mapping[str, Sequence[str]]) -> bytes:
    """Write a figure as PDF; equal figures give equal bytes.

    Args:
        figure: drawn with the placeholders of `svg`.
        theme: colour variable of the page -> (light, dark).
    """
    import matplotlib as mpl

    buffer = io.BytesIO()
    with mpl.rc_context({"pdf.compression": 0, "pdf.fonttype": 42}):
        figure.savefig(buffer, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})
    content = buffer.getvalue()
    for placeholder, variable in VARIABLES.items():
        content = _replace(content, placeholder, theme[variable][0])
    return content


def _replace(content: bytes, old: str, new: str) -> bytes:
    """Replace one colour, in whatever precision it is written; numbers may be broken over lines."""
    digits = [f"{int(1e6 * value / 255):06d}" for value in rgb(old)]  # cut, not rounded: more digits may follow
    before = rb"\s".join(rb"0?\." + text.encode() + rb"\d*" for text in digits)

    def same_length(match: re.Match[bytes]) -> bytes:
        text = " ".join(f"{value / 255:.4f}" for value in rgb(new)).encode()
        return text.ljust(len(match[0]))

    return re.sub(before, same_length, content)
