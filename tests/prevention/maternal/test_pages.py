"""Every page of mother and child and of vaccines in a real browser, and what each role may see."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Browser, expect

from salus.kernel.models import AuditRow, RoleGrant
from salus.prevention.models import (
    AdverseEvent,
    BatchRecall,
    DeathReview,
    Excursion,
    Guardianship,
    Holding,
    Pregnancy,
    RecalledDose,
    ServiceGiven,
    StockMove,
)
from salus.prevention.services.maternal import deaths, pregnancies, screening
from salus.prevention.services.maternal import family as planning
from salus.prevention.services.programme import entering, giving
from salus.prevention.services.programme.giving import Giving
from salus.prevention.services.vaccines import cold, safety, stock
from salus.web import translation
from tests.prevention.maternal import world
from tests.prevention.maternal.world import (
    BORN,
    EAST,
    NOW,
    TODAY,
    WEST,
    Family,
    epidemiologist,
    patient,
    received,
    write,
)
from tests.web.browser import LANGUAGES, browser, reading, served
from tests.web.conftest import PASSWORD, make_account

pytestmark = [
    pytest.mark.django_db(databases=["default", "audit"], transaction=True),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    translation.compile_catalogues()
    with browser() as started:
        yield started


@pytest.fixture
def city(db: None) -> Family:
    """A family with visits, doses, screening; a clinic with a warm fridge, an adverse event and a recall."""
    made = world.build()
    doctor, city = made.doctor, made.city
    pregnancies.take_up(doctor, made.pregnancy.pk, pregnancies.Dates(None, 2, 1, 160, 55), now=NOW)
    pregnancies.assess(doctor, made.pregnancy.pk, ["twins", "syphilis"], key=uuid4(), now=NOW)
    readings = {"systolic": 118, "diastolic": 76, "haemoglobin": 55.0}
    pregnancies.visit(
        doctor, made.pregnancy.pk, Giving(uuid4(), "antenatal-visit", TODAY, values=readings), now=NOW
    )
    for days, weight, height, head in ((40, 4.2, 54.0, 36.5), (100, 5.9, 60.5, 39.6), (182, 7.0, 65.2, 42.0)):
        values = {"weight": weight, "height": height, "head": head, "haemoglobin": 100 + days / 10}
        asked = Giving(uuid4(), "child-check", BORN + timedelta(days=days), values=values)
        giving.give(doctor, made.child.pk, asked, now=NOW)
    tested = screening.take(doctor, made.child.pk, "CH", BORN + timedelta(days=3), now=NOW)
    screening.settle(doctor, tested.pk, "positive", BORN + timedelta(days=9), value="TSH 45", now=NOW)
    bad = received(doctor, city.east, "B1", 12)
    received(doctor, city.east, "B2", 6, product="HepB", fridge="B")
    dose = stock.give(doctor, made.immunisation.pk, Giving(uuid4(), "MMR", TODAY), now=NOW).row
    safety.enter_event(doctor, dose.pk, safety.Event("rash", NOW, NOW, story="For two days."), now=NOW)
    for hours, celsius in ((3, 4.5), (2, 9.5), (1, 5.0)):
        cold.read(doctor, bad.fridge_id, NOW - timedelta(hours=hours), celsius, now=NOW)
    safety.recall(epidemiologist(), bad.batch_id, "Glass was found.", "Watch the child.", now=NOW)
    Guardianship.objects.create(
        person_id=made.mother, child=made.child, relation="mother", basis="test", start=BORN, recorded_by="x",
        recorded_at=NOW,
    )  # fmt: skip
    asked_ = planning.Asked(uuid4(), made.mother, "supply", "condom", TODAY, 10)
    planning.enter(doctor, asked_, now=NOW)
    lost = write(patient(52, birth="2025-12-20"))[0]
    review = deaths.enter(doctor, lost, TODAY, "P22", now=NOW)
    deaths.investigate(doctor, review.pk, "Came late.", {"far": (True, "")}, ready=True, now=NOW)
    other = write(patient(53, birth="1990-12-20"))[0]
    entering.open_entry(doctor, entering.Entering(other, "pregnancy", TODAY), now=NOW)
    make_account("parent", "resident", person_id=made.mother)
    make_account("planner", "planner")
    make_account("epi", "epidemiologist")
    for name, district in (("village", EAST), ("elsewhere", WEST)):
        RoleGrant.objects.create(account=make_account(name), role="village_doctor", district_id=district)
    RoleGrant.objects.create(account=make_account("clinic"), role="clinician", institution=city.east)
    return made


def pages(family: Family) -> dict[str, list[str]]:
    child, pregnancy = family.child.pk, family.pregnancy.pk
    place, held = f"?place={family.city.east.pk}", Holding.objects.get(batch__number="B2").pk
    event, recall = AdverseEvent.objects.get().pk, BatchRecall.objects.get().pk
    dose, review = RecalledDose.objects.get().pk, DeathReview.objects.get().pk
    entering_ = ("dates", "visit", "risk", "act", "end")
    return {
        "village": [
            "/prevention/children/", f"/prevention/children/{child}/",
            *(f"/prevention/children/{child}/enter/{what}/" for what in ("check", "dose", "screening")),
            "/prevention/pregnancies/", f"/prevention/pregnancies/{pregnancy}/",
            *(f"/prevention/pregnancies/{pregnancy}/enter/{what}/" for what in entering_),
            f"/prevention/vaccines/{place}", f"/prevention/vaccines/enter/receipt/{place}",
            f"/prevention/vaccines/enter/reading/{place}",
            f"/prevention/vaccines/holdings/{held}/loss/{place}",
            f"/prevention/vaccines/holdings/{held}/transfer/{place}", "/prevention/adverse-events/",
            f"/prevention/adverse-events/{event}/", "/prevention/recalls/", f"/prevention/recalls/{recall}/",
            f"/prevention/recalls/doses/{dose}/", "/prevention/family/", f"/prevention/family/{pregnancy}/",
            f"/prevention/family/{pregnancy}/enter/", "/prevention/deaths/", f"/prevention/deaths/{review}/",
            f"/prevention/deaths/{review}/investigate/", f"/prevention/deaths/open/{child}/",
            f"/prevention/adverse-events/enter/{RecalledDose.objects.get().given_id}/",
            f"/prevention/screenings/{family.child.screenings.get().pk}/",
        ],
        "epi": [
            f"/prevention/vaccines/{place}",
            f"/prevention/vaccines/batches/{Holding.objects.get(pk=held).batch_id}/recall/",
            f"/prevention/vaccines/excursions/{Excursion.objects.get().pk}/", "/prevention/recalls/",
        ],
        "planner": [
            "/prevention/committee/", f"/prevention/committee/{review}/",
            f"/prevention/committee/{review}/conclude/",
        ],
        "parent": ["/my/children/", f"/my/children/{child}/"],
    }  # fmt: skip


def signed_in(name: str) -> Client:
    client = Client()
    assert client.login(username=name, password=PASSWORD)
    return client


def test_every_page_opens_and_each_sees_only_what_is_hers(city: Family) -> None:
    for name, paths in pages(city).items():
        client = signed_in(name)
        assert {path: client.get(path).status_code for path in paths} == dict.fromkeys(paths, 200), name
    child = f"/prevention/children/{city.child.pk}/"
    pregnancy = f"/prevention/pregnancies/{city.pregnancy.pk}/"
    review = DeathReview.objects.get()
    refused = {
        "elsewhere": {child: 404, pregnancy: 404, f"/prevention/vaccines/?place={city.city.east.pk}": 404,
                      f"/prevention/deaths/{review.pk}/": 404},
        "planner": {child: 403, "/prevention/deaths/": 403},
        "parent": {child: 404, f"/my/children/{city.immunisation.pk}/": 404},
        "epi": {child: 403, f"/prevention/committee/{review.pk}/conclude/": 403},
    }  # fmt: skip
    for name, expected in refused.items():
        client = signed_in(name)
        assert {path: client.get(path).status_code for path in expected} == expected, name
    case = signed_in("planner").get(f"/prevention/committee/{review.pk}/").content.decode()
    assert "王" not in case and "社区" not in case
    answer = signed_in("parent").get(f"/my/children/{city.child.pk}/certificate/")
    assert answer["Content-Type"] == "application/pdf" and answer.content.startswith(b"%PDF")
    assert AuditRow.objects.filter(person_id=city.infant, actor="parent").exists()


def test_whoever_a_list_names_is_in_the_audit(city: Family) -> None:
    def named(path: str) -> set[object]:
        AuditRow.objects.all().delete()
        assert client.get(path).status_code == 200
        rows = AuditRow.objects.filter(action="read", actor="village", outcome="ok")
        return set(rows.values_list("person_id", flat=True))

    client = signed_in("village")
    assert named("/prevention/children/") == {city.infant}
    assert city.mother in named("/prevention/pregnancies/")
    assert named("/prevention/family/") == {city.mother}
    assert named("/prevention/deaths/") == {DeathReview.objects.get().person_id}
    assert city.infant in named("/prevention/programme/registers/")
    told = BatchRecall.objects.get()
    assert city.infant in named(f"/prevention/recalls/{told.pk}/")


def test_a_dose_and_a_delivery_are_entered_by_form(city: Family) -> None:
    client, key = signed_in("clinic"), str(uuid4())
    url = reverse("prevention:child-enter", args=[city.child.pk, "dose"])
    given = {"key": key, "product": "HepB", "day": TODAY.isoformat(), "holding": "", "site": "", "note": ""}
    for _n in range(2):
        client.post(url, given)
    assert ServiceGiven.objects.filter(product="HepB", values__batch="B2").count() == 1
    assert StockMove.objects.filter(kind="dose", holding__batch__number="B2").count() == 1
    told = client.post(url, {**given, "key": str(uuid4()), "product": "MMR"}).content.decode()
    assert "no dose of this vaccine" in told
    url = reverse("prevention:pregnancy-enter", args=[city.pregnancy.pk, "end"])
    ended = {"outcome": "birth", "day": TODAY.isoformat(), "born": "1", "sex_1": "female", "weight_1": "3100"}
    answer = client.post(url, ended, follow=True).content.decode()
    assert "Children born" in answer
    assert Pregnancy.objects.get(entry=city.pregnancy).newborns.get().weight == 3100


@pytest.mark.browser
@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_are_clean(chromium: Browser, city: Family, language: str) -> None:
    with served() as base:
        for name, paths in pages(city).items():
            width = 390 if name in ("village", "parent") else 1280
            with reading(chromium, base, language=language, width=width) as reader:
                reader.sign_in(name, PASSWORD)
                for path in paths:
                    reader.check(path)
                assert not reader.faults, reader.faults


@pytest.mark.browser
def test_a_village_doctor_weighs_a_child_on_a_phone(chromium: Browser, city: Family) -> None:
    with served() as base, reading(chromium, base, width=390) as reader:
        reader.sign_in("village", PASSWORD)
        reader.go(f"/prevention/children/{city.child.pk}/")
        reader.page.click("text=Enter a check")
        reader.page.fill("#id_weight", "9.1")
        reader.page.fill("#id_height", "72")
        reader.page.click("main form button.button-main")
        expect(reader.page.locator("main")).to_contain_text("9.1")
        assert not reader.faults
