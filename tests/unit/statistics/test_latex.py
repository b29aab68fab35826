"""LaTeX that compiles: everything special escaped, missing values as dashes."""

import pandas as pd

from anyband.statistics.comparison import latex_table


def test_special_characters_and_gaps():
    frame = pd.DataFrame({"name_of": ["a & b", "50 % {x}"], "value": [0.123456, float("nan")]})
    text = latex_table(frame, "Points ± 1 −2, p <0.001")
    assert r"a \& b & 0.1235 \\" in text
    assert r"50 \% \{x\} & -- \\" in text
    assert r"\caption{Points $\pm$ 1 $-$2, p $<$0.001}" in text
    assert r"\begin{tabular}{lr}" in text
    assert text.isascii()
