"""What tests need and users do not: the archive's server in all dialects of providers, with traps and faults."""
