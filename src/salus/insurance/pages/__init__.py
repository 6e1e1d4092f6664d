"""Pages of the insurance: thin, they call services and queries."""
