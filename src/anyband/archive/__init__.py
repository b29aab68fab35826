"""The embedded archive: a hidden surface, seen by simulated sensors, published as STAC items and GeoTIFFs."""
