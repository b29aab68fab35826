"""Chips: from paired acquisitions to a store at native resolution, its split, and its loader."""
