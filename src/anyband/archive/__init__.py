"""The embedded archive: simulated scenes as GeoTIFFs and STAC items, and the server that the default run asks."""
