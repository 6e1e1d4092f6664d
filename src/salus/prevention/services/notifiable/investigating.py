"""The investigation of a case: exposures and places, samples and sequences, isolation, who infected whom."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext_noop as _

from salus.kernel import audit
from salus.kernel.errors import Conflict, Invalid, NotFound
from salus.kernel.policy import Principal
from salus.prevention.models import Case, CaseFact, Exposure, Isolation, Sample, Transmission
from salus.prevention.queries.notifiable import seeing
from salus.prevention.queries.notifiable.diseases import exposures
from salus.prevention.services.notifiable import judging
from salus.prevention.surveillance import Fact
from salus.prevention.surveillance.reading import verdict

ISOLATION = ("home", "hospital", "facility")
"""Where somebody is isolated."""


def _kept(principal: Principal, case: Case, did: str) -> audit.AuditEntry:
    return audit.entry(
        principal, "update", person_id=case.person_id, resource_type="NotifiableCase",
        resource_id=str(case.pk), detail={"did": did},
    )  # fmt: skip


def _ordered(start: date | None, end: date | None) -> None:
    if start is not None and end is not None and end < start:
        raise Invalid("dates-reversed", _("The end lies before the start"), where="end")


@dataclass(frozen=True, slots=True)
class AskedExposure:
    """An exposure: a code of `rules/notifiable_exposures.csv`, where and when; `source`: infected there."""

    kind: str
    place: str = ""
    start: date | None = None
    end: date | None = None
    source: bool = False
    note: str = ""
    latitude: float | None = None
    longitude: float | None = None


def add_exposure(principal: Principal, number: int, asked: AskedExposure, *, now: datetime) -> Exposure:
    """Keep an exposure of a case; one that its definition names counts for the classification.

    Raises:
        NotFound: there is no such case, or the principal may not change it.
        Invalid: there is no such kind, the end lies before the start, or a place is none on earth.
    """
    case = seeing.open_case(principal, number, "update")
    if asked.kind not in exposures():
        raise Invalid("report-exposure", _("There is no such exposure"), where="kind")
    _ordered(asked.start, asked.end)
    if (asked.latitude is not None and abs(asked.latitude) > 90) or (
        asked.longitude is not None and abs(asked.longitude) > 180
    ):
        raise Invalid("exposure-place", _("The coordinates are none on earth"), where="latitude")
    with transaction.atomic(), connection.cursor() as cursor:
        made = Exposure.objects.create(
            case=case, kind=asked.kind, place=asked.place[:120], start=asked.start, end=asked.end,
            source=asked.source, note=asked.note[:300], latitude=asked.latitude, longitude=asked.longitude,
            recorded_by=principal.name, recorded_at=now,
        )  # fmt: skip
        fact = Fact("exposure", asked.kind, asked.place[:120], "", None, asked.end, f"exposure/{made.pk}")
        judging.fact_row(case, fact).save()
        judging.refresh(case, by=principal.name, now=now)
        intent = audit.intend(cursor, [_kept(principal, case, "exposure")])
    audit.settle(intent)
    return made


@dataclass(frozen=True, slots=True)
class AskedSample:
    """A sample and, once it is there, its result: positive, negative or what was found."""

    number: str
    kind: str
    taken_on: date
    laboratory: str = ""
    test: str = ""
    loinc: str = ""
    result: str = ""
    result_on: date | None = None
    lineage: str = ""
    accession: str = ""


def keep_sample(principal: Principal, number: int, asked: AskedSample, *, now: datetime) -> Sample:
    """Keep a case's sample, or bring the one of this number up to date; a result counts as a fact.

    Raises:
        NotFound: there is no such case, or the principal may not change it.
        Invalid: the number is empty, or a day lies in the future or the result before the sample.
    """
    case = seeing.open_case(principal, number, "update")
    if not asked.number.strip():
        raise Invalid("sample-number", _("Give the sample's number"), where="number")
    _ordered(asked.taken_on, asked.result_on)
    if max(asked.taken_on, asked.result_on or asked.taken_on) > judging.local_day(now):
        raise Invalid("sample-future", _("The day lies in the future"), where="taken_on")
    result = verdict(asked.result) or asked.result.strip()
    with transaction.atomic(), connection.cursor() as cursor:
        made, _new = Sample.objects.update_or_create(
            case=case, number=asked.number.strip()[:60],
            defaults={
                "kind": asked.kind[:40], "taken_on": asked.taken_on, "laboratory": asked.laboratory[:120],
                "test": asked.test[:120], "loinc": asked.loinc[:20], "result": result[:120],
                "result_on": asked.result_on, "lineage": asked.lineage[:60],
                "accession": asked.accession[:60], "recorded_by": principal.name, "recorded_at": now,
            },
        )  # fmt: skip
        ref = f"sample/{made.pk}"
        CaseFact.objects.filter(case=case, ref=ref).delete()
        if result:
            day = asked.result_on or asked.taken_on
            fact = Fact("laboratory", asked.loinc, asked.test, result, None, day, ref)
            judging.fact_row(case, fact).save()
        judging.refresh(case, by=principal.name, now=now)
        intent = audit.intend(cursor, [_kept(principal, case, "sample")])
    audit.settle(intent)
    return made


def isolate(
    principal: Principal,
    number: int,
    kind: str,
    start: date,
    end: date | None,
    place: str = "",
    *,
    now: datetime,
) -> Isolation:
    """Keep that a case is isolated from a day to a day (None: it goes on); raises NotFound, Invalid."""
    case = seeing.open_case(principal, number, "update")
    if kind not in ISOLATION:
        raise Invalid("isolation-kind", _("There is no such place of isolation"), where="kind")
    _ordered(start, end)
    with transaction.atomic(), connection.cursor() as cursor:
        made = Isolation.objects.create(
            case=case, kind=kind, place=place[:120], start=start, end=end, recorded_by=principal.name,
            recorded_at=now,
        )  # fmt: skip
        intent = audit.intend(cursor, [_kept(principal, case, "isolation")])
    audit.settle(intent)
    return made


def link(principal: Principal, number: int, source: int, basis: str, *, now: datetime) -> Transmission:
    """Keep that a case was infected by another; the link counts for its classification.

    Raises:
        NotFound: one of them is not there, or the principal may not change it.
        Invalid: the source is the case itself, or of another disease, or its first day is too far off.
        Conflict: it is known already.
    """
    case = seeing.open_case(principal, number, "update")
    other = seeing.open_case(principal, source, "read")
    if case.pk == other.pk or case.disease != other.disease:
        raise Invalid("link-source", _("The source is another case of the same disease"), where="source")
    with transaction.atomic(), connection.cursor() as cursor:
        try:
            with transaction.atomic():
                made = Transmission.objects.create(
                    source=other, case=case, basis=basis[:120], recorded_by=principal.name, recorded_at=now
                )
        except IntegrityError:
            raise Conflict("link-known", _("This transmission is known"), where="source") from None
        fact = Fact("link", str(other.pk), "", other.status, None, other.first_day, f"link/{made.pk}")
        judging.fact_row(case, fact).save()
        judging.refresh(case, by=principal.name, now=now)
        intent = audit.intend(cursor, [_kept(principal, case, "link")])
    audit.settle(intent)
    return made


def unlink(principal: Principal, number: int, transmission: int, *, now: datetime) -> None:
    """Take a transmission back with what it counted for; raises NotFound."""
    case = seeing.open_case(principal, number, "update")
    with transaction.atomic(), connection.cursor() as cursor:
        gone, _each = Transmission.objects.filter(pk=transmission, case=case).delete()
        if not gone:
            raise NotFound("link-unknown", _("There is no such transmission"), where=str(transmission))
        CaseFact.objects.filter(case=case, ref=f"link/{transmission}").delete()
        judging.refresh(case, by=principal.name, now=now)
        intent = audit.intend(cursor, [_kept(principal, case, "unlink")])
    audit.settle(intent)
