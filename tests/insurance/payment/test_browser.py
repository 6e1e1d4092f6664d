"""The settlement report and the comparison of methods in a real browser, in both languages and colours."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.cache import cache
from playwright.sync_api import Browser, expect

from salus.insurance.models import PaymentComparison, SettlementRun
from salus.insurance.services import settlement as services
from salus.kernel.models import Institution, RoleGrant
from salus.kernel.policy import Principal
from salus.web import translation
from tests.insurance.payment.conftest import HOSPITALS
from tests.web.browser import LANGUAGES, SCHEMES, browser, reading, served
from tests.web.conftest import PASSWORD, make_account

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(databases=["default", "audit"], transaction=True),
    pytest.mark.timeout(300),
]
OFFICER = Principal(name="officer", roles=frozenset({"fund_officer"}))
NOW = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    translation.compile_catalogues()
    with browser() as started:
        yield started


@pytest.fixture
def site(settled: Path) -> Iterator[str]:
    """A settled year and a comparison, a fund officer, a planner and a manager."""
    cache.clear()
    for code in HOSPITALS:
        Institution.objects.create(code=code, name=f"第{int(code[1:])}医院", name_en=f"Hospital {code}")
    services.record_settlement(OFFICER, settled / "year", year=2025, now=NOW)
    services.record_comparison(
        OFFICER, settled / "compared.parquet", title="DRG 试点 pilot", year=2025,
        options={"pilot": list(HOSPITALS[:2])}, now=NOW,
    )  # fmt: skip
    make_account("officer", "fund_officer")
    make_account("planner", "planner")
    account = make_account("manager")
    RoleGrant.objects.create(account=account, role="manager", institution=Institution.objects.get(code="H14"))
    with served() as base:
        yield base


@pytest.mark.parametrize(("language", "scheme"), list(zip(LANGUAGES, SCHEMES, strict=True)))
def test_every_page_is_clean(chromium: Browser, site: str, language: str, scheme: str) -> None:
    run, comparison = SettlementRun.objects.get(), PaymentComparison.objects.get()
    services.publish(OFFICER, run, now=NOW)
    report = f"/insurance/settlements/{run.pk}/"
    pages = {
        "officer": ["/insurance/settlements/", report, f"{report}institutions/H14/"],
        "planner": ["/insurance/comparisons/", f"/insurance/comparisons/{comparison.pk}/?by=tier"],
        "manager": [report, f"{report}institutions/H14/"],
    }
    for name, paths in pages.items():
        with reading(chromium, site, language=language, scheme=scheme) as reader:
            reader.sign_in(name, PASSWORD)
            for path in paths:
                reader.check(path)
                assert reader.page.locator("h1").inner_text(), path
            assert reader.page.locator("html").get_attribute("lang") == language
            assert not reader.faults, "\n".join(reader.faults)


def test_an_officer_publishes_takes_back_and_withdraws_and_a_manager_sees_his_own(
    chromium: Browser, site: str
) -> None:
    run = SettlementRun.objects.get()
    with reading(chromium, site) as reader:
        reader.sign_in("officer", PASSWORD)
        page = reader.page
        page.click("nav a:has-text('Settlement by group')")
        page.click("tbody a >> nth=0")
        expect(page.locator("h1")).to_have_text("2025, By DRG weight, version 1")
        expect(page.locator("#table-settlement-lines tbody tr")).to_have_count(10)
        page.click("button:has-text('Publish')")
        page.click("dialog[open] button.button-main")
        expect(page.locator("main .tag-ok").first).to_have_text("Published")
        page.click("button:has-text('Take back')")
        expect(page.get_by_text("The change was taken back.")).to_be_visible()
        run.refresh_from_db()
        assert run.state == "draft"
        services.publish(OFFICER, run, now=NOW)
        page.reload()
        page.fill("#reason", "a wrong budget")
        page.press("#reason", "Enter")
        expect(page.get_by_text("The settlement is withdrawn.")).to_be_visible()
        page.click("button:has-text('Undo')")
        expect(page.get_by_text("The change was taken back.")).to_be_visible()
        run.refresh_from_db()
        assert run.state == "published"
        assert not reader.faults, "\n".join(reader.faults)
    with reading(chromium, site, width=390) as reader:
        reader.sign_in("manager", PASSWORD)
        reader.go(f"/insurance/settlements/{run.pk}/")
        expect(reader.page.locator("#table-settlement-lines tbody tr")).to_have_count(2)
        reader.page.click("#table-settlement-lines tbody a >> nth=0")
        expect(reader.page.locator("h1")).to_have_text("Hospital H14")
        assert not reader.faults, "\n".join(reader.faults)


def test_a_planner_reads_who_gains_by_tier_and_takes_the_table_along(chromium: Browser, site: str) -> None:
    with reading(chromium, site) as reader:
        reader.sign_in("planner", PASSWORD)
        page = reader.page
        page.click("nav a:has-text('Payment methods compared')")
        page.click("tbody a >> nth=0")
        expect(page.locator(".chart")).to_have_count(2)
        page.click(".tabs a:has-text('Tiers')")
        expect(page.locator("#table-compared tbody tr")).to_have_count(2)  # tertiary and secondary
        page.click("summary:has-text('Export')")
        with page.expect_download() as download:
            page.click("a:has-text('CSV')")
        assert len(Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()) == 3
        assert not reader.faults, "\n".join(reader.faults)
