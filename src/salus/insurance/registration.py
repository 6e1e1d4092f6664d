"""What the insurance room registers with the ground when Django starts."""


def register() -> None:
    """Register the pages, live regions, importers and periodic jobs."""
    from salus.insurance.pages import cover_pages

    cover_pages.register()
    from salus.insurance.pages import settlement_pages
    from salus.insurance.services import joined, review  # noqa: F401 - declare their periodic jobs

    settlement_pages.register()
    from salus.insurance.pages.procurement import registration as procurement

    procurement.register()
    from salus.insurance.pages.prices import registration as prices

    prices.register()
    from salus.insurance.pages import drg_pages

    drg_pages.register()
