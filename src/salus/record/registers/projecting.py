"""The registers follow the change feed: each resource's rows are made anew whenever it changes."""

from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from salus.kernel.feed import Position
from salus.kernel.jobs import periodic
from salus.kernel.models import Institution
from salus.record import json, store
from salus.record.identity import relations, rows
from salus.record.models import RegisterCursor
from salus.record.registers.reading import TYPES, read

NAME = "registers"
_BATCH = 500
_COLUMNS = {
    "birth": ("born", "weight", "gestation", "certificate"),
    "death": ("died", "cause"),
    "residence": ("place", "kind", "district_code", "hukou", "valid_from", "valid_to"),
    "socialstatus": ("category", "code", "valid_from", "valid_to"),
}
_SOURCED = {"death", "socialstatus"}
_EMPTY = {"certificate": False, "cause": "", "district_code": "", "hukou": ""}


def catch_up(limit: int = 1_000_000) -> int:
    """Read the change feed from where the registers stopped; return how many changes were read.

    Each short transaction keeps its rows and its place together, so that it can stop and begin again
    anywhere; reading the same change twice gives the same rows.
    """
    done = 0
    while done < limit:
        with transaction.atomic(), connection.cursor() as cursor:
            query = RegisterCursor.objects.filter(name=NAME)
            at = (query.select_for_update() if connection.vendor == "postgresql" else query).first()
            at = at or RegisterCursor.objects.create(name=NAME)
            found = store.changes(cursor, Position(at.xid, at.seq), min(_BATCH, limit - done))
            if not found:
                return done
            project(cursor, list(dict.fromkeys(c.rid for c in found if c.type in TYPES)))
            at.xid, at.seq = found[-1].position.xid, found[-1].position.seq
            at.save(update_fields=["xid", "seq"])
        done += len(found)
    return done


def project(cursor: CursorWrapper, rids: Sequence[int]) -> None:
    """Make the register rows of these resources anew from their present versions."""
    gone = [(rid,) for rid in rids]
    for table in _COLUMNS:
        rows.many(cursor, f"delete from record_{table} where rid = %s", gone)  # noqa: S608 - our own table names
    kept: dict[str, list[list[Any]]] = {table: [] for table in _COLUMNS}
    places: list[tuple[int, str]] = []
    for stored in store.read_rids(cursor, list(rids)):
        patient = stored.rid if stored.type == "Patient" else stored.patient_rid
        if stored.deleted or patient is None:
            continue
        body = json.loads(stored.body)
        if stored.type == "Encounter":
            places += [(patient, code) for code in _providers(body)]
            continue
        seen: set[tuple[str, Any]] = set()
        for row in read(stored.type, body):
            if (key := (row.table, row.values.get("place"))) in seen:
                continue
            seen.add(key)
            values = [row.values.get(c, _EMPTY.get(c)) for c in _COLUMNS[row.table]]
            if cursor.db.vendor != "postgresql":
                values = [v.isoformat() if hasattr(v, "isoformat") else v for v in values]
            extra: list[Any] = [stored.source_id] if row.table in _SOURCED else []
            if row.table == "residence":
                extra = [stored.source_time or stored.updated]
            kept[row.table].append([stored.rid, patient, *values, *extra])
    for table, found in kept.items():
        more = ["source_id"] if table in _SOURCED else ["at"] if table == "residence" else []
        columns = ["rid", "patient_rid", *_COLUMNS[table], *more]
        marks = ", ".join(["%s"] * len(columns))
        rows.many(
            cursor,
            f"insert into record_{table} ({', '.join(columns)}) values ({marks})",  # noqa: S608 - our own names
            found,
        )
    _care(cursor, places)


def _providers(body: dict[str, Any]) -> list[str]:
    provider = body.get("serviceProvider")
    identifier = provider.get("identifier") if isinstance(provider, dict) else None
    value = identifier.get("value") if isinstance(identifier, dict) else None
    return [value] if isinstance(value, str) else []


def _care(cursor: CursorWrapper, places: Sequence[tuple[int, str]]) -> None:
    """An encounter puts its patient into its institution's care."""
    codes = {code for _, code in places}
    known = dict(Institution.objects.filter(code__in=codes).values_list("code", "id")) if codes else {}
    relations.note_care(cursor, sorted({(rid, known[code]) for rid, code in places if code in known}))


@periodic(every=10, name="record.registers")
def keep_up() -> None:
    """Follow the change feed."""
    catch_up(20_000)
