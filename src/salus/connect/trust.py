"""Which institution stands behind a source system: the golden record trusts some kinds more than others."""

import time

from salus.record.identity.sources import SourceFacts

KEPT_FOR = 10.0  # seconds that the register is believed
_known: dict[int, SourceFacts] = {}
_read = float("-inf")


def facts_of(source_id: int) -> SourceFacts:
    """Return the institution that runs a source, and its kind; the register is read every ten seconds."""
    global _known, _read
    now = time.monotonic()
    if now - _read > KEPT_FOR:
        from salus.connect.models import SourceSystem

        rows = SourceSystem.objects.values_list("id", "institution_id", "institution__kind")
        _known = {id_: SourceFacts(institution, kind or "") for id_, institution, kind in rows}
        _read = now
    return _known.get(source_id, SourceFacts())
