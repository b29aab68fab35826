"""From measurements to what providers publish: surface reflectance, HLS, cloud masks, the null twin."""
