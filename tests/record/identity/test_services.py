"""Human decisions: reversible, audited, never undone by the machine."""

import random
from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salus.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from salus.kernel.models import OutboxEvent
from salus.kernel.models.audit import AuditRow
from salus.kernel.policy import Principal
from salus.record import identity, store
from salus.record.identity import ledger, queries, services
from salus.record.identity.engine.resident import agree, unpack
from salus.record.models import (
    KeepApart,
    LinkEvent,
    LinkFeatures,
    LinkQueue,
    PatientLink,
    Person,
    Resource,
    ReviewPair,
)
from tests.record.identity.population import patient, population

pytestmark = pytest.mark.django_db(databases=["default", "audit"], transaction=True)
NOW = datetime(2026, 6, 30, 8, tzinfo=UTC)
CLERK = Principal(kind="account", account_id=1, name="clerk", roles=frozenset({"integrator"}))
CLINICIAN = Principal(kind="account", account_id=2, name="doctor", roles=frozenset({"clinician"}))
WHY = "compared the papers"


def arrive(count: int, prefix: str) -> list[int]:
    """Store patients that nothing links, each with an Observation; return their numbers."""
    with transaction.atomic(), connection.cursor() as cursor:
        writes = []
        for i in range(count):
            row = [
                "x",
                "王李张刘陈杨"[i] + "伟芳娜秀敏静"[i],
                f"19{40 + i}-0{1 + i}-1{i}",
                "male",
                "",
                "",
                "",
            ]
            writes.append(store.Write("Patient", f"{prefix}{i}", patient(row)))
        written = store.write(cursor, writes, now=NOW)
        links = identity.link_patients(cursor, written, now=NOW)
        observed = [
            store.Write(
                "Observation",
                f"{prefix}o{i}",
                {
                    "resourceType": "Observation",
                    "status": "final",
                    "code": {"text": "x"},
                    "subject": {"reference": f"Patient/{prefix}{i}"},
                },
            )
            for i in range(count)
        ]
        store.write(cursor, observed, now=NOW)
    return [link.patient_rid for link in links]


def partition() -> dict[int, UUID]:
    return dict(PatientLink.objects.values_list("patient_rid", "person_id"))


def consistent() -> None:
    links = partition()
    for rid, person, owner in Resource.objects.values_list("rid", "person_id", "patient_rid"):
        assert person == links[owner or rid]
    active = set(Person.objects.filter(status="active").values_list("id", flat=True))
    assert active == set(links.values())


def person_of(rid: int) -> UUID:
    return PatientLink.objects.get(patient_rid=rid).person_id


def test_merge_split_unlink_and_back() -> None:
    a, b, c = arrive(3, "m")
    start = partition()
    first = services.merge(CLERK, person_of(a), person_of(b), reason=WHY)
    second = services.merge(CLERK, person_of(a), person_of(c), reason=WHY)
    assert len(set(partition().values())) == 1
    consistent()
    assert queries.current(start[b]) == start[a]
    with pytest.raises(Conflict) as later:
        services.merge(CLERK, start[a], start[b], reason=WHY)
    assert later.value.code == "person-retired"
    third = services.split(CLERK, start[a], [b, c], reason=WHY)
    consistent()
    with pytest.raises(Conflict):
        services.reverse(CLERK, first.id, reason=WHY)
    for event in (third, second, first):
        services.reverse(CLERK, event.id, reason=WHY)
        consistent()
    assert partition() == start
    assert not KeepApart.objects.exists()
    with pytest.raises(Conflict):
        services.reverse(CLERK, first.id, reason=WHY)


def test_every_decision_is_audited_and_told() -> None:
    a, b = arrive(2, "t")
    event = services.merge(CLERK, person_of(a), person_of(b), reason=WHY)
    assert AuditRow.objects.using("audit").filter(action="identity-merge", actor="clerk").count() == 2
    assert OutboxEvent.objects.filter(type="record.identity-changed").count() == 1
    assert [e.id for e in queries.history(CLERK, person_of(a))][0] == event.id


def test_only_who_may_and_only_with_a_reason() -> None:
    a, b = arrive(2, "p")
    for call in (
        lambda: services.merge(CLINICIAN, person_of(a), person_of(b), reason=WHY),
        lambda: services.unlink(CLINICIAN, a, reason=WHY),
        lambda: services.reverse(CLINICIAN, 1, reason=WHY),
        lambda: queries.reviews(CLINICIAN),
    ):
        with pytest.raises(NotAllowed):
            call()
    with pytest.raises(Invalid):
        services.merge(CLERK, person_of(a), person_of(b), reason=" ")
    with pytest.raises(Conflict):
        services.unlink(CLERK, a, reason=WHY)
    with pytest.raises(NotFound):
        services.confirm(CLERK, 10**6, reason=WHY)
    assert len(set(partition().values())) == 2


def test_a_review_is_confirmed_rejected_and_taken_back() -> None:
    a, b, c, d = arrive(4, "r")
    one = ReviewPair.objects.create(low_rid=a, high_rid=b, reason="grey-zone", created=NOW, score=3)
    two = ReviewPair.objects.create(low_rid=c, high_rid=d, reason="grey-zone", created=NOW, score=5)
    pairs, total = queries.reviews(CLERK)
    assert ([p.id for p in pairs], total) == ([two.id, one.id], 2)
    view = queries.pair(CLERK, one.id)
    assert (
        view is not None and view.left.values["name"] and {f.name for f in view.fields} >= {"given", "birth"}
    )
    same = services.confirm(CLERK, one.id, reason=WHY)
    apart = services.reject(CLERK, two.id, reason=WHY)
    one.refresh_from_db(), two.refresh_from_db()
    assert (one.status, two.status, person_of(a)) == ("same", "different", person_of(b))
    assert ledger.apart([c], [d])
    with pytest.raises(Conflict):
        services.confirm(CLERK, two.id, reason=WHY)
    services.reverse(CLERK, same.id, reason=WHY)
    services.reverse(CLERK, apart.id, reason=WHY)
    assert queries.reviews(CLERK)[1] == 2 and person_of(a) != person_of(b) and not ledger.apart([c], [d])


def test_what_a_human_separated_the_machine_does_not_rejoin() -> None:
    row = ["x", "张伟明", "1980-02-03", "male", "13812345678", "", "西湖区文三路12号3单元402室"]
    with transaction.atomic(), connection.cursor() as cursor:
        writes = [store.Write("Patient", f"s{i}", patient(row)) for i in range(2)]
        written = store.write(cursor, writes, now=NOW)
        a, b = (link.patient_rid for link in identity.link_patients(cursor, written, now=NOW))
    identity.link_arriving()
    assert person_of(a) == person_of(b)
    services.unlink(CLERK, b, reason=WHY)
    with transaction.atomic(), connection.cursor() as cursor:
        # The record changes, is queued again, and a third record that is like both arrives.
        again = [store.Write("Patient", "s1", {**patient(row), "active": True, "gender": "male"})]
        again.append(store.Write("Patient", "s2", patient(row)))
        identity.link_patients(cursor, store.write(cursor, again, now=NOW), now=NOW)
        assert LinkQueue.objects.filter(patient_rid=b).exists()
    identity.link_arriving()
    assert person_of(a) != person_of(b)
    consistent()


@given(st.integers(0, 10**6))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_histories_can_be_taken_back_whole(seed: int) -> None:
    r = random.Random(seed)
    with connection.cursor() as cursor:
        for table in ("keepapart", "reviewpair", "linkevent", "patientlink", "person", "linkfeatures"):
            cursor.execute(f"delete from record_{table}")  # noqa: S608
        for table in ("blockingkey", "linkqueue", "personidentifier", "resource", "history", "change"):
            cursor.execute(f"delete from record_{table}")  # noqa: S608
        for table in ("token", "string", "date", "reference"):
            cursor.execute(f"delete from record_{table}")  # noqa: S608
    rids = arrive(6, f"h{seed}-")
    start, events = partition(), []
    for _ in range(10):
        persons = sorted(set(partition().values()))
        try:
            match r.randrange(5):
                case 0:
                    events.append(services.merge(CLERK, *r.sample(persons, 2), reason=WHY))
                case 1:
                    events.append(services.unlink(CLERK, r.choice(rids), reason=WHY))
                case 2:
                    events.append(services.keep_apart(CLERK, *r.sample(persons, 2), reason=WHY))
                case 3:
                    with transaction.atomic(), connection.cursor() as cursor:
                        kept, gone = r.sample(persons, 2)
                        events.append(
                            ledger.join(cursor, kept, gone, by=ledger.By("machine", "probabilistic"))
                        )
                    assert not ledger.apart(
                        [m[0] for m in events[-1].moves],
                        [x for x in ledger.records_of(kept) if x not in {m[0] for m in events[-1].moves}],
                    )
                case _:
                    mine = ledger.records_of(r.choice(persons))
                    events.append(services.split(CLERK, person_of(mine[0]), mine[1:], reason=WHY))
        except (Conflict, Invalid, ValueError):
            pass
        consistent()
    for event in reversed(events):
        services.reverse(CLERK, event.id, reason=WHY)
        consistent()
    assert partition() == start
    assert not KeepApart.objects.exists()
    assert LinkEvent.objects.count() == len(rids) + 2 * len(events)


def test_search_finds_by_beginning_of_name_pinyin_birth_identifier_and_phone() -> None:
    clerk = Principal(kind="system", name="system")
    rows = population(40, 3, numbered=1.0)
    with transaction.atomic(), connection.cursor() as cursor:
        written = store.write(cursor, [store.Write("Patient", f"f{r[0]}", patient(r)) for r in rows], now=NOW)
        identity.link_patients(cursor, written, now=NOW)
    one = Person.objects.exclude(phone="").exclude(birth_date=None).first()
    assert one is not None
    number = next(
        unpack(bytes(f.features))["number"]
        for f in LinkFeatures.objects.filter(patient_rid__in=ledger.records_of(one.id))
    )

    def ids(**query: object) -> set[UUID]:
        return {p.person_id for p in queries.search(clerk, **query).persons}  # type: ignore[arg-type]

    assert one.id in ids(text=one.name[0]) and one.id in ids(text=one.name)
    assert one.id in ids(text=one.pinyin[:4]) and one.id in ids(birth_date=one.birth_date)
    assert one.id in ids(phone=one.phone) and one.id in ids(identifier=number)
    assert ids(text=one.name, identifier="nobody") == set() == ids(text="%")
    every, after = [], None
    while True:
        page = queries.search(clerk, after=after, limit=7)
        every += [p.person_id for p in page.persons]
        if (after := page.after) is None:
            break
    assert len(every) == len(set(every)) == Person.objects.count()
    assert queries.search(CLINICIAN, text=one.name).persons == []


def test_agreement_of_records_with_one_number() -> None:
    one = {"family": "zhang", "given": "wei", "birth": "19800203", "sex": "male"}
    assert agree(one, {**one, "family": "wei", "given": "zhang"}) == ()
    assert agree(one, {**one, "birth": "19800302"}) == ()
    assert agree(one, {"family": "li", "given": "jing", "birth": "19910101", "sex": "female"}) == (
        "name",
        "birth",
        "sex",
    )
