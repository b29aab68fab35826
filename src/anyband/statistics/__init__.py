"""Statistics: intervals and tests that are valid for spatial blocks and training seeds."""
