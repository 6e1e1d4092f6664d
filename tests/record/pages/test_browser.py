"""The record's pages in a real browser, as each role uses them."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection, transaction
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application
from playwright.sync_api import Browser, expect

from salus.kernel.models import Account, BreakGlass, District, Institution, RoleGrant
from salus.record import identity, store
from salus.record.identity import golden
from salus.record.models import LinkEvent, PatientLink, Person, ReviewPair
from salus.record.registers import projecting
from salus.record.store import Write
from salus.web import translation
from tests.web.browser import LANGUAGES, SCHEMES, browser, reading, served
from tests.web.conftest import PASSWORD, make_account

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(databases=["default", "audit"], transaction=True),
    pytest.mark.timeout(300),
]
NUMBER = "110101198002030013"
LET_IN = (
    "/oauth/authorize/?response_type=code&client_id=diary&redirect_uri=https%3A%2F%2Fapp.example%2Fdone"
    "&scope=launch%2Fpatient+offline_access+patient%2F*.rs+user%2FMedicationRequest.cud"
    f"&code_challenge_method=S256&code_challenge={'c' * 43}"
)
SQUARE = (
    '{"type": "Polygon", "coordinates": [[[%(x)s, 30], [%(x)s, 31], [%(y)s, 31], [%(y)s, 30], [%(x)s, 30]]]}'
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    translation.compile_catalogues()
    with browser() as started:
        yield started


def resource(type: str, id: str, **body: Any) -> Write:
    return Write(type, id, {"resourceType": type, **body}, source_id=1)


def resident(id: str, name: str, born: str, district: str, number: str = "", **more: Any) -> Write:
    told = [{"system": "urn:oid:2.16.156.10011.1.3", "value": number}] if number else []
    return resource(
        "Patient",
        id,
        identifier=told,
        name=[{"text": name, "family": name[:1], "given": [name[1:]]}],
        gender="male",
        birthDate=born,
        address=[{"use": "home", "district": district, "line": ["文三路1号"]}],
        **more,
    )


@pytest.fixture
def site() -> Iterator[str]:
    """A hospital with a resident in its care, another hospital, two districts and a pair to review."""
    cache.clear()
    hospital = Institution.objects.create(
        code="H1", name="第一医院", name_en="First", kind="general_hospital"
    )
    other = Institution.objects.create(code="H2", name="二院", kind="general_hospital")
    for code, name, x in (("990102", "东城区", 120), ("990103", "西城区", 121)):
        District.objects.create(code=code, name=name, polygon=SQUARE % {"x": x, "y": x + 1})
    golden.forget_districts()
    now = timezone.now()
    crowd = [resident(f"c{n}", f"陈一{n}", f"19{50 + n}-01-02", "东城区") for n in range(30)]
    others = [
        resident("few", "李四", "1990-05-06", "西城区"),
        resident("few2", "李思", "1990-05-07", "西城区"),
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        mine = store.write(cursor, [resident("a", "王小明", "1980-02-03", "东城区", NUMBER)], now=now)
        identity.link_patients(cursor, mine, institution_id=hospital.pk)
        linked = identity.link_patients(cursor, store.write(cursor, [*crowd, *others], now=now))
        low, high = sorted(link.patient_rid for link in linked[-2:])
        results = [
            resource(
                "Observation",
                f"o{month}",
                status="final",
                code={"text": "血糖"},
                subject={"reference": "Patient/a"},
                effectiveDateTime=f"2026-0{month}-01",
                valueQuantity={"value": 5 + month, "unit": "mmol/L"},
                referenceRange=[{"low": {"value": 3.9}, "high": {"value": 6.1}}],
            )
            for month in (1, 2, 3)
        ]
        visit = resource(
            "Encounter",
            "e",
            status="finished",
            subject={"reference": "Patient/a"},
            **{"class": {"code": "AMB"}},
        )
        store.write(cursor, [*results, visit], now=now)
    projecting.catch_up()
    ReviewPair.objects.create(low_rid=low, high_rid=high, score=6.0, reason="grey-zone", created=now)
    person = Person.objects.get(birth_date=date(1980, 2, 3))
    for name, institution in (("clinician", hospital), ("stranger", other)):
        account = make_account(name, institution=institution)
        RoleGrant.objects.create(account=account, role="clinician", institution=institution)
    mine = make_account("resident", "resident", person_id=person.pk)
    app = Application.objects.create(
        client_id="diary",
        name="健康日记 Diary",
        client_type=Application.CLIENT_PUBLIC,
        authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
        redirect_uris="https://app.example/done",
    )
    AccessToken.objects.create(
        user=mine, application=app, token="t", scope="patient/*.rs", expires=now + timedelta(hours=1)
    )
    make_account("planner", "planner")
    make_account("integrator", "integrator")
    with served() as base:
        yield base


def pages() -> dict[str, list[str]]:
    person = Person.objects.get(birth_date=date(1980, 2, 3)).pk
    pair, event = ReviewPair.objects.get().pk, LinkEvent.objects.order_by("-pk")[0].pk
    record = f"/residents/{person}/"
    app = Application.objects.get().pk
    return {
        "clinician": [
            "/", "/residents/", record, f"{record}labs/", "/records/Observation/o1/",
            "/records/Observation/o1/correct/", "/residents/emergency/",
        ],
        "resident": [
            "/", record, "/my/record/readers/", "/my/record/uses/", LET_IN, "/oauth/apps/",
            f"/oauth/apps/{app}/revoke/",
        ],
        "planner": ["/", "/population/", "/population/?measure=old"],
        "integrator": [
            "/identity/reviews", f"/identity/reviews/{pair}", "/identity/decisions",
            f"/identity/decisions/{event}", "/identity/errors",
        ],
    }  # fmt: skip


@pytest.mark.parametrize(("language", "scheme"), list(zip(LANGUAGES, SCHEMES, strict=True)))
def test_every_page_is_clean(chromium: Browser, site: str, language: str, scheme: str) -> None:
    for name, paths in pages().items():
        with reading(chromium, site, language=language, scheme=scheme) as reader:
            reader.sign_in(name, PASSWORD)
            for path in paths:
                reader.check(path)
                assert reader.page.locator("h1").inner_text(), path
            assert reader.page.locator("html").get_attribute("lang") == language
            assert not reader.faults, "\n".join(reader.faults)


def test_a_clinician_finds_a_resident_reads_the_trend_and_corrects_a_value(
    chromium: Browser, site: str
) -> None:
    with reading(chromium, site) as reader:
        reader.sign_in("clinician", PASSWORD)
        page = reader.page
        page.click("nav a:has-text('Residents')")
        for field, value in (
            ("text", "王小明"),
            ("text", "wang xiaoming"),
            ("identifier", NUMBER),
            ("birth_date", "1980-02-03"),
        ):
            page.fill("#id_text", "")
            page.fill("#id_identifier", "")
            page.fill("#id_birth_date", "")
            page.fill(f"#id_{field}", value)
            page.press(f"#id_{field}", "Enter")
            expect(page.locator("tbody tr")).to_have_count(1)
            expect(page.locator("tbody")).to_contain_text("东城区")
            assert page.url == f"{site}/residents/"
        page.click("tbody a")
        expect(page.locator("h1")).to_have_text("王小明")
        expect(page.locator("tbody")).to_contain_text("Outpatient visit")
        expect(page.locator("tbody")).to_contain_text("not said; received")
        page.click(".tabs >> text=Results")
        marks = page.locator(".chart [data-mark]")
        expect(marks).to_have_count(3)
        assert "6 mmol/L" in str(marks.first.get_attribute("aria-label"))
        page.click("summary:has-text('The figures as a table')")
        expect(page.locator(".chart table")).to_contain_text("8")
        page.click("tbody a >> text=血糖 >> nth=0")
        page.click("text=Correct a field")
        page.select_option("#id_field", "/valueQuantity/value")
        page.fill("#id_value", "5.5")
        page.fill("#id_reason", "typed into the wrong row")
        page.press("#id_value", "Enter")
        expect(page.locator(".notice-success")).to_be_visible()
        expect(page.get_by_role("group", name="What this version changed")).to_contain_text(
            "valueQuantity.value"
        )
        assert not reader.faults, "\n".join(reader.faults)


def test_an_emergency_opens_one_record_and_the_resident_sees_who_read_it(
    chromium: Browser, site: str
) -> None:
    with reading(chromium, site, width=390) as reader:
        reader.sign_in("stranger", PASSWORD)
        page = reader.page
        reader.go("/residents/")
        expect(page.locator("main")).not_to_contain_text("王小明")
        page.click("main >> text=Emergency access")
        page.fill("#id_identifier", NUMBER)
        page.fill("#id_reason", "unconscious, no relatives here")
        page.click("main button[type=submit]")
        expect(page.locator("h1")).to_have_text("王小明")
        expect(page.locator("main")).to_contain_text("by emergency access")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert BreakGlass.objects.count() == 1
        assert not reader.faults, "\n".join(reader.faults)
    with reading(chromium, site) as reader:
        reader.sign_in("resident", PASSWORD)
        reader.page.click("nav a:has-text('Who read my record')")
        rows = reader.page.locator("tbody")
        expect(rows).to_contain_text("Emergency")
        expect(rows).to_contain_text("Hospital clinician")
        assert not reader.faults, "\n".join(reader.faults)


def test_a_reviewer_compares_joins_and_takes_back_by_keyboard(chromium: Browser, site: str) -> None:
    with reading(chromium, site) as reader:
        reader.sign_in("integrator", PASSWORD)
        page = reader.page
        reader.go("/identity/reviews")
        page.click("tbody a")
        expect(page.locator("main")).to_contain_text("1990-05-06")
        expect(page.locator("main")).to_contain_text("1990-05-07")
        page.fill("#reason", "the same papers")
        page.focus("button[value=same]")
        page.keyboard.press("Enter")
        page.click("main button.button-main, dialog button.button-main")
        expect(page.locator(".notice-success")).to_be_visible()
        joined = PatientLink.objects.filter(patient_rid__in=ReviewPair.objects.values("low_rid"))
        assert PatientLink.objects.filter(person_id=joined.get().person_id).count() == 2
        page.click("text=See the decision")
        page.fill("#reason", "a mistake")
        page.press("#reason", "Enter")
        page.click("main button.button-main, dialog button.button-main")
        expect(page.locator(".notice-success")).to_be_visible()
        assert PatientLink.objects.filter(person_id=joined.get().person_id).count() == 1
        assert not reader.faults, "\n".join(reader.faults)


def test_a_planner_sees_counts_with_small_ones_withheld(chromium: Browser, site: str) -> None:
    with reading(chromium, site) as reader:
        reader.sign_in("planner", PASSWORD)
        page = reader.page
        page.click("nav a:has-text('Population')")
        labels = [mark.get_attribute("aria-label") for mark in page.locator(".chart-fits [data-mark]").all()]
        assert sorted(map(str, labels)) == ["东城区: withheld", "西城区: withheld"]
        expect(page.locator("#table-population tbody tr").last).to_contain_text("33")
        assert "王" not in page.inner_text("main")
        page.select_option("#measure", "old")
        page.click("main >> text=Show")
        expect(page.locator(".chart-title").first).to_have_text("Share aged 60 and over")
        with page.expect_download() as coming:
            page.click("summary:has-text('Export')")
            page.click("text=CSV file")
        told = coming.value.path().read_text("utf-8-sig")
        assert told.count("\n") == 4 and "withheld" in told
        assert not reader.faults, "\n".join(reader.faults)


def test_an_app_that_is_let_in_gets_its_reader_back(chromium: Browser, site: str) -> None:
    with reading(chromium, site) as reader:
        reader.sign_in("resident", PASSWORD)
        page = reader.page
        page.route("https://app.example/**", lambda route: route.fulfill(body="welcome back"))
        page.goto(f"{site}{LET_IN}")
        page.click("button[name=allow]")
        page.wait_for_url("https://app.example/done?code=*")  # the page's own policy lets the form lead there
        page.goto(f"{site}{LET_IN}")
        page.click("text=Don't allow")
        page.wait_for_url("https://app.example/done?error=access_denied*")
        reader.check(LET_IN.replace("client_id=diary", "client_id=nobody"))  # answers 400, and is clean
        assert not [fault for fault in reader.faults if ": axe " in fault or "script:" in fault]


def test_others_are_refused_and_told_nothing(site: str) -> None:
    from django.test import Client

    for path, allowed in (
        ("/residents/", {"clinician", "stranger"}),
        ("/residents/emergency/", {"clinician", "stranger"}),
        ("/my/record/readers/", {"resident"}),
        ("/my/record/uses/", {"resident"}),
        ("/population/", {"planner"}),
        ("/identity/reviews", {"integrator"}),
        ("/identity/errors", {"integrator"}),
    ):
        for account in Account.objects.all():
            client = Client()
            client.force_login(account, backend="django.contrib.auth.backends.ModelBackend")
            answer = client.get(path)
            assert answer.status_code == (200 if account.username in allowed else 403), (path, account)
            if answer.status_code == 403:
                assert "王小明" not in answer.content.decode()
