"""The programme's pages in a real browser; and a village doctor's way from a diagnosis to the indicator."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, expect

from salus.kernel.models import Account, AuditRow, RoleGrant
from salus.prevention.interface import programme_indicators
from salus.prevention.models import DueService, ProgrammeEntry, ResidentFile, ServiceGiven
from salus.prevention.services.programme import arising, giving
from salus.prevention.services.programme.giving import Giving
from salus.web import offline, translation
from tests.prevention.programme import world
from tests.prevention.programme.world import EAST, World, diagnosis, village_doctor
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


def account(name: str, role: str, **grant: object) -> Account:
    made = make_account(name)
    RoleGrant.objects.create(account=made, role=role, **grant)
    return made


@pytest.fixture
def city(db: None) -> World:
    """The district with a doctor's, a stranger's, a planner's and a resident's account."""
    made = world.build()
    doctor = account("village", "village_doctor", institution=made.east)
    doctor.staff = made.doctor
    doctor.save()
    account("stranger", "village_doctor", institution=made.west)
    account("planner", "planner")
    Client().get("/accounts/login/")  # what the first page loads is not waited for in the browser
    resident = account("resident", "resident")
    resident.person_id = made.persons[0]
    resident.save()
    return made


def recorded(days_ago: int) -> str:
    return (timezone.now() - timedelta(days=days_ago)).isoformat()


@pytest.fixture
def worked(city: World) -> World:
    """Residents with visits, tries and several programmes."""
    now = timezone.now()
    world.send(
        *(diagnosis(f"c{n}", n, "I10", recorded(100)) for n in range(4)),
        diagnosis("d0", 0, "E11.9", recorded(90)),
        diagnosis("f1", 1, "F20.0", recorded(30)),
        now=now,
    )
    doctor = village_doctor(city.east, city.doctor)
    for entry in ProgrammeEntry.objects.filter(programme="hypertension").order_by("pk")[:2]:
        for ago, high in ((20, 152), (5, 155)):
            day = timezone.localdate() - timedelta(days=ago)
            values = {"systolic": high, "diastolic": 85, "adherence": "sometimes"}
            giving.give(doctor, entry.pk, Giving(uuid4(), "hypertension-visit", day, values=values), now=now)
    return city


def entry_of(city: World) -> ProgrammeEntry:
    return ProgrammeEntry.objects.get(person_id=city.persons[0], programme="hypertension")


@pytest.mark.browser
@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_are_clean(chromium: Browser, worked: World, language: str) -> None:
    number = entry_of(worked).pk
    one = f"/prevention/programme/entries/{number}"
    pages = {
        "village": [
            "/", "/prevention/programme/today/", "/prevention/programme/today/?list=done", f"{one}/",
            f"{one}/visit/hypertension-visit/", f"{one}/try/", f"{one}/file/", f"{one}/close/",
            f"{one}/hand-over/", f"{one}/enter/", "/prevention/programme/registers/",
            "/prevention/programme/register/", "/prevention/programme/indicators/",
        ],
        "planner": ["/prevention/programme/indicators/"],
        "resident": ["/my/health-programme/"],
    }  # fmt: skip
    scheme = "dark" if language == "zh-hans" else "light"
    with served() as base:
        for name, paths in pages.items():
            width = 390 if name == "village" else 1280
            with reading(chromium, base, language=language, width=width, scheme=scheme) as reader:
                reader.sign_in(name, PASSWORD)
                for path in paths:
                    reader.check(path)
                assert not reader.faults, reader.faults


@pytest.mark.browser
def test_a_village_doctor_goes_from_case_to_register_to_recall_to_visit_to_indicator(
    chromium: Browser, city: World
) -> None:
    world.write(diagnosis("c1", 0, "I10", recorded(20)), now=timezone.now())  # the hospital's message
    arising.nightly()  # the night between
    entry = ProgrammeEntry.objects.get()
    assert (entry.institution, entry.doctor) == (city.east, city.doctor)
    assert programme_indicators(timezone.localdate(), by="city")[0].control_rate == 0.0
    with served() as base, reading(chromium, base, width=390) as reader:
        page = reader.page
        reader.sign_in("village", PASSWORD)
        reader.check("/prevention/programme/registers/")
        expect(page.get_by_role("link", name="李梅")).to_be_visible()
        reader.check("/prevention/programme/today/")
        expect(page.get_by_text("days overdue")).to_be_visible()
        page.get_by_role("link", name="Note a try").click()
        page.select_option("#id_outcome", "not_reached")
        page.get_by_role("button", name="Note it").click()
        expect(page.get_by_text("The try is noted.")).to_be_visible()
        expect(page.get_by_text("Nobody is on this list")).to_be_visible()
        page.get_by_role("link", name="Again later").click()
        page.get_by_role("link", name="李梅").click()
        page.get_by_role("link", name="Enter Quarterly visit, hypertension").click()
        page.fill("#id_systolic", "128")
        page.fill("#id_diastolic", "82")
        page.select_option("#id_adherence", "regular")
        page.get_by_role("button", name="Enter it").click()
        expect(page.get_by_text("The visit is entered.")).to_be_visible()
        expect(page.get_by_text("128/82 mmHg").first).to_be_visible()
        reader.check("/prevention/programme/indicators/")
        expect(page.locator("[data-figure=control]").first).to_have_text("100.0 %")
        assert not reader.faults, reader.faults
    assert programme_indicators(timezone.localdate(), by="city")[0].control_rate == 1.0
    assert DueService.objects.get(service="hypertension-visit").due_on > timezone.localdate()


def signed_in(name: str) -> Client:
    client = Client()
    client.force_login(Account.objects.get(username=name))
    return client


def test_a_stranger_finds_nothing_and_every_read_is_in_the_audit(worked: World) -> None:
    number, person = entry_of(worked).pk, worked.persons[0]
    assert signed_in("stranger").get(f"/prevention/programme/entries/{number}/").status_code == 404
    assert "李梅" not in signed_in("stranger").get("/prevention/programme/today/").content.decode()
    before = AuditRow.objects.filter(person_id=person, outcome="ok").count()
    assert "李梅" in signed_in("village").get("/prevention/programme/today/").content.decode()
    assert AuditRow.objects.filter(person_id=person, outcome="ok").count() > before
    assert signed_in("planner").get("/prevention/programme/today/").status_code == 403


def test_a_resident_sees_her_own_and_takes_her_certificate(worked: World) -> None:
    client = signed_in("resident")
    said = client.get("/my/health-programme/").content.decode()
    assert "155/85 mmHg" in said and "Quarterly visit, hypertension" in said
    answer = client.get("/my/health-programme/certificate.pdf")
    assert answer.status_code == 200 and answer["Content-Type"] == "application/pdf"


def test_the_file_is_written_and_its_completeness_counted(worked: World) -> None:
    number, client = entry_of(worked).pk, signed_in("village")
    address = f"/prevention/programme/entries/{number}/file/"
    asked = {"blood": "A", "rhesus": "positive", "ethnicity": "汉", "smoke": ""}
    assert client.post(address, asked).status_code == 302
    held = ResidentFile.objects.get()
    # Of 25 items: name, sex, birth, telephone and address from the record, three entered: 8/25.
    assert held.complete == 32
    assert client.post(address, {"blood": "C"}).status_code == 200
    assert "32 % complete" in client.get(address).content.decode()


def test_without_a_connection_a_visit_is_taken_in_once_and_a_later_one_shows_both(worked: World) -> None:
    form = offline.get("programme-visit")
    doctor, now = village_doctor(worked.east, worked.doctor), timezone.now()
    assert form.snapshot is not None and form.version is not None
    subjects = {one.key: one for one in form.snapshot(doctor, now)}
    number = ProgrammeEntry.objects.get(person_id=worked.persons[2], programme="hypertension").pk
    subject = subjects[f"{number}/hypertension-visit"]
    assert subject.title == "李竹" and subject.version == ""
    values = {
        "day": timezone.localdate(), "way": "visit", "systolic": 128, "diastolic": 80, "note": "",
    }  # fmt: skip
    sent = offline.Submission(uuid4(), doctor, subject.key, values, now, now)
    first, again = form.apply(sent), form.apply(sent)
    assert first.version == again.version
    assert ServiceGiven.objects.filter(entry=number).count() == 1
    with transaction.atomic():  # as when a form is received: the row is locked
        held = form.version(doctor, subject.key)
        elsewhere = form.version(village_doctor(worked.west), subject.key)
    assert held is not None and held.version == first.version and held.values["systolic"] == 128
    assert elsewhere is None


def test_a_resident_is_registered_by_hand_by_her_number(city: World) -> None:
    from salus.record.models import Contract, PatientLink, PersonIdentifier

    rid = PatientLink.objects.get(person_id=city.persons[1]).patient_rid
    Contract.objects.create(patient_rid=rid, code=city.doctor.code)
    number = PersonIdentifier.objects.filter(patient_rid=rid).values_list("value", flat=True)[0]
    client, address = signed_in("village"), "/prevention/programme/register/"
    assert "李兰" in client.post(address, {"identifier": number}).content.decode()
    asked = {"identifier": number, "programme": "diabetes", "anchor_on": "2026-01-05"}
    assert client.post(address, asked).status_code == 302
    entry = ProgrammeEntry.objects.get()
    assert (entry.programme, entry.origin, entry.placed_by) == ("diabetes", "hand", "contract")
    assert entry.district_code == EAST
