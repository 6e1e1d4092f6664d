"""What the connect room registers with the ground when Django starts."""


def register() -> None:
    """Register the REST journal, the periodic jobs and the pages."""
    from salus.connect import jobs as jobs  # importing declares the periodic jobs
    from salus.connect import journal
    from salus.record.fhir import journal as rest

    rest.register(journal.ConnectJournal())
