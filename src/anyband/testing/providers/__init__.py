"""How other providers write the archive's items, one module a provider."""
