"""What can be done with vaccines."""
