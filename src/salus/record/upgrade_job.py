"""Periodic work of the store: an upgrade of its data goes on in the background while the platform serves."""

from salus.kernel.jobs import periodic
from salus.record import store


@periodic(every=10, name="record.upgrade-store")
def upgrade_store() -> None:
    """Go on with an upgrade that is under way, or begin one that is due."""
    store.run_upgrades(store.UPGRADES, seconds=8)
