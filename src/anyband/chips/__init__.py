"""Chips: cut from the scenes of a site at native resolution into a zarr store, and read from there for training."""
