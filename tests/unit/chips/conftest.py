"""Fixtures of the tests of chips."""

import numpy as np
import pytest


@pytest.fixture
def random() -> np.random.Generator:
    """A seeded generator."""
    return np.random.default_rng(5)
