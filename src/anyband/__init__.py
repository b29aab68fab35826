"""anyband: one encoder for any multispectral acquisition, compared fairly with the usual ways of using several sensors."""

__version__ = "0.1.0"
