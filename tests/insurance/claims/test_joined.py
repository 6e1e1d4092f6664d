"""Years to decide again because two residents turned out to be one, or one to be two."""

from datetime import date, timedelta
from uuid import UUID

import pytest
from django.db import connection, transaction

from salus.insurance.models import Claim, OutdatedWhy, OutdatedYear
from salus.insurance.queries import outdated as queries
from salus.insurance.services import claims, joined
from salus.kernel.policy import Principal
from salus.record import identity, store
from salus.record.identity import services as deciding
from salus.record.models import PatientLink, Person
from tests.insurance.claims import world
from tests.insurance.claims.test_outdated import OFFICER, settle
from tests.insurance.claims.world import NOW, City

# The change feed shows what is committed, so these tests commit.
pytestmark = pytest.mark.django_db(databases=["default", "audit"], transaction=True)
CLERK = Principal(kind="account", account_id=1, name="clerk", roles=frozenset({"integrator"}))
WHY = "compared the papers"
FEBRUARY, JUNE = date(2025, 2, 1), date(2025, 6, 1)


def paid(claim: Claim) -> int:
    claim.refresh_from_db()
    return claim.fund_fen


def marks() -> list[tuple[UUID, int, str]]:
    joined.catch_up(now=NOW)
    return [(row.person_id, row.year, row.why) for row in OutdatedYear.objects.order_by("person_id", "year")]


def decide(*persons: UUID) -> None:
    for person in persons:
        claims.decide_again(OFFICER, person, 2025, WHY, now=NOW + timedelta(days=1))


def test_a_join_marks_the_year_and_its_reversal_marks_it_again(city: City) -> None:
    one, two, three = city.persons[:3]
    first, second = settle(city, 1, FEBRUARY, one), settle(city, 2, JUNE, two)
    settle(city, 3, FEBRUARY, three)
    as_second = paid(settle(city, 4, JUNE, three))
    alone = paid(second)
    assert alone != as_second and marks() == []

    event = deciding.merge(CLERK, one, two, reason=WHY)
    assert marks() == [(one, 2025, OutdatedWhy.JOINED)]
    assert queries.visible(OFFICER).get().claims == 2
    assert OutdatedYear.objects.get().cause == first
    decide(one)
    assert (paid(second), OutdatedYear.objects.count(), marks()) == (as_second, 0, [])

    deciding.reverse(CLERK, event.pk, reason=WHY)
    assert sorted(marks()) == sorted((p, 2025, OutdatedWhy.SEPARATED) for p in (one, two))
    decide(one, two)
    assert (paid(second), marks()) == (alone, [])


def test_years_that_only_one_of_them_has_stay_as_they_are(city: City) -> None:
    one, two, three = city.persons[:3]
    settle(city, 1, FEBRUARY, one)
    settle(city, 2, date(2024, 6, 1), two)
    deciding.merge(CLERK, one, two, reason=WHY)
    deciding.merge(CLERK, one, three, reason=WHY)
    assert marks() == []


def test_who_was_merged_before_is_counted_with_whom_she_was_merged_into(city: City) -> None:
    one, two, three = city.persons[:3]
    settle(city, 1, FEBRUARY, three)
    deciding.merge(CLERK, two, three, reason=WHY)
    assert marks() == []
    settle(city, 2, JUNE, one)
    deciding.merge(CLERK, one, two, reason=WHY)
    assert marks() == [(one, 2025, OutdatedWhy.JOINED)] and queries.visible(OFFICER).get().claims == 2


def test_a_further_record_of_hers_does_not_mark_a_year_that_was_decided(city: City) -> None:
    one, two = city.persons[:2]
    settle(city, 1, FEBRUARY, one)
    settle(city, 2, JUNE, two)
    deciding.merge(CLERK, one, two, reason=WHY)
    assert marks()
    decide(one)
    with transaction.atomic(), connection.cursor() as cursor:
        written = store.write(cursor, [world.patient(40)], now=NOW)
        (link,) = identity.link_patients(cursor, written, now=NOW)
    deciding.merge(CLERK, one, link.person_id, reason=WHY)
    assert PatientLink.objects.filter(person_id=one).count() == 3
    assert marks() == []


def test_who_was_merged_is_found_by_an_index(city: City) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("set local enable_seqscan = off")  # four persons are read sooner than an index
        merged = Person.objects.filter(merged_into__in=city.persons)
        assert "record_person_merged" in merged.explain()
