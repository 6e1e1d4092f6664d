"""Periodic work of identity: likely links within a minute, relations from encounters, samples for review."""

from salus.kernel.jobs import periodic


@periodic(every=10, name="record.link-arriving")
def link_queued() -> None:
    """Compare queued patient records with all others."""
    from salus.record.identity.scoring import link_arriving

    link_arriving(5000)
