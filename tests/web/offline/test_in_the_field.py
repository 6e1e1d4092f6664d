"""Forms without a connection, in a real Chromium against a real server process."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.web.offline.device import CHROMIUM, FILL, FORM, Field, in_the_field, walk

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("offline-field"),  # one server and one network for all, in this order
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason=f"no Chromium at {CHROMIUM}; set SALUS_CHROMIUM"),
]
FORMS = 60


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    with in_the_field(tmp_path_factory.mktemp("field"), contacts=12) as started:
        yield started


@pytest.fixture
def page(field: Field) -> Page:
    """A device of its own for each test, signed in, with nothing kept and a good network."""
    field.network.down, field.network.loss, field.network.refused = False, 0.0, frozenset()
    page = field.fresh()
    field.sign_in(page)
    field.prepare(page)
    return page


def visit(page: Page, contact: str, **values: str) -> None:
    page.get_by_role("button", name=contact).first.click()
    page.fill("#id_temperature", values.get("temperature", "36.6"))
    page.select_option("#id_state", values.get("state", "well"))
    page.fill("#id_note", values.get("note", ""))
    page.click("#offline-form button[type=submit]")


def send(page: Page) -> None:
    """Send now, as the button does; it may have been sent by itself meanwhile, and the button be gone."""
    page.evaluate("() => { salusOffline.sendNow(); }")


def items(page: Page) -> list[dict[str, Any]]:
    return list(page.evaluate("async () => (await salusOffline.ready) ? salusOffline.items() : []"))


def outbox(field: Field, page: Page) -> None:
    page.goto(f"{field.base}/offline/")
    page.wait_for_selector("[data-offline-page][data-open=yes]")


def test_three_days_without_a_connection_lose_and_double_nothing(field: Field) -> None:
    before = len(field.rows("select 1 from sample_visit"))
    told = walk(field, FORMS, loss=0.3)
    assert before == 0
    assert (told.written, told.lost, told.doubled) == (FORMS, 0, 0)
    assert told.requests_lost > 0
    assert told.lost_after_commit > 0
    receipts = field.rows("select count(*), count(distinct item) from web_offlinereceipt")
    assert receipts == [(FORMS, FORMS)]
    assert not [path for path in field.network.paths if "?" in path and "next=" not in path]


def test_the_device_checks_and_keeps_a_draft_without_a_connection(field: Field, page: Page) -> None:
    field.network.down = True
    field.open_form(page)
    visit(page, "Contact 2 ", temperature="47", state="ill")
    summary = page.locator(".error-summary")
    expect(summary).to_be_focused()
    expect(summary).to_contain_text("Temperature: It must be 43 or less.")
    expect(summary).to_contain_text("Note: Say what is wrong.")
    assert page.get_attribute("#id_temperature", "aria-invalid") == "true"
    assert not items(page)
    page.fill("#id_temperature", "38.2")
    expect(page.locator("#offline-said")).to_contain_text("Draft kept")
    field.open_form(page)
    page.get_by_role("button", name="Contact 2 ").first.click()
    expect(page.locator("#offline-said")).to_have_text("Your draft is here again.")
    assert page.input_value("#id_temperature") == "38.2"
    page.fill("#id_note", "cough")
    page.click("#offline-form button[type=submit]")
    expect(page.locator("#offline-said")).to_contain_text("Kept on this device")
    expect(page.locator("#offline-state")).to_contain_text("Not sent: 1")
    expect(page.locator("[data-outbox] .count")).to_have_text("1")
    field.network.down = False
    send(page)
    field.wait_until_sent(page, 30)
    assert field.rows("select temperature from sample_visit where note = 'cough'") == [(38.2,)]


def test_what_the_server_rejects_is_said_in_words_and_corrected(field: Field, page: Page) -> None:
    visit(page, "Contact 3 ", note="refuse")
    expect(page.locator("#offline-state")).to_contain_text("Not sent: 1")
    outbox(field, page)
    card = page.locator(".offline-item[data-state=rejected]")
    expect(card).to_contain_text("The note says nothing — Write what you saw")
    assert not Axe().run(page).response["violations"]
    card.get_by_role("button", name="Correct").click()
    expect(page.locator(".field-error")).to_have_text("The note says nothing")
    page.fill("#id_note", "corrected")
    page.click("#offline-form button[type=submit]")
    field.wait_until_sent(page, 30)
    assert field.rows("select count(*) from sample_visit where note = 'corrected'") == [(1,)]


def test_both_versions_are_shown_and_the_person_chooses(field: Field, page: Page) -> None:
    field.network.down = True
    field.open_form(page)
    visit(page, "Contact 4 ", note="mine 4", temperature="37.7")
    visit(page, "Contact 5 ", note="mine 5")
    field.rows("update sample_contact set version = version + 1, note = 'theirs' where id in (4, 5)")
    field.network.down = False
    send(page)
    page.wait_for_function(
        "async () => (await salusOffline.items()).every((item) => item.state === 'conflict')", polling=200
    )
    outbox(field, page)
    first = page.locator(".offline-item[data-state=conflict]", has_text="Contact 4")
    expect(first.locator("tr", has_text="Note")).to_contain_text("theirs")
    expect(first.locator("tr", has_text="Note")).to_contain_text("mine 4")
    assert not Axe().run(page).response["violations"]
    first.get_by_role("button", name="Send mine").click()
    expect(first).to_have_count(0)
    second = page.locator(".offline-item[data-state=conflict]", has_text="Contact 5")
    second.get_by_role("button", name="Keep the server's").click()
    field.wait_until_sent(page, 30)
    assert field.rows("select note, temperature from sample_contact where id = 4") == [("mine 4", 37.7)]
    assert field.rows("select note from sample_contact where id = 5") == [("theirs",)]
    assert field.rows("select count(*) from sample_visit where note in ('mine 4', 'mine 5')") == [(1,)]


def test_what_is_not_sent_can_be_exported_and_nothing_of_it_lies_open(field: Field, page: Page) -> None:
    field.network.down = True
    field.open_form(page)
    visit(page, "Contact 6 ", note="secret words")
    outbox(field, page)
    raw = page.evaluate(
        """() => new Promise((done) => { const opening = indexedDB.open("salus-offline");
          opening.onsuccess = () => { const stores = [...opening.result.objectStoreNames];
            const work = opening.result.transaction(stores); const found = [];
            stores.forEach((name) => { work.objectStore(name).getAll().onsuccess = (event) =>
              found.push(...event.target.result.map((row) => JSON.stringify(row, (key, value) =>
                value instanceof ArrayBuffer ? new TextDecoder("latin1").decode(value) : value))); });
            work.oncomplete = () => { opening.result.close(); done(found.join()); }; }; })"""
    )
    assert "visits" in raw
    assert "secret" not in raw and "Contact 6" not in raw
    page.click("#outbox-export")
    with page.expect_download() as download:
        page.locator("dialog .button-main").click()
    content = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert [(one["form"], one["values"]["note"]) for one in content["forms"]] == [("visits", "secret words")]


def test_one_accounts_forms_are_never_shown_to_another_on_the_same_device(field: Field, page: Page) -> None:
    field.network.down = True
    field.open_form(page)
    visit(page, "Contact 7 ", note="of the doctor")
    field.network.refused = frozenset({"/offline/submit"})  # nothing is sent before she leaves
    field.network.down = False
    page.goto(f"{field.base}/")
    expect(page.locator("[data-outbox] .count")).to_have_text("1")
    page.click("details.menu:has(form[data-sign-out]) summary")
    page.click("form[data-sign-out] button")
    expect(page.locator("dialog")).to_contain_text("not sent")
    page.locator("dialog .button-main").click()
    page.wait_for_url("**/accounts/login/**")
    kept = page.evaluate(
        "async () => [(await caches.keys()).join(), localStorage.getItem('salus-offline-account')]"
    )
    assert "pages" not in kept[0] and kept[1] is None
    field.sign_in(page, "colleague")
    field.prepare(page)
    assert items(page) == []
    expect(page.locator("[data-outbox]")).to_be_hidden()
    visit(page, "Contact 8 ", note="of the colleague")
    field.network.refused = frozenset()
    send(page)
    field.wait_until_sent(page, 30)
    assert field.rows("select count(*) from sample_visit where note = 'of the doctor'") == [(0,)]
    # Without a connection the page that was kept is the colleague's, and after locking there is none.
    page.context.clear_cookies()
    field.sign_in(page, "doctor")
    outbox(field, page)
    field.wait_until_sent(page, 30)
    written = field.rows("select by from sample_visit where note like 'of the%' order by note")
    assert len(written) == 2 and len(set(written)) == 2


def test_a_locked_device_opens_for_nobody_without_a_connection(field: Field, page: Page) -> None:
    outbox(field, page)
    field.network.down = True
    with page.expect_event("framenavigated"):  # locked, the page is loaded again, and there is none
        page.click("#outbox-lock")
    with pytest.raises(Exception, match="ERR_"):
        page.goto(field.base + FORM)


@pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("zh-hans", "dark")])
def test_pages_on_a_phone(field: Field, language: str, scheme: str) -> None:
    field.network.down, field.network.loss = False, 0.0
    page = field.fresh(color_scheme=scheme, viewport={"width": 390, "height": 780}, locale=language)
    page.context.add_cookies([{"name": "django_language", "value": language, "url": field.base}])
    field.sign_in(page)
    field.prepare(page)
    for address in (FORM, "/offline/"):
        page.goto(field.base + address)
        page.wait_for_selector("[data-offline-page][data-open=yes]")
        assert not Axe().run(page).response["violations"]
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.goto(field.base + FORM)
    page.locator(".offline-subject").first.click()
    page.click("#offline-form button[type=submit]")
    assert not Axe().run(page).response["violations"]


def test_a_later_visit_waits_for_the_earlier_one_of_the_same_contact(field: Field, page: Page) -> None:
    field.network.down = True
    field.open_form(page)
    page.evaluate(FILL, [1000, 24])
    field.network.down, field.network.loss = False, 0.3
    send(page)
    field.wait_until_sent(page, 60)
    found = field.rows("select contact_id, note from sample_visit where note like 'form 10__' order by id")
    assert len(found) == 24
    for contact in {contact for contact, _note in found}:
        notes = [note for other, note in found if other == contact]
        assert notes == sorted(notes)
