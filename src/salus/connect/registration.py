"""What the connect room registers with the ground when Django starts."""


def register() -> None:
    """Register pages and providers."""
