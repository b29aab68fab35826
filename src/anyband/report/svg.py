"""Matplotlib figures as inline SVG that follows the page: its fonts, its light or dark colours, no foreign links.

Matplotlib draws with placeholder colours; here they become CSS variables. Text stays text, so it can be searched and
files stay small.
"""

import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# placeholder -> CSS variable of the page
INK, MUTED, RULE, BAND, PAPER = "#010203", "#040506", "#070809", "#0a0b0c", "#0d0e0f"
VARIABLES = {INK: "--ink", MUTED: "--muted", RULE: "--rule", BAND: "--band", PAPER: "--paper"}

RC = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 11.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11.5,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "legend.frameon": False,
    "legend.fontsize": 11,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


def method_variable(method: str) -> str:
    """CSS variable with a method's colour."""
    return f"--m-{method}"


def to_svg(figure: "Figure", key: str, colours: Mapping[str, tuple[str, str]], label: str) -> str:
    """Write a figure as an `<svg>` element for the page.

    Args:
        figure: drawn with the placeholders above and the light method colours.
        key: unique on the page; prefixes every id.
        colours: method -> (light, dark).
        label: one sentence that says what the figure shows, for screen readers.
    """
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": key, "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL)
    text = _rename_ids(text, key)
    text = _fonts(_colours(text, colours))
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)
    assert size is not None  # matplotlib always writes one
    head = f'<svg viewBox="0 0 {size[1]} {size[2]}" width="{size[1]}" height="{size[2]}" role="img" '
    head += f'aria-label="{_attribute(label)}">'
    return _compact(re.sub(r"<svg[^>]*>", head, text, count=1))


def standalone(svg: str, colours: Mapping[str, tuple[str, str]], theme: Mapping[str, Sequence[str]]) -> str:
    """Make a page's figure a file of its own: with its namespace and its colours for light and dark."""
    rules = []
    for index in (0, 1):
        values = [f"{name}:{pair[index]}" for name, pair in theme.items()]
        values += [f"{method_variable(method)}:{pair[index]}" for method, pair in colours.items()]
        rules.append(f"svg{{{';'.join(values)};color:{theme['--ink'][index]}}}")
    style = f"<style>{rules[0]}@media (prefers-color-scheme:dark){{{rules[1]}}}text{{font-family:sans-serif}}</style>"
    head, body = svg.split(">", 1)
    return f'{head} xmlns="http://www.w3.org/2000/svg">{style}{body}\n'


def _rename_ids(text: str, key: str) -> str:
    """Keep only ids that something refers to, and make them unique on the page."""
    referenced = set(re.findall(r'xlink:href="#([^"]+)"', text)) | set(re.findall(r"url\(#([^)]+)\)", text))
    text = re.sub(r' id="([^"]+)"', lambda m: f' id="{key}-{m[1]}"' if m[1] in referenced else "", text)
    text = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{key}-\1"', text)
    return re.sub(r"url\(#([^)]+)\)", rf"url(#{key}-\1)", text)


def _colours(text: str, colours: Mapping[str, tuple[str, str]]) -> str:
    """Replace placeholders and method colours by CSS variables."""
    known = VARIABLES | {light: method_variable(method) for method, (light, _) in colours.items()}
    return re.sub(r"#[0-9a-f]{6}\b", lambda m: f"var({known[m[0]]})" if m[0] in known else m[0], text)


def _fonts(text: str) -> str:
    """Let the page choose the font family; drop rotations by nothing."""
    return re.sub(r' transform="rotate\(-?0 [^)]*\)"', "", re.sub(r"font-family: [^;\"]*;? ?", "", text))


def _compact(text: str) -> str:
    """Drop what only makes the file longer: white space between elements and digits below a hundredth of a pixel."""
    text = re.sub(r"(\d+\.\d{2})\d+", r"\1", text)
    text = re.sub(r">\s+<", "><", text)
    text = re.sub(r"</?defs>\s*<style[^>]*>\*\{[^}]*\}</style>(</defs>)?", "", text)
    return re.sub(r"\s+", " ", text).strip()


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
