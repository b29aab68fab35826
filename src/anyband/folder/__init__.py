"""Images of one's own, with labels, in a folder: the same stores of chips as from a catalogue."""
