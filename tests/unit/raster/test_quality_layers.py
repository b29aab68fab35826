import numpy as np
import pytest

from anyband.raster.quality_layers import DECODERS, FILL


def test_scene_classes_of_sentinel2():
    clear = DECODERS["scl"](np.arange(12, dtype=np.uint8))
    assert np.flatnonzero(clear).tolist() == [4, 5, 6, 7, 11]


@pytest.mark.parametrize(
    ("value", "clear"),
    [
        (21824, True),  # the usual value of clear land in Collection 2
        (21952, True),  # clear water
        (30048, True),  # snow
        (1, False),  # fill
        (21826, False),  # dilated cloud
        (22280, False),  # cloud
        (23888, False),  # cloud shadow
        (54596, False),  # cirrus
    ],
)
def test_landsat_bits(value, clear):
    assert DECODERS["qa_pixel"](np.array([value], np.uint16)).tolist() == [clear]


def test_hls_bits_are_not_exclusive():
    """Aerosol and water bits stand beside the others; a mask by equality lost clear pixels."""
    values = np.array([0, 0b11000000, 0b00100000, 0b00010000, 0b10, 0b100, 0b1000, 0b11100010, 255], np.uint8)
    assert DECODERS["fmask"](values).tolist() == [True] * 4 + [False] * 5


@pytest.mark.parametrize(("decoder", "dtype"), [("scl", np.uint8), ("qa_pixel", np.uint16), ("fmask", np.uint8)])
def test_fill_is_never_clear_and_shapes_are_kept(decoder, dtype):
    values = np.full((2, 3, 4), FILL[decoder], dtype)
    clear = DECODERS[decoder](values)
    assert clear.shape == values.shape
    assert clear.dtype == bool
    assert not clear.any()
