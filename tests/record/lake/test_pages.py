"""The lake's pages: who sees them, what they say, a copy for research from its request to its deletion."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Browser

from salus.kernel import audit
from salus.kernel.models import AuditRow
from salus.record.lake import definitions, quality
from salus.record.lake.refreshing import refresh
from salus.record.lake.research import services
from salus.record.models import ResearchCopy
from salus.web import translation
from tests.record.lake.test_research import person
from tests.record.lake.world import World
from tests.web.browser import LANGUAGES, SCHEMES, browser, reading, served
from tests.web.conftest import PASSWORD, make_account

pytestmark = pytest.mark.django_db(databases=["default", "audit"], transaction=True)


@pytest.fixture
def lake(tmp_path: Path, settings: Any) -> Path:
    """A lake of forty patients, and accounts."""
    settings.DATA_DIR = tmp_path
    World().write(*[write for n in range(40) for write in person(n)])
    refresh(tmp_path / "lake", definitions.library())
    quality.measure()
    for role in ("planner", "epidemiologist", "integrator", "auditor", "clinician"):
        make_account(role, role)
    return tmp_path


def signed_in(name: str) -> Client:
    client = Client()
    assert client.login(username=name, password=PASSWORD)
    return client


def test_who_sees_what(lake: Path) -> None:
    allowed = {
        "/tables/": {"planner", "epidemiologist", "integrator", "auditor"},
        "/tables/patient": {"planner", "epidemiologist", "integrator", "auditor"},
        "/tables/research/": {"planner", "epidemiologist", "auditor"},
        "/tables/research/ask": {"planner", "epidemiologist"},
    }
    for name in ("planner", "epidemiologist", "integrator", "auditor", "clinician"):
        client = signed_in(name)
        for path, roles in allowed.items():
            assert client.get(path).status_code == (200 if name in roles else 403), (name, path)
    page = signed_in("planner").get("/tables/patient").content.decode()
    assert "birth_date" in page and "100.0" in page
    assert signed_in("planner").get("/tables/nothing").status_code == 404


def test_a_copy_from_request_to_deletion(lake: Path) -> None:
    client = signed_in("epidemiologist")
    form = {
        "project": "sugar",
        "title": "Sugar in blood",
        "basis": "IRB-2026-7",
        "tables": ["observation"],
        "k": 3,
    }
    assert client.post("/tables/research/ask", form | {"project": "../x"}).status_code == 200
    assert not ResearchCopy.objects.exists()
    assert client.post("/tables/research/ask", form).status_code == 302
    made = ResearchCopy.objects.get()
    assert services.make_waiting() == 1 and services.make_waiting() == 0
    page = client.get(f"/tables/research/{made.pk}").content.decode()
    assert "observation.parquet" in page and "patient.parquet" in page and "encounter.parquet" not in page
    taken = client.get(f"/tables/research/{made.pk}/patient.parquet")
    assert b"".join(taken.streaming_content)[:4] == b"PAR1"  # type: ignore[attr-defined]
    assert client.get(f"/tables/research/{made.pk}/encounter.parquet").status_code == 404
    assert signed_in("auditor").get(f"/tables/research/{made.pk}/patient.parquet").status_code == 403
    assert (
        signed_in("auditor").post(f"/tables/research/{made.pk}/delete", {"confirmed": "1"}).status_code == 403
    )
    assert "confirmed" in client.post(f"/tables/research/{made.pk}/delete").content.decode()
    client.post(f"/tables/research/{made.pk}/delete", {"confirmed": "1"})
    made.refresh_from_db()
    assert made.state == "deleted" and not services.folder_of(made).exists()
    audit.close()
    rows = AuditRow.objects.using("audit").filter(resource_type="ResearchCopy").order_by("id")
    assert [(row.action, row.purpose) for row in rows] == [
        (action, "HRESCH") for action in ("create", "export", "export", "delete")
    ]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    translation.compile_catalogues()
    with browser() as started:
        yield started


@pytest.mark.browser
def test_every_page_is_clean(chromium: Browser, lake: Path) -> None:
    ResearchCopy.objects.all().delete()
    epidemiologist = signed_in("epidemiologist")
    form = {
        "project": "sugar",
        "title": "Sugar in blood",
        "basis": "IRB-2026-7",
        "tables": ["observation"],
        "k": 3,
    }
    epidemiologist.post("/tables/research/ask", form)
    services.make_waiting()
    copy = ResearchCopy.objects.get().pk
    paths = [
        "/tables/",
        "/tables/patient",
        "/tables/research/",
        "/tables/research/ask",
        f"/tables/research/{copy}",
    ]
    with served() as base:
        for language, scheme in zip(LANGUAGES, SCHEMES, strict=True):
            with reading(chromium, base, language=language, scheme=scheme) as reader:
                reader.sign_in("epidemiologist", PASSWORD)
                for path in paths:
                    reader.check(path)
                    if shots := os.environ.get("SALUS_SCREENSHOTS"):
                        name = path.strip("/").replace("/", "-")
                        reader.page.screenshot(path=f"{shots}/{name}-{language}.png", full_page=True)
                assert not reader.faults, reader.faults
