"""Periodic work of identity: likely links within a minute, relations from encounters, samples for review."""

from salus.kernel.jobs import periodic
from salus.record.identity.scoring import link_arriving


@periodic(every=10, name="record.link-arriving")
def link_queued() -> None:
    """Compare queued patient records with all others."""
    link_arriving(5000)
