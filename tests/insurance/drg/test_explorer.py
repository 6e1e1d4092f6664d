"""The DRG case explorer: what it answers, and clean in a real browser in both languages and colours."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.test import Client
from playwright.sync_api import Browser, expect

from salus.insurance.pages import readers
from salus.insurance.scheme import save_scheme, starter_scheme
from salus.web import translation
from tests.web.browser import LANGUAGES, SCHEMES, browser, reading, served
from tests.web.conftest import PASSWORD, make_account

PATH = "/insurance/drg/"
pytestmark = pytest.mark.django_db(databases=["default", "audit"], transaction=True)


@pytest.fixture(autouse=True)
def own_folder(settings: LazySettings, tmp_path: Path) -> Path:
    """A city with one scheme of its own and one that cannot be read."""
    settings.DATA_DIR = tmp_path
    save_scheme(starter_scheme(), tmp_path / "schemes" / "city_2026")
    (tmp_path / "schemes" / "broken").mkdir()
    (tmp_path / "schemes" / "broken" / "scheme.toml").write_text("no")
    return tmp_path


def signed_in(role: str) -> Client:
    client = Client()
    client.force_login(make_account(role, role))
    return client


def test_only_those_who_look_after_payment_may_explore() -> None:
    assert Client().get(PATH).status_code == 302
    assert signed_in("clinician").get(PATH).status_code == 403
    for role in readers.EXPLORER:
        assert signed_in(role).get(PATH).status_code == 200


def test_a_case_is_grouped_and_explained() -> None:
    client = signed_in("fund_officer")
    sent = {"scheme": "city_2026", "dx": "J18.9，J96.0\nE11.9 E87.6", "age": "70", "gender": "1"}
    page = client.post(PATH, sent).content.decode()
    for words in ("ES13", "J96.0", "KS11", "EW13", "pdx in ES1.dx1 (J18.9)"):
        assert words in page, words
    surgical = client.post(PATH, {"scheme": "starter", "dx": "I21.9", "pr": "36.07", "age": "60"})
    assert "FM15" in surgical.content.decode()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dx": ""}, "This field is required"),
        ({"dx": "<b>"}, "is no code"),
        ({"dx": "A " * 61}, "at most 60 codes"),
        ({"scheme": "../etc"}, "Select a valid choice"),
        ({"scheme": "broken"}, "cannot be read"),
        ({"age": "-1"}, "greater than or equal to 0"),
    ],
)
def test_what_cannot_be_grouped_is_told_at_its_field(change: dict[str, str], words: str) -> None:
    page = signed_in("planner").post(PATH, {"scheme": "starter", "dx": "J18.9", **change}).content.decode()
    assert words in page and "The group" not in page


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    translation.compile_catalogues()
    with browser() as started:
        yield started


@pytest.mark.browser
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("language", "scheme"), list(zip(LANGUAGES, SCHEMES, strict=True)))
def test_the_explorer_is_clean_and_answers(chromium: Browser, language: str, scheme: str) -> None:
    make_account("officer", "fund_officer")
    with served() as base, reading(chromium, base, language=language, scheme=scheme, width=390) as reader:
        reader.sign_in("officer", PASSWORD)
        reader.check(PATH)
        page = reader.page
        page.fill("#id_dx", "J18.9 J96.0 E11.9 Q99.9")
        page.fill("#id_age", "70")
        page.click("main form button")
        expect(page.locator("main")).to_contain_text("ES15")
        expect(page.locator("main")).to_contain_text("KS11")
        found = reader.axe.run(page).response["violations"]
        assert not found, [one["id"] for one in found]
        assert "J18" not in page.url
        assert page.locator("html").get_attribute("lang") == language
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert not reader.faults, "\n".join(reader.faults)
