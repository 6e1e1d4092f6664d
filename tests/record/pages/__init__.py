"""The residents' pages, identity and population."""
