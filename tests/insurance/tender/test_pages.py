"""The tender room's pages and the bidders' addresses: who sees what, what moves on, what can be undone."""

import csv
import io
import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from typer.testing import CliRunner

from salus.insurance.models import Bidder, ContractLine, Demand, Mandate, Supply, Tender
from salus.insurance.services import procurement
from salus.insurance.tender.commands import app
from salus.kernel.models import Commitment, Institution, RoleGrant
from tests.insurance.tender.conftest import MET, Scene, now
from tests.kernel.rounds import pass_deadline
from tests.web.conftest import make_account

pytestmark = pytest.mark.django_db(databases=["default", "audit"])


def client(*roles: str, institution: Institution | None = None, name: str = "") -> Client:
    account = make_account(name or "-".join(roles), institution=institution)
    for role in roles:
        RoleGrant.objects.create(account=account, role=role, institution=institution)
    made = Client()
    made.force_login(account, backend="django.contrib.auth.backends.ModelBackend")
    return made


def local(seconds: float) -> str:
    return timezone.localtime(now() + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


def test_an_officer_leads_a_tender_from_its_making_to_savings(scene: Scene, tmp_path: Path) -> None:
    """By pages alone, the bidders by their token from their own machines."""
    page = client("fund_officer")
    today = timezone.localdate()
    made = page.post(
        "/insurance/tenders/new",
        {"code": "T9", "name": "第九批", "ruleset": "national-2021", "demand_until": today.isoformat()},
    )
    assert made.status_code == 302, made.content.decode()
    home = "/insurance/tenders/T9"
    group = {"group": "G9", "molecule": "二甲双胍", "form": "片", "reference": "0.5 g", "pack": "60"}
    assert page.post(f"{home}/groups", {**group, "reference": "much"}).status_code == 422
    assert page.post(f"{home}/groups", {**group, "ceiling": "12.00", "old_price": "10.00"}).status_code == 302
    found = Tender.objects.get(code="T9").groups.get()
    assert (found.ceiling, found.old_price, found.reference) == (1200, 1000, "500 mg")
    report = {
        "group": found.pk, "institution": scene.hospitals[0].pk, "strength": "0.25 g", "pack": "60",
        "packs": "200",
    }  # fmt: skip
    assert page.post(f"{home}/demand/report", report).status_code == 302
    assert Demand.objects.get(group=found).units == 6000
    times = {"commit_until": local(600), "reveal_until": local(900)}
    assert b"cannot be changed" in page.post(f"{home}/announce", times).content
    assert page.post(f"{home}/announce", {**times, "confirmed": "1"}).status_code == 302
    answers = {f"answer-{code}": value for code, value in MET.items()}
    admitted = page.post(
        f"{home}/bidders/new",
        {"new_code": "S9", "new_name": "药企", "groups": [found.pk], "demand": "0", **answers},
    )
    token = admitted.context["token"]
    assert token in admitted.content.decode() and admitted["Cache-Control"] == "no-store"
    anybody = Client()
    told = anybody.get(f"{home}/announcement.json")
    (tmp_path / "announcement.json").write_bytes(told.content)
    sealed = CliRunner().invoke(
        app,
        [
            "seal", str(tmp_path / "announcement.json"), "-o", str(tmp_path / "bid"), "--group", "G9",
            "--supplier", "S9", "--strength", "0.5 g", "--pack", "60", "--price", "4.00",
        ],
    )  # fmt: skip
    assert sealed.exit_code == 0, sealed.output
    header = {"Authorization": f"Bearer {token}"}
    hand_in = (tmp_path / "bid/sealed.json").read_text()
    done = anybody.post(f"{home}/bids/G9", hand_in, content_type="application/json", headers=header)
    assert done.status_code == 200, done.content
    seen = page.get(home).content.decode()
    assert "standing: 1, withdrawn: 0" in seen and "400" not in seen
    assert anybody.get(f"{home}/publication.json").status_code == 404
    assert page.get(f"{home}/envelopes.json").status_code == 404
    tender = Tender.objects.select_related("round").get(code="T9")
    assert tender.round is not None
    pass_deadline(tender.round)
    opening = (tmp_path / "bid/opening.json").read_text()
    opened = anybody.post(f"{home}/bids/G9/open", opening, content_type="application/json", headers=header)
    assert opened.status_code == 200, opened.content
    starts = {"starts": today.isoformat()}
    assert b"cannot be undone" in page.post(f"{home}/decide", starts).content
    assert page.post(f"{home}/decide", {**starts, "confirmed": "1"}).status_code == 302
    (tmp_path / "publication.json").write_bytes(anybody.get(f"{home}/publication.json").content)
    verified = CliRunner().invoke(app, ["verify", str(tmp_path / "publication.json")])
    assert verified.exit_code == 0 and "nothing is wrong" in verified.output
    # 6,000 units of 0.5 g; half is agreed: 3,000 x (1000 - 400) / 60 fen = 300.00 yuan.
    assert "¥300.00" in page.get(f"{home}/savings").content.decode()
    rows = list(csv.reader(io.StringIO(page.get(f"{home}?export=csv").getvalue().decode("utf-8-sig"))))
    assert len(rows) == 2 and "Won" in rows[1]
    contracts = page.get(f"{home}/contracts?export=csv").getvalue().decode()
    assert "4.00" in contracts and "District" in contracts


ROLES = ["fund_officer", "planner", "auditor", "manager"]
PATHS = ["", "/demand", "/contracts", "/savings", "/fulfilment"]


@pytest.mark.parametrize("role", [*ROLES, "clinician", "resident", "inspector"])
def test_who_sees_the_tender_room(scene: Scene, role: str) -> None:
    page = client(role, institution=scene.hospitals[0])
    expected = 200 if role in ROLES else 403
    assert page.get("/insurance/tenders").status_code == expected
    for path in PATHS:
        assert page.get(f"/insurance/tenders/T2026{path}").status_code == expected, path
    for path in (
        "/announce",
        "/decide",
        "/cancel",
        "/bidders/new",
        "/sealed",
        "/openings",
        "/envelopes.json",
    ):
        answer = page.get(f"/insurance/tenders/T2026{path}").status_code
        assert answer == (403 if role != "fund_officer" else 404 if path == "/envelopes.json" else 200), path
    assert page.get("/insurance/tenders/none").status_code == (404 if role in ROLES else 403)


def test_strangers_are_sent_to_sign_in(scene: Scene) -> None:
    for path in PATHS:
        assert Client().get(f"/insurance/tenders/T2026{path}").status_code == 302
    assert Client().get("/insurance/tenders/T2026/announcement.json").status_code == 404, "not announced yet"


def test_a_manager_sees_and_reports_for_her_own_hospital(scene: Scene) -> None:
    page = client("manager", institution=scene.hospitals[0])
    seen = page.get("/insurance/tenders/T2026/demand").content.decode()
    assert "Hospital 0" in seen and "Hospital 1" not in seen
    values = {"group": scene.group.pk, "strength": "10 mg", "pack": "7", "packs": "9"}
    foreign = page.post(
        "/insurance/tenders/T2026/demand/report", {**values, "institution": scene.hospitals[1].pk}
    )
    assert foreign.status_code == 422
    url = f"/insurance/tenders/T2026/demand/{scene.group.pk}/{scene.hospitals[1].pk}/5 mg/28/1"
    page.post(url)
    assert Demand.objects.get(institution=scene.hospitals[1]).packs == 500
    own = page.post(
        "/insurance/tenders/T2026/demand/report",
        {**values, "institution": scene.hospitals[0].pk},
        follow=True,
    )
    assert Demand.objects.filter(institution=scene.hospitals[0]).count() == 2
    undo = next(one.extra_tags for one in own.context["messages"] if one.extra_tags)
    page.post(undo)
    assert Demand.objects.filter(institution=scene.hospitals[0]).count() == 1


def test_a_purchasing_organisation_reports_under_its_mandate(scene: Scene) -> None:
    gpo = Institution.objects.create(code="GPO", name="采购组织", name_en="Purchasing", kind="other")
    hospital = client("manager", institution=scene.hospitals[0], name="hospital")
    agent = client("manager", institution=gpo, name="agent")
    values = {
        "group": scene.group.pk, "institution": scene.hospitals[0].pk, "strength": "5 mg", "pack": "14",
        "packs": "1",
    }  # fmt: skip
    assert agent.post("/insurance/tenders/T2026/demand/report", values).status_code == 422
    mandate = {
        "institution": scene.hospitals[0].pk, "agent": gpo.pk, "document": "委托 1",
        "valid_from": timezone.localdate().isoformat(),
    }  # fmt: skip
    assert agent.post("/insurance/mandates/new", mandate).status_code == 422
    assert hospital.post("/insurance/mandates/new", mandate).status_code == 302
    assert agent.post("/insurance/tenders/T2026/demand/report", values).status_code == 302
    row = Demand.objects.get(pack=14)
    assert row.mandate == Mandate.objects.get()
    seen = agent.get("/insurance/tenders/T2026/demand").content.decode()
    assert "Hospital 0" in seen and "Hospital 1" not in seen


# --- the bidders' addresses ------------------------------------------------------------------------


def post(path: str, token: str, body: object) -> tuple[int, dict[str, str]]:
    text = body if isinstance(body, str) else json.dumps(body)
    done = Client(enforce_csrf_checks=True).post(
        f"/insurance/tenders/T2026/bids/{path}", text, content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )  # fmt: skip
    return done.status_code, done.json()


def test_a_bidders_machine_gets_typed_errors(scene: Scene) -> None:
    scene.announce()
    scene.admit(2)
    token, digest = scene.tokens["S0"], {"digest": "0" * 64}
    for path, key, body, status, code in (
        ("G1", "stb_wrong", digest, 404, "bid-token"), ("G1", "", digest, 404, "bid-token"),
        ("G9", token, digest, 404, "bid-group"), ("G1", token, {"digest": "x"}, 422, "commit-digest"),
        ("G1", token, "{", 400, "json-malformed"), ("G1", token, "[]", 400, "json-malformed"),
        ("G1/withdraw", token, {}, 404, "commit-unknown"),
        ("G1", token, {"digest": "0" * 64, "envelope": "x" * 70_000}, 422, "body-large"),
    ):  # fmt: skip
        assert post(path, key, body)[0::1][0] == status, (path, body)
        assert post(path, key, body)[1]["code"] == code
    assert post("G1", token, digest)[0] == 200
    assert post("G1", token, digest)[1]["code"] == "commit-twice"
    assert post("G1", scene.tokens["S1"], digest)[0] == 409, "another's commitment cannot be copied"
    assert post("G1/open", token, {"nonce": "0" * 64, "payload": ""})[1]["code"] == "reveal-early"
    assert post("G1/withdraw", token, {})[0] == 200
    assert Commitment.objects.filter(withdrawn_at=None).count() == 0
    assert Client().get("/insurance/tenders/T2026/bids/G1").status_code == 405


def test_an_officer_enters_sealed_files_and_openings(scene: Scene) -> None:
    scene.announce()
    scene.admit(2)
    page = client("fund_officer")
    made = scene.seal("S0", 616)

    def upload(path: str, field: str, value: object, **more: object) -> int:
        raw = value if isinstance(value, bytes) else json.dumps(value).encode()
        file = SimpleUploadedFile("file.json", raw, content_type="application/json")
        return page.post(f"/insurance/tenders/T2026/{path}", {field: file, **more}).status_code

    bidder = Bidder.objects.get(supplier__code="S0")
    sealed = {"party": made.party, "digest": made.digest, "envelope": ""}
    other = Bidder.objects.get(supplier__code="S1").pk
    for value, who in ((sealed, other), ({}, bidder.pk), ([], bidder.pk), (b"{", bidder.pk)):
        assert upload("sealed", "sealed", value, bidder=who) == 422, value
    assert upload("sealed", "sealed", sealed, bidder=bidder.pk) == 302
    assert Commitment.objects.count() == 1
    renewed = page.post(f"/insurance/tenders/T2026/bidders/{bidder.pk}/token", {"confirmed": "1"})
    assert renewed.context["token"].startswith("stb_")
    page.post(f"/insurance/tenders/T2026/bidders/{bidder.pk}/revoke", {"confirmed": "1"})
    bidder.refresh_from_db()
    assert bidder.token == ""
    scene.close()
    opening = {"party": made.party, "nonce": made.opening.nonce, "payload": made.opening.payload}
    for value in ([1], "x", {"openings": 3}):
        assert upload("openings", "openings", value) == 422, value
    assert upload("openings", "openings", {"openings": [{**opening, "payload": "{}"}]}) == 302
    assert not Commitment.objects.exclude(revealed_at=None).exists()
    assert upload("openings", "openings", opening) == 302
    assert Commitment.objects.exclude(revealed_at=None).count() == 1


def test_supply_is_entered_by_the_hospital_and_taken_back(scene: Scene) -> None:
    scene.announce()
    scene.admit(1)
    scene.bid("S0", 616)
    scene.close()
    scene.open("S0")
    procurement.decide(scene.officer, scene.tender, starts=timezone.localdate(), now=now())
    line = ContractLine.objects.get(institution=scene.hospitals[0])
    page = client("manager", institution=scene.hospitals[0])
    url = f"/insurance/supply/{line.pk}"
    values = {"kind": "used", "on": timezone.localdate().isoformat(), "units": "100"}
    done = page.post(url, values, follow=True)
    undo = next(str(one.extra_tags) for one in done.context["messages"])
    assert page.post(url, {**values, "on": "2020-01-01"}).status_code == 422
    seen = page.get("/insurance/tenders/T2026/fulfilment").content.decode()
    assert "Hospital 0" in seen and "Hospital 1" not in seen
    page.post(undo)
    assert sorted(Supply.objects.values_list("units", flat=True)) == [-100, 100]
    assert "Take back" not in page.get(url).content.decode()
    other = ContractLine.objects.get(institution=scene.hospitals[1])
    assert page.get(f"/insurance/supply/{other.pk}").status_code == 404
    planner = client("planner")
    assert "Enter supply" not in planner.get(url).content.decode()
    assert planner.post(url, values).status_code == 403
    assert Supply.objects.count() == 2


def test_groups_are_taken_out_and_tenders_cancelled_after_asking(scene: Scene) -> None:
    page = client("fund_officer")
    home = "/insurance/tenders/T2026"
    asked = page.post(f"{home}/groups/G1/remove")
    assert asked.status_code == 200 and b"confirmed" in asked.content
    page.post(f"{home}/groups/G1/remove", {"confirmed": "1"})
    assert scene.tender.groups.count() == 1, "demand was reported for it"
    assert page.post(f"{home}/cancel", {"reason": "wrong ceiling"}).status_code == 200
    assert page.post(f"{home}/cancel", {"reason": "wrong ceiling", "confirmed": "1"}).status_code == 302
    assert "wrong ceiling" in page.get(home).content.decode()
    assert (
        page.post(
            f"{home}/announce", {"commit_until": local(9), "reveal_until": local(19), "confirmed": "1"}
        ).status_code
        == 422
    )
