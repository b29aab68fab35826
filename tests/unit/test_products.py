"""The table of products, and the one way from stored numbers to reflectance."""

import numpy as np
import pytest

from anyband.products import BY_SHORT_NAME, CATALOGUED, EXTRA, OPTICAL, PRODUCTS, SATELLITES, Encoding
from anyband.sensors import platforms


def test_every_product_of_reflectance_has_a_sensor_and_a_name_of_its_own():
    assert all(platforms(product) for product in OPTICAL)
    assert len(BY_SHORT_NAME) == len(OPTICAL) == len(SATELLITES) + len(EXTRA) == len(CATALOGUED) + len(EXTRA) - 1
    names = [name for product in PRODUCTS.values() for name in product.collections]
    assert len(names) == len(set(names))
    assert [PRODUCTS[product].pixels_m for product in SATELLITES] == [(10, 60), (30, 30), (30, 30), (30, 30)]


@pytest.mark.parametrize("product", OPTICAL)
def test_stored_numbers_become_reflectance_by_two_float32_operations(product):
    encoding = PRODUCTS[product].encoding
    limits = np.iinfo(encoding.dtype)
    stored = np.array([encoding.nodata, limits.min, limits.max, 1234, 9000], encoding.dtype)
    values, valid = encoding.reflectance(stored, clear=np.array([True, True, True, False, True]))
    exact = np.float32(9000) * np.float32(encoding.scale) + np.float32(encoding.offset)
    assert valid.tolist() == [False, int(limits.min) != encoding.nodata, True, False, True]
    assert values.dtype == np.float32 and values.tolist() == [0, 0, np.float32(1.6), 0, exact]


def test_numbers_of_a_file_that_are_not_finite_are_not_valid():
    encoding = Encoding("float32", 2.0, 0.5, np.nan)
    values, valid = encoding.reflectance(np.array([[0.25, np.nan], [np.inf, -9999.0]], np.float32))
    assert valid.tolist() == [[True, False], [False, True]]
    assert values.tolist() == [[1.0, 0.0], [0.0, 0.0]]
