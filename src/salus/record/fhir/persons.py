"""The golden record as a FHIR Person: the resident behind all the sources' Patients, read and searched."""

import re
from typing import Any
from uuid import UUID

import orjson
from django.db.backends.utils import CursorWrapper

from salus.kernel import policy
from salus.kernel.policy import Target
from salus.kernel.policy.words import uuid_value
from salus.record.fhir import access
from salus.record.fhir.exchange import Exchange
from salus.record.fhir.outcome import FhirError, Response, not_found
from salus.record.fhir.pages import bundle, count_of, link
from salus.record.fhir.request import Parameters
from salus.record.fhir.shaping import Shape
from salus.record.identity import rows
from salus.record.identity.engine import normalise
from salus.record.models import PatientLink, Person
from salus.record.rules.r4 import kind_of
from salus.record.store.index import extractor
from salus.record.store.searching.query import split, unescape
from salus.record.store.stamp import EPOCH, MICROSECOND

GENDERS = frozenset({"male", "female", "other", "unknown"})
ASSURANCE = {"new": "level2", "probabilistic": "level2"}
LAST = "\U0010ffff"


def read(exchange: Exchange) -> Response:
    """Answer Person/[id]: best values of name, birth date, sex, phone and address, and the linked Patients.

    A person that was merged into another is answered with the one she became.
    """
    access.check_type(exchange, "read", "Person")
    person = _person(exchange.route.id)
    if person is None:
        raise not_found()
    decision = policy.decide(
        exchange.principal, "read", Target("resource", person_id=person.pk, resource_type="Person")
    )
    exchange.entries.append(
        access.entry(
            exchange,
            "read",
            "Person",
            id=str(person.pk),
            person_id=person.pk,
            outcome=access.OK if decision.allowed else access.REFUSED,
            break_glass="break_glass" in decision.flags,
        )
    )
    if not decision.allowed:
        raise not_found()
    return Response(200, orjson.dumps(_resource(exchange, person)))


PARAMETERS = {
    "_id": "token",
    "_lastUpdated": "date",
    "name": "string",
    "identifier": "token",
    "birthdate": "date",
    "gender": "token",
    "phone": "token",
    "telecom": "token",
    "address": "string",
    "patient": "reference",
    "link": "reference",
}
"""What Persons are searched by, and the type of each."""
CONTROLS = frozenset({"_count", "_cursor", "_total", "_format", "_pretty", "_summary", "_elements"})
COUNT, MAX_COUNT = 50, 500
_ROWS = (
    "(select *, id as person_id, 0 as rid, cast(null as integer) as source_id"
    " from record_person where status = 'active') p"
)


def search(exchange: Exchange, query: Parameters, shape: Shape, *, strict: bool) -> Response:
    """Answer a search of Persons among those that the asker may see, in the order of their ids.

    Names match by their beginning, hanzi or pinyin; commas are alternatives, repeats all hold.
    Raises `FhirError` 400.
    """
    access.check_type(exchange, "search", "Person")
    visible, params = policy.scope(exchange.principal, "search", "Person").sql("p.person_id")
    where, values = [f"({visible})"], list(params)
    for name, value in query:
        if name in CONTROLS:
            continue
        if name not in PARAMETERS:
            if strict or name.partition(":")[0] in PARAMETERS:
                raise FhirError(
                    400,
                    "not-supported",
                    "Persons are not searched by this",
                    fix="See metadata",
                    expression=name[:60],
                )
            continue
        if not value:
            raise FhirError(400, "invalid", "The parameter has no value", expression=name)
        parts = [_meets(exchange.cursor, name, one) for one in split(value, ",")]
        where.append("(" + " or ".join(text for text, _ in parts) + ")")
        values += [each for _, given in parts for each in given]
    condition = " and ".join(where)
    total = None
    if shape.summary == "count" or any(
        pair in query for pair in (("_total", "accurate"), ("_total", "estimate"))
    ):
        exchange.cursor.execute(f"select count(*) from {_ROWS} where {condition}", values)  # noqa: S608 - our own conditions
        total = int(exchange.cursor.fetchone()[0])
    count = 0 if shape.summary == "count" else count_of(query, default=COUNT, most=MAX_COUNT)
    if after := next((value for name, value in query if name == "_cursor"), ""):
        condition += " and p.id > %s"
        values.append(rows.key(exchange.cursor, _id(after)))
    exchange.cursor.execute(
        f"select p.id from {_ROWS} where {condition} order by p.id limit %s",  # noqa: S608 - our own conditions
        [*values, count + 1],
    )
    ids = [rows.person(row[0]) for row in exchange.cursor.fetchall()]
    more, ids = len(ids) > count > 0, ids[:count]
    people = Person.objects.in_bulk(ids)
    base = exchange.request.base
    found = [people[id] for id in ids if id in people]
    entries = [
        {
            "fullUrl": f"{base}/Person/{one.pk}",
            "resource": shape.apply(orjson.dumps(_resource(exchange, one))),
            "search": {"mode": "match"},
        }
        for one in found
    ]
    names = [name for name, _ in query]
    access.listed(exchange, "search", "Person", [one.pk for one in found], parameters=names, count=len(found))
    links = [link("self", f"{base}/Person", query)]
    if more:
        kept = [pair for pair in query if pair[0] != "_cursor"]
        links.append(link("next", f"{base}/Person", [*kept, ("_cursor", str(ids[-1]))]))
    elif not after and count:
        total = len(found)
    return Response(200, bundle("searchset", links, entries, total=total))


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise FhirError(400, "value", "This is no place in a list", expression="_cursor") from None


def _meets(cursor: CursorWrapper, name: str, raw: str) -> tuple[str, list[Any]]:
    """Return the condition that a person `p` has one value of a parameter."""
    value = unescape(raw)
    match name:
        case "_id":
            try:
                return "p.id = %s", [uuid_value(UUID(value))]
            except ValueError:
                return "1=0", []
        case "name":
            hanzi = normalise.hanzi(value)
            if hanzi:
                return "(p.name >= %s and p.name < %s)", [hanzi, hanzi + LAST]
            plain = value.casefold().replace(" ", "")
            return "(p.pinyin >= %s and p.pinyin < %s) or (lower(p.name) >= %s and lower(p.name) < %s)", [
                plain, plain + LAST, value.lower(), value.lower() + LAST
            ]  # fmt: skip
        case "gender":
            return "p.sex = %s", [value.rpartition("|")[2]]
        case "phone" | "telecom":
            return "p.phone = %s", [normalise.phone(value.rpartition("|")[2]) or "-"]
        case "address":
            escaped = re.sub("([~%_])", r"~\1", value)
            return "p.address like %s escape '~'", [f"%{escaped}%"]
        case "identifier":
            text = (
                "p.id in (select l.person_id from record_personidentifier i"
                " join record_patientlink l on l.patient_rid = i.patient_rid where i.value = %s)"
            )
            return text, [normalise.identifier(unescape(split(raw, "|")[-1])) or "-"]
        case "patient" | "link":
            text = (
                "p.id in (select r.person_id from record_resource r where r.kind = %s and r.id = %s"
                " and r.version > 0 and not r.deleted)"
            )
            return text, [kind_of("Patient"), value.rpartition("/")[2]]
        case _:
            return _dated(cursor, "p.birth_date" if name == "birthdate" else "p.updated", value, name)


def _dated(cursor: CursorWrapper, column: str, value: str, name: str) -> tuple[str, list[Any]]:
    """Return the condition of a date with its prefix; a day of birth is a day, `updated` a moment."""
    prefix, text = (value[:2], value[2:]) if value[:2].isalpha() else ("eq", value)
    try:
        low, high = extractor().calendar.span(text.replace(" ", "+"))
        first, last = (EPOCH + MICROSECOND * at for at in (low, high))
    except (ValueError, OverflowError):
        raise FhirError(400, "value", "The value is no date", expression=name) from None
    ends: list[Any] = [rows.moment(cursor, at) for at in (first, last)]
    if column == "p.birth_date":
        zone = extractor().calendar.zone
        ends = [at.astimezone(zone).date() for at in (first, last)]
    inside = f"({column} >= %s and {column} <= %s)"
    choices = {
        "eq": (inside, ends),
        "ap": (inside, ends),
        "ne": (f"not {inside}", ends),
        "gt": (f"{column} > %s", ends[1:]),
        "sa": (f"{column} > %s", ends[1:]),
        "ge": (f"{column} >= %s", ends[:1]),
        "lt": (f"{column} < %s", ends[:1]),
        "eb": (f"{column} < %s", ends[:1]),
        "le": (f"{column} <= %s", ends[1:]),
    }
    if prefix not in choices:
        raise FhirError(400, "value", "The prefix is not one of FHIR's", expression=name)
    return choices[prefix]


def _person(id: str) -> Person | None:
    try:
        person = Person.objects.filter(pk=UUID(id)).first()
    except ValueError:
        return None
    for _ in range(10):  # merges of merges end somewhere; a ring would be a fault, not a reason to hang
        if person is None or person.merged_into is None:
            return person
        person = Person.objects.filter(pk=person.merged_into).first()
    return person


def _resource(exchange: Exchange, person: Person) -> dict[str, Any]:
    made: dict[str, Any] = {
        "resourceType": "Person",
        "id": str(person.pk),
        "meta": {"lastUpdated": person.updated.isoformat()},
        "active": person.status == "active",
    }
    if person.name:
        made["name"] = [{"text": person.name}]
    if person.sex in GENDERS:
        made["gender"] = person.sex
    if person.birth_date:
        made["birthDate"] = person.birth_date.isoformat()
    if person.phone:
        made["telecom"] = [{"system": "phone", "value": person.phone}]
    if person.address:
        made["address"] = [{"text": person.address}]
    links = list(
        PatientLink.objects.filter(person_id=person.pk)
        .order_by("patient_rid")
        .values_list("patient_rid", "method")
    )
    found = rows.fetch_in(
        exchange.cursor,
        f"select rid, id from record_resource where kind = {kind_of('Patient')} and version > 0"  # noqa: S608 - our own number
        " and rid in ({marks})",
        [rid for rid, _ in links],
    )
    ids = dict(found)
    made["link"] = [
        {"target": {"reference": f"Patient/{ids[rid]}"}, "assurance": ASSURANCE.get(method, "level3")}
        for rid, method in links
        if rid in ids
    ]
    if not made["link"]:
        del made["link"]
    return made
