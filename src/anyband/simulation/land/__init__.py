"""The hidden surface: terrain, cover, buildings, seasons and spectra, and the label made from it."""
