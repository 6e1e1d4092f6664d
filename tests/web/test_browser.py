"""The kit in a real browser: axe finds nothing, no other host is asked, the keyboard reaches all."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, expect

from salus.kernel import audit
from salus.kernel.models import (
    Account,
    BreakGlass,
    District,
    HandlerCursor,
    HandlerFailure,
    OutboxEvent,
    PeriodicJob,
)
from salus.kernel.notifications import notify
from salus.web import translation
from tests.web.browser import LANGUAGES, SCHEMES, Reader, browser, reading, served
from tests.web.conftest import PASSWORD, make_account

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(databases=["default", "audit"], transaction=True),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    translation.compile_catalogues()
    with browser() as started:
        yield started


@pytest.fixture
def site() -> Iterator[str]:
    """Serve a platform that has something on each page."""
    make_account("all", "administrator", "auditor", "integrator", "clinician")
    doctor = make_account("dr", "clinician")
    make_account("shut", locked=True, locked_reason="left")
    person = uuid4()
    notify(Account.objects.get(username="all"), "test", "A message", link="/about", urgent=True)
    BreakGlass.objects.create(
        account=doctor,
        person_id=person,
        reason="Found unconscious",
        expires=timezone.now() + timedelta(hours=1),
    )
    audit.record(
        [
            audit.AuditEntry(
                actor=f"dr{n % 9}",
                action="read",
                person_id=person,
                resource_type="Observation",
                purpose="TREAT",
            )
            for n in range(120)
        ]
    )
    HandlerCursor.objects.create(name="room.stuck", attempts=3, last_error="ValueError")
    event = OutboxEvent.objects.create(type="x", payload={})
    HandlerFailure.objects.create(handler="room.stuck", event=event, error="ValueError", attempts=8)
    PeriodicJob.objects.create(name="room.job", every=60, next_run=timezone.now())
    District.objects.create(code="110101", name="东城区", name_en="Dongcheng")
    with served() as base:
        yield base


def pages() -> list[str]:
    doctor, shut = Account.objects.get(username="dr"), Account.objects.get(username="shut")
    emergency = BreakGlass.objects.get()
    return [
        "/", "/account", "/notifications", "/about", "/audit", "/audit?q=none", "/audit/chains",
        "/audit/emergencies",
        f"/audit/emergencies/{emergency.pk}", "/administration/accounts",
        f"/administration/accounts/{doctor.pk}",
        f"/administration/accounts/{shut.pk}", "/administration/accounts/new", "/administration/health",
        "/import/accounts", "/accounts/two-step/", "/accounts/password/",
    ]  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_page_is_clean(chromium: Browser, site: str, language: str, scheme: str) -> None:
    with reading(chromium, site, language=language, scheme=scheme) as reader:
        reader.check("/accounts/login/")
        reader.sign_in("all", PASSWORD)
        for path in pages():
            reader.check(path)
        assert reader.page.locator("html").get_attribute("lang") == language
        assert not reader.faults, "\n".join(reader.faults)


def test_a_table_is_searched_sorted_and_paged_without_leaving_the_page(chromium: Browser, site: str) -> None:
    with reading(chromium, site) as reader:
        reader.sign_in("all", PASSWORD)
        reader.go("/audit")
        page = reader.page
        page.evaluate("window.stayed = true")
        page.click("#audit-next")
        expect(page.locator(".table-summary")).to_contain_text("51–100 of")
        page.click("#audit-sort-actor")
        expect(page.locator("th[aria-sort=ascending]")).to_contain_text("Who")
        page.fill("#audit-q", "dr3")
        page.press("#audit-q", "Enter")
        expect(page.locator(".table-summary")).to_contain_text("1–13 of 13")
        assert page.evaluate("window.stayed") is True
        assert "q=dr3" in page.url
        with page.expect_download() as coming:
            page.click("summary:has-text('Export')")
            page.click("text=CSV file")
        assert coming.value.path().read_bytes().count(b"dr3") == 13
        assert not reader.faults, "\n".join(reader.faults)


def test_everything_works_without_a_script(chromium: Browser, site: str) -> None:
    context = chromium.new_context(java_script_enabled=False)
    try:
        reader = Reader(site, context.new_page())
        reader.sign_in("all", PASSWORD)
        page = reader.page
        reader.go("/audit")
        page.click("#audit-next")
        assert "51–100" in page.inner_text(".table-summary")
        reader.go("/administration/health")
        assert "room.stuck" in page.inner_text("main")
        page.click("text=Let it be")
        assert "The handler will never see it" in page.inner_text("main")
        page.click("main button.button-main")
        assert HandlerFailure.objects.get().resolution == "dropped"
        assert not reader.faults, "\n".join(reader.faults)
    finally:
        context.close()


def test_health_keeps_itself_up_to_date(chromium: Browser, site: str) -> None:
    with reading(chromium, site) as reader:
        reader.sign_in("all", PASSWORD)
        reader.go("/administration/health")
        expect(reader.page.locator(".live.is-live")).to_be_visible()
        HandlerCursor.objects.create(name="room.arrived")
        expect(reader.page.locator("text=room.arrived")).to_be_visible(timeout=15_000)
        assert not reader.faults, "\n".join(reader.faults)


def test_asking_before_a_change_is_a_dialogue(chromium: Browser, site: str) -> None:
    with reading(chromium, site) as reader:
        reader.sign_in("all", PASSWORD)
        reader.go("/administration/health")
        page = reader.page
        page.click("text=Let it be")
        expect(page.locator("dialog")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("dialog")).to_have_count(0)
        assert HandlerFailure.objects.get().resolved_at is None
        page.click("text=Let it be")
        HandlerCursor.objects.create(name="room.arrived")  # the list is drawn anew under the question
        expect(page.locator("text=room.arrived")).to_be_attached(timeout=15_000)
        page.click("dialog .button-main")
        expect(page.locator(".notice-success")).to_be_visible()
        assert HandlerFailure.objects.get().resolution == "dropped"


def test_the_keyboard_reaches_content_menus_and_language(chromium: Browser, site: str) -> None:
    with reading(chromium, site, width=390) as reader:
        reader.sign_in("all", PASSWORD)
        page = reader.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip-link"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        assert not page.is_visible("#navigation")
        page.click(".menu-open")
        assert page.is_visible("#navigation")
        page.keyboard.press("Escape")
        assert not page.is_visible("#navigation")
        page.focus("header details.menu summary")
        page.keyboard.press("Enter")
        page.click("button[value=zh-hans]")
        expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
        page.wait_for_load_state()
        assert Account.objects.get(username="all").language == "zh-hans"
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert not reader.faults, "\n".join(reader.faults)
