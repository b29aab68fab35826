"""Models: one trunk, one decoder, one file per front end."""
