"""Pages for integrators: sources, messages, dead letters, loads."""
