"""Pages of the prevention room: thin, they call services and queries."""
