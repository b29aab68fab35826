"""Catalogues: search, the providers' item dialects, access to assets, pairing of acquisitions."""
