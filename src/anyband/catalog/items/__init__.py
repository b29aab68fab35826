"""What items mean: one dialect for each form in which providers write them, and the acquisitions they come to."""
