"""proposed."""
