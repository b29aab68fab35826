"""What lies between the surface and the sensor: air, clouds, and the directions of light."""
