"""What concerns the whole platform and no room alone: install, demonstrate, serve, work, back up."""
