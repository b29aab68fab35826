"""Which scenes of a site belong together, and the parsed pairs that extraction starts from."""
