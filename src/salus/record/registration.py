"""What the record room registers with the ground when Django starts."""


def register() -> None:
    """Register pages and providers."""
    from salus.record.identity import relations

    relations.register()
