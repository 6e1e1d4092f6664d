"""The demonstration's prevention: cases out of the record, registers that keep themselves, weeks judged.

All of it is what the worker does by day and night; here the days of the city are gone through at once.
"""

import json
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from rich.progress import Progress

WEEKS_AFTER = 2
"""How many weeks after an outbreak began are judged, so that its signal is found and continues."""


def keep(folder: Path, progress: Progress) -> None:
    """Let cases arise, registers be kept and the weeks of the city's outbreaks be judged.

    `folder` is the city's. Everything can be done twice: what stands already is passed over.
    """
    from salus.kernel import events
    from salus.kernel.policy import system_principal
    from salus.prevention.services.maternal import deaths
    from salus.prevention.services.notifiable import arising as notifiable
    from salus.prevention.services.programme import arising as programme
    from salus.prevention.services.signals import running

    weeks = _weeks(folder)
    task = progress.add_task("Cases, registers, signals", total=len(weeks) + 3)
    notifiable.catch_up()
    progress.advance(task)
    programme.nightly()
    progress.advance(task)
    deaths.every_night()
    events.dispatch_pending()
    progress.advance(task)
    principal = system_principal("prevention.signals")
    for week in weeks:
        after = datetime.combine(week + timedelta(days=7), time(1), UTC)  # nine in the morning (UTC+8)
        running.run(principal, now=after, week=week)
        progress.advance(task)


def _weeks(folder: Path) -> list[date]:
    """Return the Mondays of the weeks in which the city's outbreaks began, and of those after, in order."""
    planted = json.loads((folder / "truth" / "outbreaks.json").read_text(encoding="utf-8"))
    found = set()
    for one in planted:
        first = date.fromisoformat(one["first_day"])
        monday = first - timedelta(days=first.weekday())
        found |= {monday + timedelta(weeks=n) for n in range(WEEKS_AFTER)}
    return sorted(found)
