"""The integrator's pages in a real browser: sources, messages, dead letters, loads."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect

from salus.connect.models import Load, Message, SourceSystem
from salus.connect.services import Incoming, receive
from salus.kernel.models import Institution
from salus.web import translation
from tests.connect.conftest import patient
from tests.connect.test_loads import MAPPING
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
def site(source: Callable[..., SourceSystem]) -> Iterator[str]:
    """A FHIR source with a stored message, a repeat and a dead letter, a source of tables, an integrator."""
    hospital = Institution.objects.create(
        code="H1", name="第一医院", name_en="First", kind="general_hospital"
    )
    his = source("his", institution=hospital)
    source("lab", form="csv", mapping=MAPPING, institution=hospital)
    receive(his, [Incoming(raw) for raw in (patient("a"), patient("a"), patient("b", gender="mail"))])
    make_account("integrator", "integrator")
    with served() as base:
        yield base


@pytest.mark.parametrize(("language", "scheme"), list(zip(LANGUAGES, SCHEMES, strict=True)))
def test_every_page_is_clean(chromium: Browser, site: str, language: str, scheme: str) -> None:
    with reading(chromium, site, language=language, scheme=scheme) as reader:
        reader.sign_in("integrator", PASSWORD)
        numbers = [f"/connect/messages/{pk}" for pk in Message.objects.values_list("pk", flat=True)]
        for path in (
            "/", "/connect/sources", "/connect/sources/his", "/connect/sources/lab/mapping",
            "/connect/messages", *numbers, "/connect/dead-letters", "/connect/loads", "/connect/loads/new",
        ):  # fmt: skip
            reader.check(path)
            assert reader.page.locator("h1").inner_text(), path
        assert reader.page.locator("html").get_attribute("lang") == language
        assert not reader.faults, "\n".join(reader.faults)


def test_flow_adds_up_and_leads_to_the_source(chromium: Browser, site: str) -> None:
    with reading(chromium, site) as reader:
        reader.sign_in("integrator", PASSWORD)
        page = reader.page
        page.click("nav a:has-text('Sources and message flow')")
        expect(page.locator("main")).to_contain_text("Every message is accounted for")
        page.click("#table-sources tbody a >> text=his")
        expect(page.locator("main")).to_contain_text("First")
        page.fill("#token-label", "test")
        page.press("#token-label", "Enter")
        expect(page.locator("main")).to_contain_text("slc_")
        assert not reader.faults, "\n".join(reader.faults)


def test_a_dead_letter_is_corrected_and_replayed(chromium: Browser, site: str) -> None:
    with reading(chromium, site) as reader:
        reader.sign_in("integrator", PASSWORD)
        page = reader.page
        page.click("nav a:has-text('Dead letters')")
        page.click("#table-dead-letters tbody a")
        expect(page.locator("main")).not_to_contain_text('"mail"')
        page.click("text=Show and correct the message")
        text = page.input_value("#id_text")
        assert '"mail"' in text
        page.fill("#id_text", text.replace('"mail"', '"male"'))
        page.fill("#id_note", "a typing error")
        page.press("#id_note", "Enter")
        expect(page.locator(".notice-success")).to_be_visible()
        expect(page.locator("main")).to_contain_text("Replayed")
        assert not Message.objects.filter(status="dead", resolution="").exists()
        assert not reader.faults, "\n".join(reader.faults)


def test_a_file_is_previewed_loaded_and_undone(chromium: Browser, site: str) -> None:
    with reading(chromium, site, width=390) as reader:
        reader.sign_in("integrator", PASSWORD)
        page = reader.page
        reader.go("/connect/loads/new")
        page.select_option("#id_source", "lab")
        page.set_input_files(
            "#id_file",
            {"name": "people.csv", "mimeType": "text/csv", "buffer": b"ID,NAME,SEX\n1,x,1\n2,y,9\n"},
        )
        page.click("main button[type=submit]")
        expect(page.locator("main")).to_contain_text("Nothing has been stored")
        expect(page.locator("tbody tr")).to_have_count(2)
        assert Load.objects.count() == 0
        page.click("text=Load it")
        expect(page.locator("main")).to_contain_text("Dead letters")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        load = Load.objects.get()
        assert (load.stored, load.dead) == (1, 1)
        page.click("main >> text=Undo")
        page.click("dialog .button-main")
        expect(page.locator("main")).to_contain_text("What the undoing did")
        load.refresh_from_db()
        assert load.state == "undone"
        assert not reader.faults, "\n".join(reader.faults)
