"""Data frames as LaTeX tables (booktabs), for people who write a paper from the report."""

from collections.abc import Mapping

import pandas as pd

SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"$<$", ">": r"$>$", "−": "$-$", "±": r"$\pm$",
    "–": "--", "·": r"$\cdot$", "×": r"$\times$", "²": r"$^2$", "→": r"$\to$", "…": r"\dots{}", "“": "``", "”": "''",
    "\N{THIN SPACE}": r"\,", "\N{NO-BREAK SPACE}": "~",
}  # fmt: skip


def escape(text: str) -> str:
    """Escape what LaTeX would read as a command."""
    return "".join(SPECIAL.get(character, character) for character in text)


def latex_table(frame: pd.DataFrame, caption: str, columns: Mapping[str, str] | None = None) -> str:
    """Write a frame as a `table` environment; numbers are right-aligned, missing values are dashes.

    Args:
        frame: one row per table row; cells may be numbers or text.
        caption: plain text.
        columns: names of columns to keep -> their headings; default all, as they are.
    """
    headings = dict(columns) if columns else {name: str(name).replace("_", " ") for name in frame.columns}
    kept = frame[list(headings)]
    alignment = "".join("r" if pd.api.types.is_numeric_dtype(kept[name]) else "l" for name in headings)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(caption)}}}",
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        " & ".join(escape(heading) for heading in headings.values()) + r" \\",
        r"\midrule",
    ]
    lines += [" & ".join(_cell(value) for value in row) + r" \\" for row in kept.itertuples(index=False)]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return "--"
    return escape(f"{value:.4g}" if isinstance(value, float) else str(value))
