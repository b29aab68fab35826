"""Names under an axis stay readable however many methods there are."""

import pandas as pd
import pytest

from anyband.report.palette import method_colours
from anyband.report.render import Sheet, Style, draw_pdf, draw_svg
from anyband.report.topics.headline import draw_pairs
from anyband.report.topics.uncertainty import draw_units, name_angle

LONG = ["anyband", "anyband-gaussian-responses", "hyperspectral-specialist"]
ROWS = [(a, b, 0.01, -0.01, 0.03) for a in LONG for b in LONG if a < b]
PAIRS = pd.DataFrame(ROWS, columns=["first", "second", "difference", "difference_lower", "difference_upper"])


def style_of(methods):
    return Style(method_colours(methods), {method: method for method in methods})


def test_a_figure_drawn_twice_has_the_same_bytes_and_no_date():
    def draw(sheet):
        return draw_pairs(PAIRS, LONG, sheet)

    once, again = (draw_svg(draw, Sheet(style=style_of(LONG)), "key", "words") for _ in range(2))
    assert once == again
    once, again = (draw_pdf(draw, style_of(LONG)) for _ in range(2))
    assert once == again and b"Date" not in once


@pytest.mark.parametrize(
    ("names", "room", "angle"),
    [
        (["anyband", "Input fusion"], 120, 0),
        (["anyband", "Prediction fusion"], 43, 40),
        (["anyband", "anyband-gaussian-responses"], 43, 90),
        (["anyband", "Prediction fusion"], 14, 90),
    ],
)
def test_names_are_turned_when_they_would_collide(names, room, angle):
    assert name_angle(names, room) == angle


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("count", [2, 22])
def test_names_of_many_methods_neither_overlap_nor_leave_the_figure(wide, count):
    methods = [f"method-with-name-{i:02d}" for i in range(count)]
    rows = [(m, kind, str(u), 0.5 + u / 10) for m in methods for kind in ("seed", "block") for u in (0, 1)]
    units = pd.DataFrame(rows, columns=["method", "kind", "unit", "miou"])
    figure = draw_units(units, methods, Sheet(wide, style_of(methods)))
    figure.canvas.draw()
    for axes in figure.axes:
        boxes = [text.get_window_extent() for text in axes.get_xticklabels()]
        assert min(box.y0 for box in boxes) >= -1
        if boxes[0].width < boxes[0].height:  # upright: each stands beside the next
            assert all(a.x1 <= b.x0 + 2 for a, b in zip(boxes, boxes[1:], strict=False))


@pytest.mark.parametrize("wide", [False, True])
def test_long_names_beside_the_matrix_of_pairs_stay_in_the_figure(wide):
    figure = draw_pairs(PAIRS, LONG, Sheet(wide, style_of(LONG)))
    figure.canvas.draw()
    (axes,) = figure.axes
    edges = [label.get_window_extent() for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    assert min(box.x0 for box in edges) >= 0 and max(box.y1 for box in edges) <= figure.bbox.height
