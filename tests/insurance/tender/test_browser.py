"""The tender room in a real browser: every page clean in both languages, and a tender led to its decision."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, expect

from salus.insurance.models import ContractLine, Supply, Tender
from salus.insurance.services import procurement
from salus.kernel.models import RoleGrant
from salus.web import translation
from tests.insurance.tender.conftest import Scene, make_scene, now
from tests.kernel.rounds import emptied
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
def scene(transactional_db: None, data_dir: Path) -> Iterator[Scene]:
    """A tender that was decided and is supplied, one that takes bids, one that collects demand."""
    with emptied():
        made = make_scene()
        account = make_account("officer")
        RoleGrant.objects.create(account=account, role="fund_officer")
        yield made


@pytest.fixture
def site(scene: Scene) -> Iterator[str]:
    with served() as base:
        yield base


def decide(scene: Scene) -> ContractLine:
    scene.announce()
    scene.admit(4)
    for supplier, fen in (("S0", 616), ("S1", 700), ("S2", 1110), ("S3", 640)):
        scene.bid(supplier, fen)
    scene.close()
    for supplier in ("S0", "S1", "S2", "S3"):
        scene.open(supplier)
    today = timezone.localdate()
    procurement.decide(scene.officer, scene.tender, starts=today, now=now())
    line = ContractLine.objects.get(institution=scene.hospitals[0])
    for kind, units in (("ordered", 1000), ("delivered", 400), ("used", 100), ("substituted", 90)):
        procurement.record_supply(scene.officer, line, kind, on=today, units=units, now=now())
    return line


def others(scene: Scene) -> None:
    """A tender that takes sealed bids and one that collects demand."""
    for code in ("T2027", "T2028"):
        made = procurement.create_tender(
            scene.officer, code=code, name="第二批", name_en=f"Round {code}", ruleset="national-2021",
            demand_until=timezone.localdate(), now=now(),
        )  # fmt: skip
        group = procurement.add_group(
            scene.officer, made, code="G7", molecule="阿托伐他汀", molecule_en="Atorvastatin", form="片剂",
            reference="10 mg", pack=28, ceiling=4000, old_price=5000,
        )  # fmt: skip
        procurement.report_demand(
            scene.officer, group, scene.hospitals[0], strength="20 mg", pack=7, packs=300, now=now()
        )
    sealing = Tender.objects.get(code="T2027")
    sealing = procurement.announce(
        scene.officer, sealing, commit_until=now() + timedelta(hours=1), now=now(),
        reveal_until=now() + timedelta(hours=2),
    )  # fmt: skip
    answers = {"gmp": "no"}
    made_bidder = procurement.admit(
        scene.officer, sealing, scene.suppliers[0], list(sealing.groups.all()), answers, now=now()
    )
    procurement.submit_bid(made_bidder.bidder, "G7", "ab" * 32, now=now())


@pytest.mark.parametrize(("language", "scheme"), list(zip(LANGUAGES, SCHEMES, strict=True)))
def test_every_page_is_clean(chromium: Browser, scene: Scene, site: str, language: str, scheme: str) -> None:
    line = decide(scene)
    others(scene)
    with reading(chromium, site, language=language, scheme=scheme) as reader:
        reader.sign_in("officer", PASSWORD)
        home = "/insurance/tenders"
        for path in (
            "/", home, f"{home}/new", "/insurance/mandates/new", f"{home}/T2026", f"{home}/T2026/demand",
            f"{home}/T2026/contracts", f"{home}/T2026/savings", f"{home}/T2026/fulfilment",
            f"/insurance/supply/{line.pk}", f"{home}/T2027", f"{home}/T2027/bidders/new",
            f"{home}/T2027/sealed", f"{home}/T2027/openings", f"{home}/T2028", f"{home}/T2028/demand",
            f"{home}/T2028/announce", f"{home}/T2027/cancel", f"{home}/T2027/decide",
        ):  # fmt: skip
            reader.check(path)
            assert reader.page.locator("h1").inner_text(), path
        assert reader.page.locator("html").get_attribute("lang") == language
        assert not reader.faults, "\n".join(reader.faults)


def test_demand_is_reported_and_undone_and_a_tender_announced(
    chromium: Browser, scene: Scene, site: str
) -> None:
    with reading(chromium, site, width=390) as reader:
        reader.sign_in("officer", PASSWORD)
        page = reader.page
        reader.go("/insurance/tenders/T2026/demand")
        page.select_option("#id_group", label="G1")
        page.select_option("#id_institution", label="H0 Hospital 0")
        page.fill("#id_strength", "10 mg")
        page.fill("#id_pack", "7")
        page.fill("#id_packs", "40")
        page.click("main form button[type=submit] >> text=Report")
        expect(page.locator("#table-demand tbody tr")).to_have_count(4)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.click("main >> text=Undo")
        expect(page.locator("#table-demand tbody tr")).to_have_count(3)
        reader.go("/insurance/tenders/T2026/announce")
        later = timezone.localtime() + timedelta(hours=1)
        page.fill("#id_commit_until", later.strftime("%Y-%m-%dT%H:%M"))
        page.fill("#id_reveal_until", (later + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M"))
        page.click("main form button[type=submit]")
        expect(page.locator("main")).to_contain_text("cannot be changed afterwards")
        page.click("main form button[type=submit]")
        expect(page.locator("main")).to_contain_text("Taking sealed bids")
        assert Tender.objects.get(code="T2026").state == "announced"
        assert not reader.faults, "\n".join(reader.faults)


def test_supply_is_entered_and_taken_back(chromium: Browser, scene: Scene, site: str) -> None:
    line = decide(scene)
    with reading(chromium, site) as reader:
        reader.sign_in("officer", PASSWORD)
        page = reader.page
        page.click("nav a:has-text('Tender room')")
        page.click("#table-tenders tbody a >> text=T2026")
        expect(page.locator("#table-decisions tbody")).to_contain_text("Beyond the number of winners")
        page.click("text=Fulfilment")
        expect(page.locator("#table-fulfilment")).to_contain_text("Substitution")
        page.click("#table-fulfilment tbody a >> text=Hospital 0")
        page.select_option("#id_kind", "delivered")
        page.fill("#id_units", "550")
        page.click("main form button[type=submit] >> text=Enter")
        expect(page.locator("main")).to_contain_text("The entry was made.")
        page.click("main >> text=Undo")
        expect(page.locator("main")).to_contain_text("The entry was taken back.")
        assert sorted(Supply.objects.filter(line=line, kind="delivered").values_list("units", flat=True)) == [
            -550, 400, 550,
        ]  # fmt: skip
        assert not reader.faults, "\n".join(reader.faults)
