"""What a decision on claims stands on, read from the platform as the tables of the adjudication.

One claim at the till and a month's batch read through the same functions: what differs is only how many.
Residents stand under the id of the person that they are today.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pyarrow as pa
from django.db.models import Sum

from salus.insurance.adjudication.tables import INPUTS
from salus.insurance.eligibility import Person, coverage, load_rules
from salus.insurance.models import (
    AccumulatorEvent,
    CatalogueItem,
    Claim,
    Designation,
    IllnessRegistration,
    InstitutionContract,
)
from salus.insurance.queries import cover, prices
from salus.insurance.queries.cover import owners, parts
from salus.kernel.models import Institution
from salus.record.models import Person as Resident

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Found:
    """The tables of the adjudication but the claims and their lines, and each person's facts of cover."""

    rows: dict[str, Rows]
    facts: dict[UUID, Person]


REACH = timedelta(days=800)
"""How far back standing claims are held against new ones: longer than any edit or benefit year looks."""
_CATALOGUE = (
    "item", "name", "kind", "payment_class", "valid_from", "valid_to", "ceiling_1", "ceiling_2", "ceiling_3",
    "self_share", "sex", "min_age", "max_age", "care", "max_day", "max_stay", "max_year", "exclusive_group",
    "bundle", "indications", "licence", "waiting_days",
)  # fmt: skip
_BLANK_IS_NONE = ("sex", "care", "exclusive_group", "bundle", "licence")


def context(
    persons: Iterable[UUID], items: Iterable[str], institutions: Iterable[int], *, as_of: date, since: date
) -> Found:
    """Return every table of the adjudication but the claims and their lines, as rows.

    Args:
        persons: whose claims they are, under their present ids.
        items: the items of the lines.
        institutions: whose claims they are.
        as_of: the day of adjudication.
        since: the earliest day of the claims.
    """
    people = list(persons)
    held = owners(people)
    found: dict[str, Rows] = {name: [] for name in INPUTS if name not in ("claims", "claim_lines")}
    for part in parts(sorted(set(items))):
        for values in CatalogueItem.objects.filter(item__in=part).values(*_CATALOGUE):
            row = dict(values)
            row["class"] = row.pop("payment_class")
            found["catalogue"].append({k: (v or None) if k in _BLANK_IS_NONE else v for k, v in row.items()})
    found["catalogue"] = list(prices.priced(found["catalogue"]))
    found["institutions"] = _institutions(institutions, as_of)
    for part in parts(people):
        for values in Resident.objects.filter(pk__in=part).values("id", "sex", "birth_date", "deceased"):
            found["persons"].append(
                {
                    "person_id": values["id"].hex, "sex": values["sex"] or None,
                    "birth_date": values["birth_date"], "death_date": values["deceased"],
                }
            )  # fmt: skip
    known = cover.facts_of(held)
    rules = load_rules()
    for person, facts in known.items():
        for period in coverage(facts, rules):
            found["coverage"].append(
                {
                    "person_id": person.hex, "scheme": period.scheme, "starts": period.start,
                    "ends": period.end, "waiting_until": period.waiting_until,
                }
            )  # fmt: skip
        for status in facts.statuses:
            found["statuses"].append(
                {
                    "person_id": person.hex, "status": status.status, "starts": status.start,
                    "ends": status.end,
                }
            )  # fmt: skip
    _used(found, held, since)
    return Found(found, known)


def _institutions(ids: Iterable[int], as_of: date) -> Rows:
    wanted = sorted(set(ids))
    contracts: dict[int, list[tuple[date, date | None, int]]] = defaultdict(list)
    designated: dict[int, set[str]] = defaultdict(set)
    rows: Rows = []
    for part in parts(wanted):
        for place, start, end, tier in InstitutionContract.objects.filter(
            institution_id__in=part
        ).values_list("institution_id", "start_date", "end_date", "tier"):
            contracts[place].append((start, end, tier))
        for place, illness, end in Designation.objects.filter(
            institution_id__in=part, start_date__lte=as_of
        ).values_list("institution_id", "illness", "end_date"):
            if end is None or end >= as_of:
                designated[place].add(illness)
        for one in Institution.objects.filter(pk__in=part):
            held = contracts[one.pk]
            if not held:
                continue
            ends = [end for _start, end, _tier in held]
            rows.append(
                {
                    "institution": one.code, "tier": max(held)[2], "district": one.district_id or "",
                    "licences": sorted(set(one.licence_scope.replace(",", " ").replace(";", " ").split())),
                    "designated": sorted(designated[one.pk]), "valid_from": min(held)[0],
                    "valid_to": None if None in ends else max(end for end in ends if end),
                }
            )  # fmt: skip
    return rows


def _used(found: dict[str, Rows], held: Mapping[UUID, UUID], since: date) -> None:
    """Add what persons are registered for, their claims that stand, and what these used up."""
    balances: dict[tuple[str, int, str, str], int] = defaultdict(int)
    for part in parts(held):
        for person, illness, start, end in IllnessRegistration.objects.filter(person_id__in=part).values_list(
            "person_id", "illness", "start_date", "end_date"
        ):
            found["registrations"].append(
                {"person_id": held[person].hex, "illness": illness, "starts": start, "ends": end}
            )
        for claim in Claim.objects.filter(
            person_id__in=part, standing=True, discharged__gte=since - REACH
        ).values_list(
            "person_id", "institution__code", "number", "kind", "admitted", "discharged", "diagnoses",
            "charge_fen",
        ):  # fmt: skip
            person, place, number, kind, admitted, discharged, diagnoses, charge = claim
            found["earlier"].append(
                {
                    "claim_id": claim_id(place, number), "person_id": held[person].hex, "institution": place,
                    "kind": kind, "admitted": admitted, "discharged": discharged,
                    "diagnosis": diagnoses[0] if diagnoses else None, "charge": charge,
                }
            )  # fmt: skip
        sums = (
            AccumulatorEvent.objects.filter(person_id__in=part)
            .values_list("person_id", "year", "account", "key")
            .annotate(total=Sum("amount"))
        )
        for person, year, account, key, total in sums:
            balances[held[person].hex, year, account, key] += total
    found["balances"] += [
        {"person_id": person, "year": year, "account": account, "key": key, "amount": total}
        for (person, year, account, key), total in sorted(balances.items())
        if total
    ]


def claim_id(institution: str, number: str) -> str:
    """Return the id of a claim in the adjudication: the institution's code and its own number."""
    return f"{institution}/{number}"


def arrow(given: Mapping[str, Rows]) -> dict[str, pa.Table]:
    """Return rows as the adjudication's Arrow tables."""
    return {name: pa.Table.from_pylist(rows, schema=INPUTS[name].schema) for name, rows in given.items()}
