"""harmonisers."""
