"""Chips are chosen by rule and drawn truly."""

import base64
import io

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from anyband.report.palette import CLASS_COLOURS
from anyband.report.topics import map_panels as maps


def units(differences):
    rows = [("a", "block", f"b{i:02d}", 0.5 + value) for i, value in enumerate(differences)]
    rows += [("b", "block", f"b{i:02d}", 0.5) for i in range(len(differences))]
    rows += [("a", "seed", "0", 0.9), ("b", "seed", "0", 0.1)]
    return pd.DataFrame(rows, columns=["method", "kind", "unit", "miou"])


def test_best_median_worst_and_one_at_random():
    chosen = maps.choose_blocks(units([0.1, -0.3, 0.0, 0.4, 0.2]), "a", "b")
    assert [block for _, block, _ in chosen[:3]] == ["b03", "b00", "b01"]
    assert chosen[3][0] == "drawn at random" and chosen[3][1] in ("b02", "b04")


@settings(max_examples=25)
@given(st.lists(st.floats(-0.4, 0.4), min_size=1, max_size=15), st.randoms())
def test_choice_does_not_depend_on_the_order_of_rows_and_never_repeats(differences, random):
    differences = [value + index * 1e-6 for index, value in enumerate(differences)]  # no ties
    table = units(differences)
    order = list(range(len(table)))
    random.shuffle(order)
    chosen = maps.choose_blocks(table, "a", "b")
    assert chosen == maps.choose_blocks(table.iloc[order], "a", "b")
    blocks = [block for _, block, _ in chosen]
    assert len(blocks) == len(set(blocks)) == min(4, len(differences))


def test_clearest_chip_is_shown():
    store = {"chips": [{"chip": "x", "clear_joint": 0.8}, {"chip": "y", "clear_joint": 0.9}]}
    assert maps.choose_chip(store, ["x", "y", "elsewhere"]) == "y"


def test_difference_map_tells_all_cases_apart():
    reference, first, second = np.array([[1, 1], [1, 1]]), np.array([[1, 1], [2, 2]]), np.array([[1, 2], [1, 2]])
    scored = np.array([[True, True], [True, True]])
    codes = maps.difference_map(reference, scored, first, second)
    assert codes.tolist() == [[maps.BOTH, maps.ONLY_FIRST], [maps.ONLY_SECOND, maps.NEITHER]]
    assert (maps.difference_map(reference, ~scored, first, second) == maps.NOT_SCORED).all()


def test_class_map_keeps_its_codes_colours_and_holes():
    codes = np.array([[10, 80, 0]], dtype=np.uint8)
    data = maps.palette_png(codes, CLASS_COLOURS).removeprefix("data:image/png;base64,")
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA"))
    assert image.shape == (1, 3, 4)
    assert tuple(image[0, 0]) == (0x1D, 0x6B, 0x3C, 255)
    assert image[0, 2, 3] == 0
