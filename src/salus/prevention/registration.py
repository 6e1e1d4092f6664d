"""What the prevention room registers with the ground when Django starts."""


def register() -> None:
    """Register the pages, live regions, importers and periodic jobs."""
    from salus.prevention.pages import (
        emergency_pages,
        maternal_pages,
        notifiable_pages,
        programme_pages,
        signal_pages,
    )

    for pages in (notifiable_pages, signal_pages, emergency_pages, programme_pages, maternal_pages):
        pages.register()
