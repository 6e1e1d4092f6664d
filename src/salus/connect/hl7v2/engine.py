"""The mapping engine: rows of `rules/v2/segments.csv`, compiled once into one function a field.

A row says: field, element, kind. An element ending in `[]` collects values, a dotted one lies inside
another. A kind names a conversion; `*` asks for every repetition, `:x` hands it an argument.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from salus.connect.hl7v2 import datatypes, elements
from salus.connect.hl7v2.context import Context, Resource
from salus.connect.hl7v2.datatypes import Conversion
from salus.connect.hl7v2.identifiers import cx, licence, national
from salus.connect.hl7v2.rules import Mapping, segment_maps

Setter = Callable[[Context, Resource, str], None]
NULL = '""'

CONVERSIONS: dict[str, Conversion] = {
    "CLASS": elements.coverage_class,
    "CODE": datatypes.code,
    "CODE-AS-CWE": datatypes.cwe,
    "CQ": datatypes.cq,
    "CWE": datatypes.cwe,
    "CWE-AS": elements.wrapped,
    "CWE-ID": elements.coded_identifier,
    "CWE-MAPPED": datatypes.cwe_mapped,
    "CX": cx,
    "CX-VALUE": elements.first_value,
    "DATE": datatypes.date,
    "DAYS": elements.days,
    "DLN": licence,
    "DTM": datatypes.date_time,
    "EI": datatypes.entity,
    "EIP": elements.entity_pair,
    "EXT-ADDRESS": elements.extension_address,
    "EXT-CODE": elements.extension_code,
    "EXT-CODING": elements.extension_coding,
    "EXT-CWE": elements.extension_concept,
    "EXT-DTM": elements.extension_date,
    "EXT-TEXT": elements.extension_text,
    "INSTANT": datatypes.instant,
    "LOCATION": elements.encounter_location,
    "NATIONAL": national,
    "NDL": datatypes.practitioner_ndl,
    "NOTE": elements.annotation,
    "ORG": datatypes.organization,
    "ORG-CODE": datatypes.organization_coded,
    "PART": elements.participant,
    "PERFORMER": elements.performer,
    "PL": datatypes.location,
    "REACTION": elements.reaction,
    "SPS": elements.specimen_source,
    "ST": datatypes.text,
    "TEXT-ID": elements.text_identifier,
    "XAD": datatypes.address,
    "XCN": datatypes.practitioner,
    "XPN": datatypes.name,
    "XTN": datatypes.telecom,
}
ACTIONS: dict[str, Setter] = {
    "@birth": elements.birth,
    "@deceased": elements.deceased,
    "@multiple-birth": elements.multiple_birth,
}


def apply(ctx: Context, segment: str, fields: list[str], resource: Resource) -> Resource:
    """Write into a resource what a segment says of it; returns the resource.

    An explicit null (`""`) puts None, which an overlay takes as "remove".
    """
    for raw, row in zip(fields, compiled(segment, resource["resourceType"]), strict=False):
        if raw and row is not None:
            ctx.where = row[0]
            for setter in row[1]:
                setter(ctx, resource, raw)
    return resource


@lru_cache(maxsize=256)
def compiled(segment: str, kind: str) -> list[tuple[str, list[Setter]] | None]:
    """Return the setters of one segment map by field number; None where a field is not mapped."""
    mappings = segment_maps().get((segment, kind), [])
    rows: list[tuple[str, list[Setter]] | None] = [None] * (max((m.field for m in mappings), default=-1) + 1)
    for mapping in mappings:
        row = rows[mapping.field] or (f"{segment}-{mapping.field}", [])
        row[1].append(_setter(mapping))
        rows[mapping.field] = row
    return rows


def _setter(mapping: Mapping) -> Setter:
    if mapping.kind.startswith("@"):
        return ACTIONS[mapping.kind]
    name, _, arg = mapping.kind.partition(":")
    every = name.endswith("*")
    convert = CONVERSIONS[name.rstrip("*")]
    path = mapping.element.removesuffix("[]").split(".")
    if mapping.element.endswith("[]"):
        return _collecting(path, convert, arg, mapping.table, every)
    return _single(path, convert, arg, mapping.table)


def _inside(resource: Resource, path: list[str]) -> Resource:
    for step in path:
        inner = resource.get(step)
        if not isinstance(inner, dict):
            inner = resource[step] = {}
        resource = inner
    return resource


def _single(path: list[str], convert: Conversion, arg: str, table: str) -> Setter:
    key, outer = path[-1], path[:-1]

    def put(ctx: Context, resource: Resource, raw: str) -> None:
        if raw == NULL:
            if not outer:
                resource.setdefault(key, None)
            return
        if ctx.rep in raw and convert is not datatypes.text:
            raw = next((piece for piece in raw.split(ctx.rep) if piece), raw)
        value: Any = convert(ctx, raw, arg, table)
        if value is None:
            return
        if outer:
            _inside(resource, outer)[key] = value
        else:
            resource[key] = value

    return put


def _collecting(path: list[str], convert: Conversion, arg: str, table: str, every: bool) -> Setter:
    key, outer = path[-1], path[:-1]

    def put(ctx: Context, resource: Resource, raw: str) -> None:
        if raw == NULL:
            if not outer:
                resource.setdefault(key, None)
            return
        values = []
        for piece in raw.split(ctx.rep) if ctx.rep in raw else (raw,):
            if piece:
                value = convert(ctx, piece, arg, table)
                if value is not None:
                    values.append(value)
                    if not every:
                        break
        if not values:
            return
        holder = _inside(resource, outer) if outer else resource
        present = holder.get(key)
        if present:
            present.extend(value for value in values if value not in present)
        else:
            holder[key] = values

    return put
