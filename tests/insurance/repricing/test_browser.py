"""The workbench in a real browser: clean in both languages and colours, and the whole way by clicks."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, expect

from salus.insurance.models import PriceBasis, PriceList, PriceStudy
from salus.insurance.services import prices
from salus.kernel import policy
from salus.kernel.models import Account
from salus.web import translation
from tests.insurance.repricing.conftest import NOW
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


@pytest.fixture
def site(city_files: list[Path], fixed_files: list[Path]) -> Iterator[str]:
    """A planner, a basis, a list in force, a study with an answer and one without."""
    make_account("planner", "planner")
    principal = policy.principal_for(Account.objects.get(username="planner"))
    basis = prices.record_basis(principal, *city_files, title="全市 2025", year=2025, now=NOW)
    made = prices.draft_from_basis(principal, basis, title="现行价格", now=NOW)
    today = timezone.localdate()
    prices.publish(principal, made, effective_from=today - timedelta(days=90), today=today, now=NOW)
    fixed = prices.record_basis(principal, *fixed_files, title="价格不动", year=2025, now=NOW)
    for one in (basis, fixed):
        prices.run_study(prices.ask(principal, one, {}, title="调价", now=NOW).pk)
    prices.ask(principal, basis, {}, title="等待", now=NOW)
    with served() as base:
        yield base


@pytest.mark.parametrize(("language", "scheme"), list(zip(LANGUAGES, SCHEMES, strict=True)))
def test_every_page_is_clean(chromium: Browser, site: str, language: str, scheme: str) -> None:
    principal = policy.principal_for(Account.objects.get(username="planner"))
    done = PriceStudy.objects.order_by("pk")[0]
    prices.draft_from_study(principal, done, title="新价", now=NOW)
    with reading(chromium, site, language=language, scheme=scheme) as reader:
        reader.sign_in("planner", PASSWORD)
        keys = PriceStudy.objects.order_by("pk").values_list("pk", flat=True)
        studies = [f"/insurance/prices/studies/{pk}" for pk in keys]
        for path in (
            "/insurance/prices", "/insurance/prices/bases/new", "/insurance/prices/studies/new", *studies,
            f"{studies[0]}?by=hospital", "/insurance/prices/lists/1", "/insurance/prices/lists/2",
        ):  # fmt: skip
            reader.check(path)
            assert reader.page.locator("h1").inner_text(), path
        assert reader.page.locator("html").get_attribute("lang") == language
        assert not reader.faults, "\n".join(reader.faults)


def test_a_planner_drafts_publishes_and_rolls_back(chromium: Browser, site: str) -> None:
    with reading(chromium, site, width=390) as reader:
        reader.sign_in("planner", PASSWORD)
        page = reader.page
        reader.go("/insurance/prices")
        page.click("main >> text=Ask for new prices")
        page.fill("#id_title", "By hand")
        page.select_option("#id_basis", label="全市 2025")
        page.click("main button[type=submit]")
        expect(page.locator("main")).to_contain_text("Waiting for a worker")
        prices.run_study(PriceStudy.objects.latest("pk").pk)
        expect(page.locator("main")).to_contain_text("Who gains and who pays", timeout=15_000)
        page.click("text=Draft the list")
        page.click("main button:has-text('Publish')")
        page.click("dialog .button-main")
        expect(page.locator("main")).to_contain_text("The list is published.")
        assert PriceList.objects.get(number=2).state == "published"
        reader.go("/insurance/prices/lists/1")
        page.fill("#back-reason", "a court")
        page.click("main button:has-text('Roll back')")
        page.click("dialog .button-main")
        expect(page.locator("main")).to_contain_text("A new list restores these prices.")
        assert PriceList.objects.get(number=3).restores is not None
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert not reader.faults, "\n".join(reader.faults)
    assert PriceBasis.objects.count() == 2
