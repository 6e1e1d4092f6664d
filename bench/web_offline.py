"""Forms without a connection: lost or doubled, with a real Chromium, a bad network and a real server."""

import sys
import tempfile
from pathlib import Path

from bench import Measured, figure

FORMS, QUICK_FORMS = 500, 60
CONTACTS = 50
LOSS = 0.3


@figure("offline-sync", room="web", unit="forms", target=0, better="lower")
def offline_sync(quick: bool) -> Measured:
    """Forms lost or doubled of 500: 72 h offline, browser restarted, session over, 30 % of requests lost."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from tests.web.offline.device import CHROMIUM, in_the_field, walk

    if not Path(CHROMIUM).exists():
        return Measured([], note=f"not run: no Chromium at {CHROMIUM}")
    with tempfile.TemporaryDirectory(prefix="salus-bench-") as folder:
        with in_the_field(Path(folder), contacts=CONTACTS) as field:
            told = walk(field, QUICK_FORMS if quick else FORMS, LOSS)
    note = (
        f"{told.forms} forms in {told.seconds:.0f} s; {told.requests_lost} requests lost, "
        f"{told.lost_after_commit} of them after the server had committed"
    )
    return Measured([float(told.lost + told.doubled)], note=note)
