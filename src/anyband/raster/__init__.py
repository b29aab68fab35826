"""Files of pixels: what an item says of them, how they are opened, read by windows or rows, warped and written."""
