"""The audit: whether the pixels of every pair bear out what its metadata say, and the line that stops a run."""
