"""This process's own count of permission changes, so that it need not wait to hear of what it did itself."""

_generation = 0


def touch() -> None:
    """Note that permissions changed here and now."""
    global _generation
    _generation += 1


def generation() -> int:
    """Return how often permissions changed in this process."""
    return _generation
