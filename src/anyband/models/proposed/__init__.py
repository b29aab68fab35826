"""The proposed encoder, its spectral posterior, its synthetic sensors, and its pretraining."""
