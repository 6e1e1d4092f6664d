"""The integrator's pages of bulk jobs and Subscriptions in a real browser."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect

from salus.connect.bulk_import_models import ImportInput, ImportJob
from salus.connect.models import SourceSystem
from salus.record.models import Delivery, ExportJob, ExportPerson, Hook
from salus.web import translation
from tests.web.browser import LANGUAGES, SCHEMES, browser, reading, served
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


def job(state: str, **more: object) -> ExportJob:
    return ExportJob.objects.create(
        asker={"purpose": "PUBHLTH"},
        asker_name="his",
        source_id=1,
        level="patient",
        request="",
        base="",
        horizon_xid=0,
        horizon_seq=0,
        transaction_time=0,
        state=state,
        **more,
    )


@pytest.fixture
def site(source: Callable[..., SourceSystem]) -> Iterator[str]:
    """Exports and imports in several states, a failing subscription with deliveries, an integrator."""
    his = source("his")
    for state in ("running", "done", "failed", "cancelled"):
        job(state, types=["Patient", "Observation"], resources=12345, failure="disk" * (state == "failed"))
    made = ImportJob.objects.create(source=his, asker={}, base="", state="running")
    ImportInput.objects.create(job=made, number=1, type="Patient", url="https://his.example/p")
    hook = Hook.objects.create(
        resource_id="s1",
        source_id=his.pk,
        asker={},
        asker_name="his",
        type="Observation",
        endpoint="https://his.example/hook",
        payload="application/fhir+json",
        state="error",
        failures=3,
        last_error="the address answered 500",
        last_number=4,
    )
    for number, state in enumerate(("delivered", "withheld", "given-up", "waiting"), start=1):
        Delivery.objects.create(
            hook=hook,
            number=number,
            key=uuid4(),
            type="Observation",
            resource_id=f"o{number}",
            version=1,
            state=state,
        )
    make_account("integrator", "integrator")
    with served() as base:
        yield base


@pytest.mark.parametrize(("language", "scheme"), list(zip(LANGUAGES, SCHEMES, strict=True)))
def test_every_page_is_clean(chromium: Browser, site: str, language: str, scheme: str) -> None:
    with reading(chromium, site, language=language, scheme=scheme) as reader:
        reader.sign_in("integrator", PASSWORD)
        hook = Hook.objects.get()
        for path in (
            "/connect/exports",
            "/connect/imports",
            "/connect/subscriptions",
            f"/connect/subscriptions/{hook.pk}",
        ):
            reader.check(path)
            assert reader.page.locator("h1").inner_text(), path
        assert not reader.faults, "\n".join(reader.faults)


def test_cancel_send_again_and_stop(chromium: Browser, site: str) -> None:
    with reading(chromium, site, language="en") as reader:
        reader.sign_in("integrator", PASSWORD)
        page = reader.page
        page.on("dialog", lambda dialog: dialog.accept())
        hook = Hook.objects.get()
        page.goto(f"{site}/connect/subscriptions/{hook.pk}")
        page.locator("table").get_by_role("button", name="Send again").first.click()
        expect(page.get_by_text("The delivery is sent once more.")).to_be_visible()
        hook.refresh_from_db()
        assert (hook.last_number, hook.failures) == (5, 0)
        assert Delivery.objects.filter(state="waiting").count() == 2


def test_a_resident_sees_the_exports_that_held_her_record(chromium: Browser, site: str) -> None:
    person = uuid4()
    ExportPerson.objects.create(person_id=person, job=ExportJob.objects.filter(state="done").get())
    account = make_account("wang", "resident")
    account.person_id = person
    account.save(update_fields=["person_id"])
    with reading(chromium, site, language="zh-hans") as reader:
        reader.sign_in("wang", PASSWORD)
        reader.check("/my/record/readers/")
        expect(reader.page.get_by_role("heading", name="包含您档案的导出")).to_be_visible()
        assert not reader.faults, "\n".join(reader.faults)
