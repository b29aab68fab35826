"""Pixels of one sensor predicted from an acquisition of another."""
