"""What the record room registers with the ground when Django starts."""


def register() -> None:
    """Register pages and providers."""
    from salus.record.identity import jobs, relations  # noqa: F401 - declares its periodic jobs
    from salus.record.registers import projecting  # noqa: F401 - declares its periodic job

    relations.register()
