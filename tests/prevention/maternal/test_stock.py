"""Vaccine stock adds up, what must not be given is refused, a recall finds exactly who received the batch."""

from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salus.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from salus.kernel.models import AuditRow
from salus.prevention.models import Excursion, Holding, RecalledDose, ServiceGiven, StockMove
from salus.prevention.queries.vaccines import stock as reading
from salus.prevention.services.programme import entering, giving
from salus.prevention.services.programme.giving import Giving
from salus.prevention.services.vaccines import cold, safety, stock
from tests.prevention.maternal.world import (
    BORN,
    NOW,
    TODAY,
    Family,
    epidemiologist,
    patient,
    receipt,
    received,
    write,
)

pytestmark = pytest.mark.django_db(databases=["default", "audit"])


def dose(
    family: Family, day: date = TODAY, *, number: int | None = None, holding: int | None = None
) -> ServiceGiven:
    asked = Giving(uuid4(), "MMR", day)
    entry = number or family.immunisation.pk
    return stock.give(family.doctor, entry, asked, now=NOW, holding=holding).row


def other_children(family: Family, count: int) -> list[int]:
    persons = write(*(patient(60 + n, birth=BORN.isoformat()) for n in range(count)))
    return [
        entering.open_entry(family.doctor, entering.Entering(one, "immunisation", BORN), now=NOW).pk
        for one in persons
    ]


def test_the_first_to_expire_is_given_first(family: Family) -> None:
    late = received(family.doctor, family.city.east, "LATE", 5, date(2027, 1, 1))
    early = received(family.doctor, family.city.east, "EARLY", 1, date(2026, 4, 1))
    assert dose(family).values["batch"] == "EARLY"
    numbers = other_children(family, 1)
    assert dose(family, number=numbers[0]).values["batch"] == "LATE"
    late.refresh_from_db()
    early.refresh_from_db()
    assert (early.left, late.left) == (0, 4)


def test_what_must_not_be_given_is_refused_with_the_reason(family: Family) -> None:
    old = received(family.doctor, family.city.east, "OLD", 5, TODAY)
    Holding.objects.filter(pk=old.pk).update()
    old.batch.expires_on = TODAY - timedelta(days=1)
    old.batch.save()
    with pytest.raises(stock.NotUsable) as refused:
        dose(family, holding=old.pk)
    assert refused.value.code == "batch-expired"
    with pytest.raises(Conflict) as none:
        dose(family)
    assert none.value.code == "vaccine-none"
    warm = received(family.doctor, family.city.east, "WARM", 5)
    cold.read(family.doctor, warm.fridge_id, NOW - timedelta(hours=2), 9.5, now=NOW)
    with pytest.raises(stock.NotUsable) as refused:
        dose(family, holding=warm.pk)
    assert refused.value.code == "batch-quarantined"
    bad = received(family.doctor, family.city.east, "BAD", 5, fridge="B")
    safety.recall(epidemiologist(), bad.batch_id, "glass found", "watch the child", now=NOW)
    with pytest.raises(stock.NotUsable) as refused:
        dose(family, holding=bad.pk)
    assert refused.value.code == "batch-recalled"
    assert not ServiceGiven.objects.exists()
    assert not StockMove.objects.filter(kind="dose").exists()


def test_an_excursion_ends_and_is_decided(family: Family) -> None:
    held = received(family.doctor, family.city.east)
    doctor, epi = family.doctor, epidemiologist()
    for hours, celsius in ((5, 5.0), (4, 9.0), (3, 11.5)):
        cold.read(doctor, held.fridge_id, NOW - timedelta(hours=hours), celsius, now=NOW)
    row = Excursion.objects.get()
    with pytest.raises(Conflict):
        cold.decide(epi, row.pk, "released", "stable", now=NOW)
    with pytest.raises(Conflict):
        cold.read(doctor, held.fridge_id, NOW - timedelta(hours=6), 5.0, now=NOW)
    cold.read(doctor, held.fridge_id, NOW - timedelta(hours=2), 8.0, now=NOW)
    row.refresh_from_db()
    assert (row.lowest, row.highest, row.ended) == (9.0, 11.5, NOW - timedelta(hours=2))
    with pytest.raises(NotFound):
        cold.decide(doctor, row.pk, "released", "stable", now=NOW)
    with pytest.raises(stock.NotUsable):
        dose(family, holding=held.pk)
    cold.decide(epi, row.pk, "released", "stable below 25 °C for a day", now=NOW)
    assert dose(family, holding=held.pk).values["batch"] == "B1"
    cold.read(doctor, held.fridge_id, NOW - timedelta(hours=1), 0.5, now=NOW)
    cold.read(doctor, held.fridge_id, NOW, 3.0, now=NOW)
    cold.decide(epi, Excursion.objects.latest("began").pk, "destroyed", "frozen", now=NOW)
    held.refresh_from_db()
    assert held.left == 0
    assert reading.balance([held]).lost == 9


def test_a_dose_taken_back_is_on_the_shelf_again(family: Family) -> None:
    held = received(family.doctor, family.city.east, "B1", 2)
    row = dose(family)
    giving.take_back(family.doctor, row.pk, now=NOW)  # by the programme's own page
    assert stock.settle_undone() == 1
    assert stock.settle_undone() == 0
    held.refresh_from_db()
    assert held.left == 2
    giving.restore(family.doctor, row.pk, now=NOW)
    stock.settle_undone()
    held.refresh_from_db()
    assert held.left == 1
    assert reading.balance([held]).given == 1


def test_sent_twice_it_moves_once_and_strangers_move_nothing(family: Family) -> None:
    asked = receipt()
    held = stock.receive(family.doctor, family.city.east, asked, now=NOW)
    stock.receive(family.doctor, family.city.east, asked, now=NOW)
    held.refresh_from_db()
    assert held.left == 10
    key = uuid4()
    for _n in range(2):
        stock.lose(family.doctor, held.pk, 3, "broken", TODAY, key=key, now=NOW)
        stock.transfer(family.doctor, held.pk, family.city.west, "W", 2, TODAY, key=UUID(int=5), now=NOW)
    held.refresh_from_db()
    assert held.left == 5
    with pytest.raises(NotAllowed):
        stock.receive(family.stranger, family.city.east, receipt(), now=NOW)
    with pytest.raises(NotFound):
        stock.lose(family.stranger, held.pk, 1, "broken", TODAY, key=uuid4(), now=NOW)
    with pytest.raises(Invalid):
        stock.lose(family.doctor, held.pk, 6, "broken", TODAY, key=uuid4(), now=NOW)


STEP = st.tuples(
    st.sampled_from(["receive", "lose", "transfer", "back", "dose", "warm"]), st.integers(1, 6), st.booleans()
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEP, min_size=3, max_size=10))
def test_stock_is_never_negative_and_adds_up(family: Family, steps: list[tuple[str, int, bool]]) -> None:
    StockMove.objects.all().delete()
    Excursion.objects.all().delete()
    Holding.objects.all().delete()
    ServiceGiven.objects.all().delete()
    place, clock = family.city.east, NOW + timedelta(days=1)
    day = TODAY - timedelta(days=200)
    for what, count, first in steps:
        clock += timedelta(minutes=5)
        day += timedelta(days=1)
        rows = list(Holding.objects.filter(institution=place).order_by("pk"))
        held = (rows[0] if first else rows[-1]) if rows else None
        try:
            if what == "receive" or held is None:
                received(family.doctor, place, f"P{first:d}", count)
            elif what == "lose":
                stock.lose(family.doctor, held.pk, count, "broken", TODAY, key=uuid4(), now=NOW)
            elif what == "transfer":
                west = family.city.west
                stock.transfer(family.doctor, held.pk, west, "W", count, TODAY, key=uuid4(), now=NOW)
            elif what == "dose":
                dose(family, day, holding=held.pk)
            elif what == "warm":
                cold.read(family.doctor, held.fridge_id, clock, 9.0 if first else 5.0, now=clock)
            elif row := ServiceGiven.objects.filter(undone_at=None).first():
                stock.take_back(family.doctor, row.pk, now=NOW)
        except (Conflict, Invalid):
            pass
        everything = list(Holding.objects.all())
        assert all(one.left >= 0 for one in everything)
        for one in everything:
            assert reading.balance([one]).adds_up
        whole = reading.balance(everything)
        assert whole.passed_on == whole.taken_over
        assert whole.given == ServiceGiven.objects.filter(undone_at=None, product="MMR").count()


def test_a_recall_finds_exactly_who_received_the_batch(family: Family) -> None:
    bad = received(family.doctor, family.city.east, "B1", 10, date(2026, 5, 1))
    twin = received(family.doctor, family.city.east, "B1", 10, maker="Other maker")
    good = received(family.doctor, family.city.east, "B2", 10)
    numbers = other_children(family, 6)
    got = [dose(family, number=numbers[n], holding=bad.pk) for n in range(2)]
    dose(family, number=numbers[2], holding=twin.pk)
    dose(family, number=numbers[3], holding=good.pk)
    undone = dose(family, number=numbers[4], holding=bad.pk)
    stock.take_back(family.doctor, undone.pk, now=NOW)
    told = giving.give(  # as the record tells of it, given elsewhere
        family.doctor, numbers[5], Giving(uuid4(), "MMR", TODAY, values={"batch": "B1"}), now=NOW
    ).row
    with pytest.raises(NotAllowed):
        safety.recall(family.doctor, bad.batch_id, "glass", "watch", now=NOW)
    row = safety.recall(epidemiologist(), bad.batch_id, "glass", "watch", now=NOW)
    assert set(row.doses.values_list("given", flat=True)) == {got[0].pk, got[1].pk, told.pk}
    late = giving.give(
        family.doctor,
        numbers[4],
        Giving(uuid4(), "MMR", TODAY, values={"batch": "B1", "maker": "Maker"}),
        now=NOW,
    ).row
    safety.every_night()
    assert late.pk in set(row.doses.values_list("given", flat=True))
    one = RecalledDose.objects.filter(given=got[0]).get()
    safety.work_off(family.doctor, one.pk, "told", "", now=NOW)
    with pytest.raises(NotFound):
        safety.work_off(family.stranger, one.pk, "told", "", now=NOW)
    assert AuditRow.objects.filter(resource_type="RecalledDose", person_id=got[0].person_id).exists()


def test_an_adverse_event_is_reported_within_48_hours_and_judged(family: Family) -> None:
    received(family.doctor, family.city.east)
    row = dose(family, TODAY - timedelta(days=1))
    asked = safety.Event("anaphylaxis", NOW - timedelta(hours=20), NOW - timedelta(hours=1))
    with pytest.raises(NotFound):
        safety.enter_event(family.stranger, row.pk, asked, now=NOW)
    made = safety.enter_event(family.doctor, row.pk, asked, now=NOW)
    assert made.serious and made.batch is not None and made.batch.number == "B1"
    assert made.report_by == NOW + timedelta(hours=47)
    with pytest.raises(Conflict):
        safety.judge_event(epidemiologist(), made.pk, "abnormal", "recovered", now=NOW)
    safety.report_event(family.doctor, made.pk, now=NOW)
    with pytest.raises(NotFound):
        safety.judge_event(family.doctor, made.pk, "abnormal", "recovered", now=NOW)
    done = safety.judge_event(epidemiologist(), made.pk, "abnormal", "recovered", now=NOW)
    assert (done.causality, done.outcome) == ("abnormal", "recovered")
    assert safety.report_by("death", NOW) == NOW + timedelta(hours=2)
