"""What the kernel room registers when Django starts."""


def register() -> None:
    """Register nothing: the kernel is the ground that the other rooms register with."""
