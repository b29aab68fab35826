"""The hidden world of the embedded archive: land, sky, instruments, and the processors of their data."""
