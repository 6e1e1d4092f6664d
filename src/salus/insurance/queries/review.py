"""Suspicious claims: what a review reads of the platform, and what an examiner sees of its list."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import cache
from typing import Any
from uuid import UUID

import pyarrow as pa
from django.db.models import QuerySet

from salus.insurance.models import CatalogueItem, Claim, ClaimLine, InstitutionContract, Outcome, Suspicion
from salus.insurance.queries import claims as claim_queries
from salus.insurance.queries import cover
from salus.insurance.review.scoring import Kind, evidence, kinds
from salus.insurance.review.tables import schema_of
from salus.kernel import audit, policy
from salus.kernel.errors import NotFound
from salus.kernel.models import Institution
from salus.kernel.policy import Principal, Target
from salus.record.models import Death, PatientLink
from salus.record.models import Person as Resident

CHUNK = 20_000


def tables(since: date, until: date) -> dict[str, pa.Table]:
    """Return the claims discharged in a period, reversed ones left out, with all that a review reads of them.

    Residents stand under the id of the person that they are today. Memory grows with the claims: a few
    hundred bytes a line.
    """
    rows = Claim.objects.filter(discharged__range=(since, until)).exclude(outcome=Outcome.REVERSED)
    merged = dict(Resident.objects.exclude(merged_into=None).values_list("id", "merged_into"))
    places = dict(Institution.objects.values_list("id", "code"))

    def today(person: UUID) -> str:
        into = merged.get(person)
        return person.hex if into is None else today(into)

    given: dict[str, Iterable[tuple[Any, ...]]] = {
        "claims": (
            (str(pk), today(person), places[place], kind, start, end, dx, ops, charge)
            for pk, person, place, kind, start, end, dx, ops, charge in rows.values_list(
                "id", "person_id", "institution_id", "kind", "admitted", "discharged", "diagnoses",
                "procedures", "charge_fen",
            ).iterator(CHUNK)
        ),
        "claim_lines": (
            (str(claim), *rest)
            for claim, *rest in ClaimLine.objects.filter(claim__in=rows)
            .values_list("claim_id", "service_date", "item", "quantity", "charge_fen", "department")
            .iterator(CHUNK)
        ),
        "persons": _persons({today(one) for one in rows.values_list("person_id", flat=True).distinct()}),
        "institutions": _institutions(),
        "catalogue": CatalogueItem.objects.order_by("item", "valid_from").values_list(
            "item", "kind", "bundle", "ceiling_3"
        ),
        "deaths": (
            (person.hex, died)
            for person, died in _deaths()
        ),
    }  # fmt: skip
    return {name: _table(schema_of(name), found) for name, found in given.items()}


def _persons(ids: Iterable[str]) -> Iterator[tuple[Any, ...]]:
    for part in cover.parts(sorted(ids)):
        found = Resident.objects.filter(pk__in=part).values_list("id", "sex", "birth_date", "deceased")
        yield from ((pk.hex, sex or None, born, died) for pk, sex, born, died in found)


def _institutions() -> list[tuple[Any, ...]]:
    tiers: dict[int, int] = {}
    for place, _start, tier in InstitutionContract.objects.order_by("start_date").values_list(
        "institution_id", "start_date", "tier"
    ):
        tiers[place] = tier
    return [
        (code, tiers.get(pk), district or "")
        for pk, code, district in Institution.objects.values_list("id", "code", "district_id")
    ]


def _deaths() -> list[tuple[UUID, date]]:
    died = dict(Death.objects.exclude(died=None).values_list("patient_rid", "died"))
    found: list[tuple[UUID, date]] = []
    for part in cover.parts(sorted(died)):
        links = PatientLink.objects.filter(patient_rid__in=part)
        found += [(person, day) for rid, person in links.values_list("patient_rid", "person_id")
                  if (day := died[rid]) is not None]  # fmt: skip
    return found


def _table(schema: pa.Schema, rows: Iterable[tuple[Any, ...]]) -> pa.Table:
    """Return rows as a table, built in parts so that they do not stand in memory twice."""
    batches: list[pa.RecordBatch] = []
    part: list[tuple[Any, ...]] = []

    def close() -> None:
        columns = zip(*part, strict=True) if part else [()] * len(schema)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
        batches.append(pa.RecordBatch.from_arrays(arrays, schema=schema))
        part.clear()

    for row in rows:
        part.append(row)
        if len(part) >= CHUNK:
            close()
    close()
    return pa.Table.from_batches(batches, schema)


def visible(principal: Principal, action: str = "search") -> "QuerySet[Suspicion]":
    """Return the suspicions of claims that the principal may see; raises `NotAllowed`."""
    policy.require(principal, action, Target("suspicion"))
    rows = Suspicion.objects.select_related("claim__institution", "other").filter(
        claim__categories__in=claim_queries.opened(principal)
    )
    scope = policy.scope(principal, action, "Claim")
    return claim_queries.scoped(rows, scope, "insurance_claim", "insurance_claim.source_id")


def opened(principal: Principal, number: int, action: str = "read") -> Suspicion:
    """Return a suspicion if the principal may act on it, and leave the audit row of its resident.

    Raises:
        NotFound: it is not there, or the principal may not know that it is.
    """
    found = Suspicion.objects.select_related("claim__institution", "other").filter(pk=number).first()
    if found is None:
        raise NotFound("suspicion-unknown", "There is no such suspicion")
    allowed = (
        policy.decide(principal, action, Target("suspicion")).allowed
        and claim_queries.may_read(principal, found.claim)
    )  # fmt: skip
    audit.record(
        [
            audit.entry(
                principal, "read", person_id=found.claim.person_id, resource_type="Suspicion",
                resource_id=str(found.pk), outcome="ok" if allowed else "refused",
            )
        ]
    )  # fmt: skip
    if not allowed:
        raise NotFound("suspicion-unknown", "There is no such suspicion")
    return found


@cache
def _kinds() -> Mapping[str, Kind]:
    return {kind.kind: kind for kind in kinds()}


def kind_name(code: str) -> str:
    """Return the name of a kind of suspicion in the reader's language."""
    kind = _kinds().get(code)
    return code if kind is None else kind.name_zh if claim_queries.language() == "zh" else kind.name_en


def words(suspicion: Suspicion) -> str:
    """Return the evidence in the reader's language."""
    kind = _kinds()[suspicion.kind]
    other = suspicion.other.number if suspicion.other else ""
    return evidence(kind, suspicion.what, other, suspicion.measures, claim_queries.language())
