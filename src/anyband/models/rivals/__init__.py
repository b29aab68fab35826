"""Published any-sensor front ends on the shared trunk, and SatlasPretrain."""
