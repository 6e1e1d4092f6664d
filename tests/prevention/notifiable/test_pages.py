"""Every page of notifiable disease in a real browser, in both languages, and what each role may see."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, expect

from salus.kernel.models import AuditRow, RoleGrant
from salus.prevention.models import Case, Contact, Outbreak
from salus.prevention.services.notifiable import contacts, investigating, outbreaks, reporting
from salus.prevention.services.notifiable.contacts import AskedContact
from salus.prevention.services.notifiable.investigating import AskedExposure, AskedSample
from salus.prevention.services.notifiable.reporting import Report
from salus.web import translation
from tests.prevention.notifiable import world
from tests.prevention.notifiable.world import EAST, SYSTEM, World
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
def city(db: None, own_rules: Path) -> World:
    """A city with measles in a school, contacts, a sensitive case and an account of each role."""
    made = world.build()
    now = timezone.now()
    chain = []
    for n in range(6):
        asked = Report(
            "measles", now - timedelta(days=20 - 3 * n), "probable", None, f"陈小{n}", age=8 + n, sex="male",
            district_code=EAST, onset=(now - timedelta(days=22 - 3 * n)).date(), symptoms=["fever", "rash"],
        )  # fmt: skip
        chain.append(reporting.report(SYSTEM, asked, made.east, now=now).case)
    for source, case in ((0, 1), (0, 2), (1, 3), (3, 4)):
        investigating.link(SYSTEM, chain[case].pk, chain[source].pk, "same class", now=now)
    outbreaks.open_outbreak(
        SYSTEM, "Measles at East Primary School", "measles", now.date(), now=now, district_code=EAST,
        cases=[case.pk for case in chain], place="East Primary School",
    )  # fmt: skip
    today = timezone.localdate()
    investigating.add_exposure(
        SYSTEM,
        chain[0].pk,
        AskedExposure("school", "东小学", today - timedelta(days=30), source=True),
        now=now,
    )
    investigating.keep_sample(
        SYSTEM, chain[0].pk,
        AskedSample("S-1", "throat swab", today, test="麻疹病毒核酸", result="阳性", lineage="B3"), now=now,
    )  # fmt: skip
    investigating.isolate(SYSTEM, chain[0].pk, "home", today, None, now=now)
    contacts.add_contact(
        SYSTEM,
        chain[5].pk,
        AskedContact("周小明", "school", today - timedelta(days=2), phone="13800000000"),
        now=now,
    )
    reporting.report(SYSTEM, Report("aids", now, name="保密"), made.east, now=now)
    make_account("epi", "epidemiologist")
    make_account("planner", "planner")
    RoleGrant.objects.create(account=make_account("east"), role="clinician", institution=made.east)
    RoleGrant.objects.create(account=make_account("west"), role="clinician", institution=made.west)
    RoleGrant.objects.create(account=make_account("village"), role="village_doctor", district_id=EAST)
    return made


def pages(language: str) -> dict[str, list[str]]:
    case = Case.objects.filter(disease="measles").order_by("pk")[0].pk
    contact, outbreak = Contact.objects.get().pk, Outbreak.objects.get().pk
    entries = ("exposure", "sample", "isolation", "link", "contact", "decide", "correct", "join")
    entries = entries if language == "en" else ("contact",)
    return {
        "epi": [
            "/prevention/cases/", f"/prevention/cases/{case}/", "/prevention/cases/exchange/",
            *(f"/prevention/cases/{case}/enter/{what}/" for what in entries),
            "/prevention/outbreaks/", f"/prevention/outbreaks/{outbreak}/", "/prevention/outbreaks/open/",
            f"/prevention/outbreaks/{outbreak}/close/", "/prevention/reporting/", "/prevention/diseases/",
            "/prevention/diseases/measles/", "/import/linelist",
        ],
        "east": ["/prevention/cases/report/"],
        "village": ["/", "/prevention/contacts/", f"/prevention/contacts/{contact}/"],
    }  # fmt: skip


@pytest.mark.browser
@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_are_clean(chromium: Browser, city: World, language: str) -> None:
    with served() as base:
        for name, paths in pages(language).items():
            width = 390 if name == "village" else 1280
            with reading(chromium, base, language=language, width=width) as reader:
                reader.sign_in(name, PASSWORD)
                for path in paths:
                    reader.check(path)
                assert not reader.faults, reader.faults


@pytest.mark.browser
def test_a_village_doctor_enters_a_visit_on_a_phone(chromium: Browser, city: World) -> None:
    contact = Contact.objects.get()
    with served() as base, reading(chromium, base, width=390) as reader:
        reader.sign_in("village", PASSWORD)
        reader.go("/prevention/contacts/")
        reader.page.click("text=周小明")
        reader.page.fill("#id_temperature", "38.2")
        reader.page.click("main form button.button-main")
        expect(reader.page.locator("main")).to_contain_text("Alert")
        assert not reader.faults
    contact.refresh_from_db()
    assert contact.alert_on == timezone.localdate()


def signed_in(name: str) -> Client:
    client = Client()
    assert client.login(username=name, password=PASSWORD)
    return client


def test_each_sees_only_what_is_hers(city: World) -> None:
    case = Case.objects.filter(disease="measles").order_by("pk")[0].pk
    secret = Case.objects.get(disease="aids").pk
    contact, outbreak = Contact.objects.get().pk, Outbreak.objects.get().pk
    seen = {
        "epi": {f"/prevention/cases/{case}/": 200, f"/prevention/cases/{secret}/": 404},
        "east": {f"/prevention/cases/{case}/": 200, f"/prevention/outbreaks/{outbreak}/": 403,
                 f"/prevention/cases/{case}/enter/decide/": 404, "/prevention/cases/exchange/": 403},
        "west": {f"/prevention/cases/{case}/": 404, f"/prevention/contacts/{contact}/": 404},
        "village": {f"/prevention/cases/{case}/": 404, f"/prevention/contacts/{contact}/": 200},
        "planner": {"/prevention/cases/": 403, "/prevention/contacts/": 403, "/prevention/diseases/": 200},
    }  # fmt: skip
    for name, expected in seen.items():
        client = signed_in(name)
        assert {path: client.get(path).status_code for path in expected} == expected, name
    listed = signed_in("epi").get("/prevention/cases/").content.decode()
    assert "陈小0" in listed
    assert "保密" not in listed
    assert AuditRow.objects.filter(resource_type="NotifiableCase", resource_id=str(case)).exists()


def test_the_line_list_searches_privately_and_exports_whole(city: World) -> None:
    client = signed_in("epi")
    found = client.post("/prevention/cases/", {"table": "cases", "q": "陈小3"})
    assert "陈" not in found["Location"]
    shown = client.get(found["Location"]).content.decode()
    assert "陈小3" in shown
    assert "陈小4" not in shown
    answer = client.get("/prevention/cases/?export=csv")
    rows = list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    assert len(rows) == 1 + 6
    assert "export" not in signed_in("east").get("/prevention/cases/?export=csv").get("Content-Type", "")


def test_cases_go_out_to_sormas_and_fhir_and_come_back_once(city: World) -> None:
    client = signed_in("epi")
    answer = client.post("/prevention/cases/export/", {"format": "sormas", "disease": "measles"})
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    assert len(rows) == 6
    assert rows[0]["disease"] == "MEASLES"
    assert rows[0]["caseClassification"] == "CONFIRMED"
    assert (rows[0]["person.firstName"], rows[0]["person.lastName"]) == ("小0", "陈")
    answer = client.post("/prevention/cases/export/", {"format": "fhir"})
    bundle = json.loads(b"".join(answer.streaming_content))
    kinds = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
    assert (kinds.count("Condition"), kinds.count("Observation")) == (6, 1)
    Case.objects.all().delete()
    for new in (6, 0):
        file = SimpleUploadedFile("b.json", json.dumps(bundle).encode(), "application/json")
        told = client.post("/prevention/cases/exchange/", {"file": file}, follow=True).content.decode()
        assert f"{new} cases are new" in told
    assert sorted(Case.objects.values_list("status", flat=True)) == ["confirmed", *["probable"] * 5]
    bad = SimpleUploadedFile("b.json", b"{", "application/json")
    assert "no JSON" in client.post("/prevention/cases/exchange/", {"file": bad}).content.decode()


def test_a_bulk_of_cases_becomes_an_outbreak(city: World) -> None:
    client = signed_in("epi")
    numbers = [str(pk) for pk in Case.objects.filter(disease="measles").values_list("pk", flat=True)[:3]]
    client.post("/prevention/cases/", {"bulk": "outbreak", "row": numbers})
    made = Outbreak.objects.order_by("-pk")[0]
    assert made.cases.count() == 3
