"""Loading a release of a code system or a map: whole or not at all, the same file once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from salus.kernel.errors import Conflict
from salus.record.identity import rows
from salus.record.models import TerminologyCode, TerminologyMapping, TerminologyRelease
from salus.record.terminology.reading import Read

PART = 5_000


@dataclass(frozen=True, slots=True)
class Loaded:
    """What loading did: `outcome` is "loaded" or "unchanged"."""

    outcome: str
    release: TerminologyRelease


def load(
    found: Read, *, now: datetime, replace: bool = False, progress: Callable[[int], None] = lambda done: None
) -> Loaded:
    """Load a release and let it answer from now on; older versions stay.

    The same content under the same version changes nothing. `progress` is told how many rows are in.

    Raises:
        Conflict: other content is loaded under this version, and `replace` was not asked for.
    """
    with transaction.atomic():
        same = TerminologyRelease.objects.filter(
            kind=found.kind, url=found.url, version=found.version
        ).first()
        if same is not None and same.digest == found.digest:
            if not same.current:
                _answer_with(same)
            return Loaded("unchanged", same)
        if same is not None and not replace:
            raise Conflict(
                "terminology-version",
                "Other content is loaded under this version",
                fix="Give the new content a version of its own, or --replace",
            )
        if same is not None:
            TerminologyCode.objects.filter(release_id=same.pk).delete()
            TerminologyMapping.objects.filter(release_id=same.pk).delete()
            same.delete()
        release = TerminologyRelease.objects.create(
            kind=found.kind,
            url=found.url,
            version=found.version,
            name=found.name,
            digest=found.digest,
            complete=found.complete,
            size=len(found.rows),
            loaded=now,
        )
        _insert(release, found, progress)
        _answer_with(release)
    return Loaded("loaded", release)


def _answer_with(release: TerminologyRelease) -> None:
    others = TerminologyRelease.objects.filter(kind=release.kind, url=release.url).exclude(pk=release.pk)
    others.update(current=False)
    release.current = True
    release.save(update_fields=["current"])


def _insert(release: TerminologyRelease, found: Read, progress: Callable[[int], None]) -> None:
    table, columns = {
        "codes": ("record_terminologycode", "release_id, code, display, parent"),
        "map": (
            "record_terminologymapping",
            "release_id, source, code, target, target_code, display, equivalence",
        ),
    }[found.kind]
    marks = ", ".join(["%s"] * (columns.count(",") + 1))
    with connection.cursor() as cursor:
        for start in range(0, len(found.rows), PART):
            part = [(release.pk, *row) for row in found.rows[start : start + PART]]
            rows.many(cursor, f"insert into {table} ({columns}) values ({marks})", part)  # noqa: S608 - our own names
            progress(start + len(part))
