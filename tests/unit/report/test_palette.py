"""Colours and markers tell the methods apart, also for readers who confuse red and green."""

import itertools

import numpy as np
import pytest

from anyband.config import Experiment
from anyband.report.palette import MARKERS, METHOD_STYLES, THEME, method_colours, method_markers, rgb

METHODS = Experiment().methods
# What a dichromat sees, on linear RGB (Machado, Oliveira and Fernandes 2009, severity 1).
VISION = {
    "full": np.eye(3),
    "protanopia": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
    "deuteranopia": [[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]],
}
XYZ = np.array([[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]])


def linear(colour):
    values = np.array(rgb(colour)) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(values):
    scaled = XYZ @ np.clip(values, 0, 1) / XYZ.sum(axis=1)
    x, y, z = np.where(scaled > 0.008856, np.cbrt(scaled), 7.787 * scaled + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("scheme", [0, 1])
def test_methods_of_the_default_comparison_differ_for_every_reader(vision, scheme):
    seen = {method: lab(VISION[vision] @ linear(pair[scheme])) for method, pair in method_colours(METHODS).items()}
    distances = {(a, b): np.linalg.norm(seen[a] - seen[b]) for a, b in itertools.combinations(seen, 2)}
    nearest = min(distances, key=distances.get)
    assert distances[nearest] > 20, nearest


@pytest.mark.parametrize("scheme", [0, 1])
def test_methods_stand_out_from_the_paper(scheme):
    paper = XYZ[1] @ linear(THEME["--paper"][scheme])
    for method, pair in method_colours(METHODS).items():
        ink = XYZ[1] @ linear(pair[scheme])
        assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) > 3, method


def test_markers_differ_within_every_default_comparison():
    rivals = ["anyband", "input-fusion", *(method for method in METHOD_STYLES if method.endswith("-style"))]
    for methods in (METHODS, rivals):
        assert len(set(method_markers(methods).values())) == len(methods)
        assert len(set(method_colours(methods).values())) == len(methods)
    assert {marker for _, marker in METHOD_STYLES.values()} <= set(MARKERS)


def test_a_method_keeps_its_colour_whatever_stands_beside_it():
    for method in METHODS:
        assert method_colours([method, "zebra"])[method] == method_colours(METHODS)[method]
    mixed = method_colours(["anyband", "input-fusion", "my-variant", "other-variant"])
    assert len(set(mixed.values())) == 4
