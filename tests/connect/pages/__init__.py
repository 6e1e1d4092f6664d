"""The pages of sources, messages, dead letters and loads."""
