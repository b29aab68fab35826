"""Dialects: how each provider writes down the scenes that the archive stores in the form of the Planetary Computer.

A dialect is a pure function from a stored item to what the provider publishes: the item in its form, and the files
behind the addresses that are its own. The fixed parts are JSON templates (`../templates`).
"""
