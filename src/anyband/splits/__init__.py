"""Division of the chips into training, validation and test, and the certificate that nothing leaks between them."""
