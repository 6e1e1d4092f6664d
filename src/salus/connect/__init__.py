"""Where institutions' messages come in: sources, parsers, listeners, dead letters and replay."""
