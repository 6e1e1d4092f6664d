"""Template filters of the insurance."""
