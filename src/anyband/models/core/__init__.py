"""What methods share: what a method is, the registry, trunk, decoder, loss, and the operators between grids."""
