"""anyband: one encoder for any multispectral acquisition, compared fairly with the usual fusion methods."""

__version__ = "0.1.0"
