"""Corrections against hand-worked examples, letters and ranks against their definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyband.statistics.paired import benjamini_hochberg, holm, rank_intervals, tie_letters


def test_holm_and_benjamini_hochberg_by_hand():
    p = [0.01, 0.04, 0.03, np.nan]
    assert holm(p) == pytest.approx([0.03, 0.06, 0.06, np.nan], nan_ok=True)
    assert benjamini_hochberg(p) == pytest.approx([0.03, 0.04, 0.04, np.nan], nan_ok=True)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_adjusted_values_are_ordered_and_never_smaller(p):
    for adjusted in (holm(p), benjamini_hochberg(p)):
        order = np.argsort(p, kind="stable")
        assert np.all(np.diff(adjusted[order]) >= 0)
        assert np.all((adjusted >= np.array(p) - 1e-12) & (adjusted <= 1))


def test_letters_of_a_chain():
    """The best differs from the worst only, so the middle one is tied with both."""
    different = np.zeros((3, 3), dtype=bool)
    different[0, 2] = different[2, 0] = True
    assert tie_letters([0.6, 0.5, 0.4], different) == ["a", "ab", "b"]
    assert rank_intervals([0.6, 0.5, 0.4], different) == [(1, 2), (1, 3), (2, 3)]


@st.composite
def symmetric(draw):
    size = draw(st.integers(1, 7))
    upper = draw(st.lists(st.booleans(), min_size=size * size, max_size=size * size))
    matrix = np.triu(np.array(upper).reshape(size, size), 1)
    return matrix | matrix.T


@given(symmetric())
def test_two_methods_share_a_letter_exactly_when_not_shown_to_differ(different):
    scores = list(np.linspace(0.9, 0.1, len(different)))
    letters = [set(text) for text in tie_letters(scores, different)]
    for i in range(len(different)):
        assert letters[i]
        for j in range(i):
            assert bool(letters[i] & letters[j]) == (not different[i, j])
