"""Every page of detection in a real browser, in both languages and colour schemes, and who may see which."""

from collections.abc import Iterator

import pytest
from django.test import Client
from playwright.sync_api import Browser, expect

from salus.prevention.models import Outbreak, Signal
from salus.prevention.services.signals import running
from salus.web import translation
from tests.prevention.signals import world
from tests.prevention.signals.world import SYSTEM, Planted
from tests.web.browser import browser, reading, served
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
def signal(db: None) -> Signal:
    """A city with one signal, and an epidemiologist and a planner."""
    city = world.build(Planted("mumps", "440105", 1, (14,)), diseases=("mumps",))
    running.run(SYSTEM, now=city.now)
    make_account("epi", "epidemiologist")
    make_account("planner", "planner")
    return Signal.objects.get(withdrawn=False)


@pytest.mark.browser
def test_pages_are_clean_and_a_signal_is_judged(chromium: Browser, signal: Signal) -> None:
    page = f"/prevention/signals/{signal.pk}/"
    paths = ["/prevention/signals/", page, "/prevention/detectors/", "/prevention/curve/?disease=mumps"]
    with served() as base:
        for language, scheme in (("en", "light"), ("zh-hans", "dark")):
            with reading(chromium, base, language=language, scheme=scheme) as reader:
                reader.sign_in("epi", PASSWORD)
                for path in paths:
                    reader.check(path)
                assert not reader.faults, reader.faults
        with reading(chromium, base) as reader:
            reader.sign_in("epi", PASSWORD)
            reader.go(page)
            reader.page.check("input[name=verdict][value=outbreak]")
            reader.page.select_option("#id_outbreak", "new")
            reader.page.fill("#id_title", "Mumps in a school")
            reader.page.click("main form button.button-main")
            expect(reader.page.locator("main")).to_contain_text("Mumps in a school")
            assert not reader.faults, reader.faults
    signal.refresh_from_db()
    assert signal.verdict == "outbreak" and signal.outbreak == Outbreak.objects.get()


def test_each_role_sees_what_is_for_it(signal: Signal) -> None:
    seen = {
        "epi": {"/prevention/signals/?state=open": 200, "/prevention/signals/?export=csv": 200,
                "/prevention/signals/99999/": 404, "/prevention/curve/?export=csv&disease=mumps": 200},
        "planner": {"/prevention/signals/?state=open": 403, f"/prevention/signals/{signal.pk}/": 403,
                    "/prevention/detectors/": 403, "/prevention/curve/": 200},
    }  # fmt: skip
    for name, expected in seen.items():
        client = Client()
        assert client.login(username=name, password=PASSWORD)
        for path, status in expected.items():
            assert client.get(path).status_code == status, path
    client = Client()
    assert client.login(username="epi", password=PASSWORD)
    assert (
        client.get("/prevention/signals/?q=haizhu").content.count(b"/prevention/signals/%d/" % signal.pk) >= 1
    )
    assert client.get("/prevention/signals/?district=440103").content.count(b"/signals/%d/" % signal.pk) == 0
    assert client.post("/prevention/signals/run/").status_code == 302
