"""How each FHIR data type becomes rows of each index table.

A leaf is called with one value, the resource's number and the rows to add to. It meets only values that
passed validation, but primitives may be null beside an extension.
"""

from collections.abc import Callable
from typing import Any

from salus.record.json import as_float
from salus.record.store.extract.rows import IndexRows
from salus.record.store.extract.values import (
    EARLIEST,
    LATEST,
    TEXT_MOST,
    TOKEN_MOST,
    URI_MOST,
    Calendar,
    is_long,
    normal,
    reference,
    system_hash,
)

Leaf = Callable[[Any, int, IndexRows], None]
QUANTITIES = {"Quantity", "Age", "Duration", "Count", "Distance", "SimpleQuantity", "MoneyQuantity"}
NAME_PARTS = ("given", "prefix", "suffix")
ADDRESS_PARTS = ("text", "city", "district", "state", "postalCode", "country")
INFINITE = float("inf")


def _token(path: int, kind: str) -> Leaf | None:
    def coding(value: Any, rid: int, out: IndexRows) -> None:
        code = value.get("code")
        if code:
            out.token.append((path, code[:TOKEN_MOST], rid, system_hash(value.get("system"))))

    def concept(value: Any, rid: int, out: IndexRows) -> None:
        for one in value.get("coding", ()):
            code = one.get("code")
            if code:
                out.token.append((path, code[:TOKEN_MOST], rid, system_hash(one.get("system"))))

    def valued(value: Any, rid: int, out: IndexRows) -> None:
        code = value.get("value")
        if code:
            out.token.append((path, code[:TOKEN_MOST], rid, system_hash(value.get("system"))))

    def text(value: Any, rid: int, out: IndexRows) -> None:
        if value:
            out.token.append((path, value[:TOKEN_MOST], rid, 0))

    def boolean(value: Any, rid: int, out: IndexRows) -> None:
        if value is not None:
            out.token.append((path, "true" if value else "false", rid, 0))

    leaves: dict[str, Leaf] = {
        "Coding": coding,
        "CodeableConcept": concept,
        "Identifier": valued,
        "ContactPoint": valued,
        "boolean": boolean,
    }
    return leaves.get(kind) or (text if kind in {"code", "string", "id", "uri", "canonical"} else None)


def _string(path: int, kind: str) -> Leaf | None:
    def text(value: Any, rid: int, out: IndexRows) -> None:
        if value:
            plain = normal(value)
            out.string.append((path, plain, rid, "" if plain == value else value[:TEXT_MOST]))

    def name(value: Any, rid: int, out: IndexRows) -> None:
        text(value.get("text"), rid, out)
        family = value.get("family")
        text(family, rid, out)
        for part in NAME_PARTS:
            for one in value.get(part, ()):
                text(one, rid, out)
        if family and not family.isascii():
            # A Chinese name is typed in one: its family name, then its given name.
            text(family + "".join(one or "" for one in value.get("given", ())), rid, out)

    def address(value: Any, rid: int, out: IndexRows) -> None:
        for part in ADDRESS_PARTS:
            text(value.get(part), rid, out)
        for line in value.get("line", ()):
            text(line, rid, out)

    leaves: dict[str, Leaf] = {"HumanName": name, "Address": address}
    return leaves.get(kind) or (text if kind in {"string", "markdown", "code", "uri", "id"} else None)


def _date(path: int, kind: str, calendar: Calendar) -> Leaf | None:
    def add(low: int, high: int, rid: int, out: IndexRows) -> None:
        out.date.append((path, is_long(low, high), low, high, rid))

    def moment(value: Any, rid: int, out: IndexRows) -> None:
        if value:
            low, high = calendar.span(value)
            add(low, high, rid, out)

    def period(value: Any, rid: int, out: IndexRows) -> None:
        start, end = value.get("start"), value.get("end")
        if start or end:
            add(
                calendar.span(start)[0] if start else EARLIEST,
                calendar.span(end)[1] if end else LATEST,
                rid,
                out,
            )

    def timing(value: Any, rid: int, out: IndexRows) -> None:
        spans = [calendar.span(one) for one in value.get("event", ()) if one]
        if spans:
            add(min(low for low, _ in spans), max(high for _, high in spans), rid, out)
        elif bounds := (value.get("repeat") or {}).get("boundsPeriod"):
            period(bounds, rid, out)

    leaves: dict[str, Leaf] = {"Period": period, "Timing": timing}
    return leaves.get(kind) or (moment if kind in {"date", "dateTime", "instant"} else None)


def _reference(path: int, kind: str) -> Leaf | None:
    def literal(value: Any, rid: int, out: IndexRows) -> None:
        if value and (target := reference(value)) is not None:
            out.reference.append((path, target[1], rid, target[0]))

    def pointing(value: Any, rid: int, out: IndexRows) -> None:
        literal(value.get("reference"), rid, out)

    return pointing if kind == "Reference" else literal if kind in {"canonical", "uri", "url"} else None


def _quantity(path: int, kind: str) -> Leaf | None:
    def add(low: float, high: float, unit: dict[str, Any], rid: int, out: IndexRows) -> None:
        code = unit.get("code")
        text, system = (code, unit.get("system")) if code else (unit.get("unit") or "", None)
        out.quantity.append((path, low, high, rid, text[:TOKEN_MOST], system_hash(system)))

    def quantity(value: Any, rid: int, out: IndexRows) -> None:
        amount = value.get("value")
        if amount is not None:
            comparator = value.get("comparator")
            low = -INFINITE if comparator in {"<", "<="} else as_float(amount)
            high = INFINITE if comparator in {">", ">="} else as_float(amount)
            add(low, high, value, rid, out)

    def money(value: Any, rid: int, out: IndexRows) -> None:
        if value.get("value") is not None:
            unit = {"code": value.get("currency"), "system": "urn:iso:std:iso:4217"}
            amount = as_float(value["value"])
            add(amount, amount, unit, rid, out)

    def span(value: Any, rid: int, out: IndexRows) -> None:
        low, high = value.get("low") or {}, value.get("high") or {}
        if low.get("value") is not None or high.get("value") is not None:
            least = low.get("value")
            most = high.get("value")
            add(
                -INFINITE if least is None else as_float(least),
                INFINITE if most is None else as_float(most),
                low if least is not None else high,
                rid,
                out,
            )

    if kind in QUANTITIES:
        return quantity
    return money if kind == "Money" else span if kind == "Range" else None


def _number(path: int, kind: str) -> Leaf | None:
    def number(value: Any, rid: int, out: IndexRows) -> None:
        if value is not None:
            out.number.append((path, as_float(value), rid))

    return number if kind in {"decimal", "integer", "positiveInt", "unsignedInt"} else None


def _uri(path: int, kind: str) -> Leaf | None:
    def uri(value: Any, rid: int, out: IndexRows) -> None:
        if value:
            out.uri.append((path, value[:URI_MOST], rid))

    return uri if kind in {"uri", "url", "canonical", "oid", "uuid"} else None


JOINT = "\x1f"
"""Between the parts of a composite value in the index: code, hash of its system, the other part."""
PART_MOST = 120


def paired(table: str, first: Leaf, second: Leaf) -> Leaf:
    """Return how an element becomes rows of a composite parameter: each code with each of the other values.

    The code goes in front of the other value's text, so that the pair is one key: in `record_token` and
    `record_quantity` of the code column, in `record_reference` of the id.
    """

    def pair(value: Any, rid: int, out: IndexRows) -> None:
        codes, others = IndexRows(), IndexRows()
        first(value, rid, codes)
        if not codes.token:
            return
        second(value, rid, others)
        for path, code, _, system in codes.token:
            front = f"{code[:PART_MOST]}{JOINT}{system}{JOINT}"
            if table == "token":
                out.token += [(path, front + text[:PART_MOST], rid, of) for _, text, _, of in others.token]
            elif table == "quantity":
                out.quantity += [
                    (path, low, high, rid, front + unit[:PART_MOST], of)
                    for _, low, high, _, unit, of in others.quantity
                ]
            else:
                out.reference += [(path, front + id, rid, kind) for _, id, _, kind in others.reference]

    return pair


def leaf(table: str, path: int, kind: str, calendar: Calendar) -> Leaf | None:
    """Return how values of a FHIR type go into a table under a path; None where they do not.

    Source: the table at https://hl7.org/fhir/R4/search.html of data types by search parameter type.
    """
    if table == "date":
        return _date(path, kind, calendar)
    makers = {
        "token": _token,
        "string": _string,
        "reference": _reference,
        "quantity": _quantity,
        "number": _number,
        "uri": _uri,
    }
    return makers[table](path, kind)
