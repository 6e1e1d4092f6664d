"""Pages of mother and child, and of vaccines."""
