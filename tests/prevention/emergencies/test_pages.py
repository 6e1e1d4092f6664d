"""The pages of emergencies in a browser: from the entered event to the issued report; both languages."""

import os
import re
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser

from salus.kernel.policy import Grant, Principal
from salus.prevention.models import Emergency, EmergencyTask, SituationReport
from salus.prevention.pages.emergencies import documents as written
from salus.prevention.services.emergencies import deciding, entering, reporting, working
from salus.web import translation
from salus.web.documents import docx, pdf
from tests.prevention.notifiable.world import EAST, WEST, build
from tests.web.browser import LANGUAGES, SCHEMES, Reader, browser, reading, served
from tests.web.conftest import PASSWORD, make_account

pytestmark = [
    pytest.mark.django_db(databases=["default", "audit"], transaction=True),
    pytest.mark.timeout(300),
]
EPI = Principal(name="epi", roles=frozenset({"epidemiologist"}), grants=(Grant("epidemiologist"),))
PLANNER = Principal(name="planner", roles=frozenset({"planner"}), grants=(Grant("planner"),))
SHOTS = os.environ.get("SALUS_SHOTS", "")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    translation.compile_catalogues()
    with browser() as started:
        yield started


def event(**more: object) -> Emergency:
    now = timezone.now()
    asked = {
        "title": "东风小学午餐食物中毒", "kind": "food_poisoning", "district_code": EAST,
        "began_on": timezone.localdate() - timedelta(days=2), "noticed_at": now - timedelta(hours=5),
        "place": "东风小学", "cases": 58, "severe": 3, "in_hospital": 17, "unit": "东风小学",
        "note": "午餐后两小时起呕吐、腹泻",
    } | more  # fmt: skip
    return entering.open_event(EPI, entering.AskedEvent(**asked), now=now)  # type: ignore[arg-type]


def answered() -> Emergency:
    """An open emergency with an escalation that waits, worked on, with an issued report and a draft."""
    now, today = timezone.now(), timezone.localdate()
    one = event()
    deciding.decide(EPI, one.proposals.get().pk, "现场核实属实", now=now - timedelta(hours=4))
    more = [
        entering.AskedCount(today - timedelta(days=1), 31, 1, 9, 0, EAST, "东风小学"),
        entering.AskedCount(today, 14, 0, 2, 1, WEST, "南园幼儿园"),
    ]
    entering.enter_counts(EPI, one.pk, more, now=now)
    entering.reported(EPI, one.pk, now=now)
    working.finish(EPI, one.tasks.get(code="verify").pk, "已到现场,采样14份", now=now)
    working.ask_for(EPI, one.pk, "口服补液盐", 400, now + timedelta(hours=6), now=now, unit="袋")
    made = reporting.draft(EPI, one.pk, now=now)
    said = reporting.Words(
        "两所学校由同一供餐单位配送午餐。", "封存供餐单位厨房和留样食品\n救治病人,重症转市一院",
        "口服补液盐400袋",
        "新发病例下降,继续搜索病例。",
    )  # fmt: skip
    reporting.edit(EPI, made.pk, said, now=now)
    reporting.issue(EPI, made.pk, now=now)
    return one


def shot(reader: Reader, name: str) -> None:
    if SHOTS:
        reader.page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)


def test_pages_are_accessible_in_both_languages(chromium: Browser) -> None:
    build(1)
    make_account("epi", "epidemiologist")
    make_account("planner", "planner")
    one = answered()
    event(
        title="电镀厂氯气泄漏",
        kind="occupational_poisoning",
        cases=12,
        severe=1,
        in_hospital=5,
        unit="电镀厂",
        place="电镀厂",
    )
    held, waiting = one.reports.get(), one.proposals.get(state="waiting")
    pages = {
        "board": reverse("prevention:emergencies"),
        "emergency": reverse("prevention:emergency", args=[one.pk]),
        "decide": reverse("prevention:emergency-decide", args=[waiting.pk]),
        "report": reverse("prevention:emergency-report", args=[held.pk]),
        "tasks": reverse("prevention:emergency-tasks"),
        "rules": reverse("prevention:emergency-rules"),
        "past": reverse("prevention:emergencies-past"),
        "new": reverse("prevention:emergency-new"),
        "counts": reverse("prevention:emergency-act", args=[one.pk, "counts"]),
        "facts": reverse("prevention:emergency-act", args=[one.pk, "facts"]),
    }
    with served() as base:
        for language, scheme in zip(LANGUAGES, SCHEMES, strict=True):
            with reading(chromium, base, language=language, scheme=scheme) as reader:
                reader.sign_in("planner", PASSWORD)
                for name, path in pages.items():
                    reader.check(path)
                    shot(reader, f"{name}-{language}")
                    words = reader.page.inner_text("main")
                    if language == "zh-hans":
                        assert not re.search(r"[a-z]{4,} [a-z]{3,} [a-z]{2,}", words), (name, words[:3000])
                assert not reader.faults, reader.faults
        with reading(chromium, base, language="zh-hans", width=390) as reader:
            reader.sign_in("epi", PASSWORD)
            for name in ("board", "emergency", "tasks"):
                reader.check(pages[name])
                shot(reader, f"{name}-phone")
            wide = reader.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= 390 and not reader.faults, (wide, reader.faults)


def test_from_the_news_to_the_report(chromium: Browser) -> None:
    build(1)
    make_account("epi", "epidemiologist")
    make_account("inspector", "inspector")
    with served() as base, reading(chromium, base) as reader:
        reader.sign_in("epi", PASSWORD)
        reader.go(reverse("prevention:emergency-new"))
        page = reader.page
        page.fill("#id_title", "Wedding at the river")
        page.select_option("#id_kind", "food_poisoning")
        page.select_option("#id_district", EAST)
        page.fill("#id_cases", "44")
        page.click("main .panel button[type=submit]")
        page.wait_for_url(re.compile(r"/emergencies/\d+/$"))
        assert "Grade IV" in page.inner_text("#waiting")
        page.click("text=Decide")
        page.fill("#id_reason", "seen on the spot")
        page.check("input[name=verdict][value=confirm]")
        page.click("main .panel button[type=submit]")
        page.wait_for_url(re.compile(r"/emergencies/\d+/$"))
        one = Emergency.objects.get()
        assert (one.state, one.grade) == ("open", 4)
        page.click("button:has-text('Reported to the next level')")
        page.wait_for_selector("text=It is kept that the event was reported")
        page.click("text=Draft today's report")
        page.wait_for_url(re.compile(r"/reports/\d+/$"))
        page.click("a:has-text('Write')")
        page.fill("#id_measures", "Kitchen sealed")
        page.click("main .panel button[type=submit]")
        page.wait_for_url(re.compile(r"/reports/\d+/$"))
        page.click("button:has-text('Issue')")
        page.click("dialog .button-main")
        page.wait_for_selector("text=The report is issued")
        assert SituationReport.objects.get().state == "issued"
        assert not reader.faults, reader.faults
    task = EmergencyTask.objects.get(code="seal-food")
    client = Client()
    client.login(username="inspector", password=PASSWORD)
    listed = client.get(reverse("prevention:emergency-tasks")).content.decode()
    assert task.title in listed and EmergencyTask.objects.get(code="treat").title not in listed
    client.post(reverse("prevention:emergency-task-take", args=[task.pk]))
    client.post(reverse("prevention:emergency-task-act", args=[task.pk, "done"]), {"note": "sealed"})
    task.refresh_from_db()
    assert (task.state, task.note) == ("done", "sealed")
    assert client.get(reverse("prevention:emergency-act", args=[one.pk, "counts"])).status_code == 403


def test_the_report_as_pdf_and_word_is_frozen() -> None:
    build(1)
    make_account("epi", "epidemiologist")
    one = answered()
    held = one.reports.get()
    for language in LANGUAGES:
        document = written.document(held, language)
        made = pdf(document)
        if SHOTS:
            (Path(SHOTS) / f"report-{language}.pdf").write_bytes(made)
        words = zipfile.ZipFile(BytesIO(docx(document))).read("word/document.xml").decode()
        assert "封存供餐单位厨房和留样食品" in words
        assert ("突发公共卫生事件" if language == "zh-hans" else "Situation report") in words
    before = pdf(written.document(held, "zh-hans"))
    entering.enter_counts(
        EPI, one.pk, [entering.AskedCount(timezone.localdate(), 9, 0, 0, 0, WEST, "x")], now=timezone.now()
    )
    assert pdf(written.document(SituationReport.objects.get(pk=held.pk), "zh-hans")) == before
    client = Client()
    client.login(username="epi", password=PASSWORD)
    answer = client.get(reverse("prevention:emergency-report-file", args=[held.pk, "en", "pdf"]))
    assert answer.content[:5] == b"%PDF-" and answer["Cache-Control"] == "no-store"
    assert client.get(f"/emergencies/reports/{held.pk}/fr.pdf").status_code == 404
