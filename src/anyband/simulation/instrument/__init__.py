"""Instruments as built, and what they measure at the top of the atmosphere."""
