"""A tender on the platform: who may do what, sealed until the opening, decided as announced, supplied."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from salus.insurance.models import ContractLine, Demand, SupplyContract, Tender, TenderDecision
from salus.insurance.queries import procurement as queries
from salus.insurance.services import procurement
from salus.insurance.services.procurement.deciding import fingerprint
from salus.insurance.tender import custody, publication
from salus.kernel import audit
from salus.kernel.errors import NotAllowed, SalusError
from salus.kernel.models import AuditRow, Commitment, Institution
from salus.kernel.policy import Principal
from tests.insurance.tender.conftest import MET, Scene, now, person
from tests.kernel.rounds import pass_deadline
from tests.kernel.test_commit_reveal import without_triggers

pytestmark = pytest.mark.django_db(databases=["default", "audit"])


def refused(code: str, run: Callable[[], object]) -> SalusError:
    with pytest.raises(SalusError) as error:
        run()
    assert error.value.code == code, error.value
    return error.value


def decided(scene: Scene, prices: dict[str, int]) -> Tender:
    scene.announce()
    scene.admit(len(prices))
    for supplier, fen in prices.items():
        scene.bid(supplier, fen)
    scene.close()
    for supplier in prices:
        scene.open(supplier)
    return procurement.decide(scene.officer, scene.tender, starts=now().date(), now=now())


def test_a_supplier_is_entered_once_by_who_runs_tenders(scene: Scene) -> None:
    made = procurement.enter_supplier(scene.officer, " NEW-1 ", "新药企")
    assert procurement.enter_supplier(scene.officer, "NEW-1", "another name") == made
    made.refresh_from_db()
    assert (made.code, made.name) == ("NEW-1", "新药企")
    rows = AuditRow.objects.filter(action="create", resource_type="Supplier")
    assert [row.resource_id for row in rows] == [str(made.pk)]
    refused("supplier-name", lambda: procurement.enter_supplier(scene.officer, "NEW-2", "  "))
    refused("code-malformed", lambda: procurement.enter_supplier(scene.officer, "a b", "x"))
    with pytest.raises(NotAllowed):
        procurement.enter_supplier(person("manager"), "NEW-3", "x")


def test_a_tender_from_demand_to_contracts(scene: Scene) -> None:
    """G1: 616, 700 and 1,110 fen for 28: 0.22, 0.25, 0.3964 yuan; three bidders give two winners, 60 %."""
    tender = decided(scene, {"S0": 616, "S1": 700, "S2": 1110})
    made = {one.supplier.code: one for one in TenderDecision.objects.select_related("supplier")}
    assert {name: one.reason for name, one in made.items()} == {
        "S0": "winner", "S1": "winner", "S2": "beyond-number",
    }  # fmt: skip
    assert (made["S0"].rank, Fraction(made["S0"].comparable)) == (1, 22)
    assert Fraction(made["S2"].limit) == Fraction(396, 10)
    # Base 28,000 + 14,000 + 196 units; 60 % is 25,317.6.
    lines = ContractLine.objects.all()
    assert sum(line.base for line in lines) == 42_196
    assert sum(line.units for line in lines) == 25_318
    # District 440303 has H0 and H2 (28,196 units): the cheapest chooses it, having no other wish.
    assert dict(SupplyContract.objects.values_list("region", "supplier__code")) == {
        "440303": "S0",
        "440304": "S1",
    }
    contract = SupplyContract.objects.get(region="440303")
    assert contract.ends == date(contract.starts.year + 1, contract.starts.month, contract.starts.day)
    assert contract.second is not None and contract.second.code == "S1"
    assert tender.published is not None
    assert publication.verify(json.loads(json.dumps(tender.published))) == []
    told = [
        json.loads(row) for row in AuditRow.objects.filter(action="decide").values_list("detail", flat=True)
    ]
    assert [one["file"] for one in told] == [fingerprint(tender.published)]
    actions = list(AuditRow.objects.order_by("id").values_list("action", flat=True))
    assert [actions.count(name) for name in ("commit", "reveal", "decide-bid")] == [3, 3, 3]
    assert audit.verify().ok


def test_savings_and_their_effect(scene: Scene) -> None:
    """Old 0.90 yuan a unit; H0 and H2 buy 16,918 units at 0.22, H1 8,400 at 0.25: 11,504.24 + 5,460.00."""
    tender = decided(scene, {"S0": 616, "S1": 700, "S2": 1110})
    units = dict(ContractLine.objects.values_list("institution__code", "units"))
    assert units == {"H0": 16_800, "H1": 8_400, "H2": 118}
    [report] = queries.savings_report(tender)
    assert report.agreed.total == 16_918 * 68 + 8_400 * 65
    assert report.agreed.fund + report.agreed.residents == report.agreed.total
    assert report.used.total == 0


# --- who may do what -------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["planner", "manager", "auditor", "clinician", "resident"])
def test_only_a_fund_officer_runs_a_tender(scene: Scene, role: str) -> None:
    other = person(role, scene.hospitals[0])
    for run in (
        lambda: procurement.create_tender(
            other, code="X", name="x", ruleset="national-2021", demand_until=now().date(), now=now()
        ),
        lambda: procurement.announce(other, scene.tender, commit_until=now(), reveal_until=now(), now=now()),
        lambda: procurement.admit(other, scene.tender, scene.suppliers[0], [scene.group], MET, now=now()),
        lambda: procurement.open_many(other, scene.tender, [], now=now()),
        lambda: procurement.decide(other, scene.tender, starts=now().date(), now=now()),
        lambda: procurement.cancel(other, scene.tender, "because"),
    ):
        with pytest.raises(SalusError) as error:
            run()
        assert error.value.code.startswith("not-allowed"), error.value


def test_an_institution_reports_for_itself_and_an_agent_under_a_mandate(scene: Scene) -> None:
    mine, other = scene.hospitals[0], scene.hospitals[1]
    gpo = Institution.objects.create(code="GPO", name="采购组织", kind="other")
    agent = person("manager", gpo)

    def report(who: Principal, where: Institution, packs: int = 10, **more: Any) -> int:
        given = {"strength": "10 mg", "pack": 7, **more}
        return procurement.report_demand(who, scene.group, where, packs=packs, now=now(), **given)

    refused("not-allowed-condition", lambda: report(person("manager", mine), other))
    refused("not-allowed-condition", lambda: report(agent, mine))
    refused(
        "not-allowed-condition",
        lambda: procurement.give_mandate(
            agent, agent=gpo, institution=mine, document="D1", valid_from=now().date()
        ),
    )
    mandate = procurement.give_mandate(
        person("manager", mine), agent=gpo, institution=mine, document="D1", valid_from=now().date()
    )
    assert report(agent, mine) == 0
    found = Demand.objects.get(institution=mine, pack=7)
    assert (found.mandate, found.units) == (mandate, 140)
    assert report(agent, mine, 12) == 10, "what was reported before, for undoing"
    assert report(agent, mine, 0) == 12
    assert not Demand.objects.filter(institution=mine, pack=7).exists()
    procurement.end_mandate(person("manager", mine), mandate, on=now().date())
    mandate.refresh_from_db()
    yesterday = now() - timedelta(days=1)
    refused("not-allowed-condition", lambda: report(agent, other))
    assert yesterday.date() < mandate.valid_from
    refused("volume-not-whole", lambda: report(scene.officer, mine, 1, strength="1 mg", pack=1))
    refused("strength-incomparable", lambda: report(scene.officer, mine, 1, strength="5 ml"))
    late = now() + timedelta(days=3)
    refused(
        "demand-late",
        lambda: procurement.report_demand(
            scene.officer, scene.group, mine, strength="5 mg", pack=28, packs=1, now=late
        ),
    )
    scene.announce()
    refused("tender-state", lambda: report(scene.officer, mine))


def test_an_announcement_fixes_rules_and_needs_demand(scene: Scene) -> None:
    procurement.add_group(
        scene.officer, scene.tender, code="G2", molecule="x", form="y", reference="1 g", pack=1,
        ceiling=None, old_price=None,
    )  # fmt: skip
    assert refused("tender-no-demand", scene.announce).where == "G2"
    procurement.remove_group(scene.officer, scene.tender.groups.get(code="G2"))
    refused("group-demand", lambda: procurement.remove_group(scene.officer, scene.group))
    refused("commit-times", lambda: scene.announce(10, -5))
    refused("custody-key", lambda: scene.announce(public_key="short"))
    scene.announce()
    assert scene.tender.rules["exclusion"]["multiple"] == "1.8"
    refused("tender-state", scene.announce)
    refused("tender-exists", lambda: make_again(scene))


def make_again(scene: Scene) -> None:
    procurement.create_tender(
        scene.officer, code="T2026", name="x", ruleset="national-2021", demand_until=now().date(), now=now()
    )


# --- sealed: late, altered, foreign ----------------------------------------------------------------


def test_nothing_of_a_sealed_bid_can_be_read_before_the_opening(scene: Scene) -> None:
    scene.announce()
    scene.admit(1)
    scene.bid("S0", 61_637)
    kept = list(Commitment.objects.values_list("nonce", "payload", "envelope"))
    assert kept == [("", "", "")]
    assert "61637" not in json.dumps(list(AuditRow.objects.values_list("detail", flat=True)))
    assert queries.counts(scene.tender) == queries.Counts(1, 0, 0)


def test_a_late_bid_is_refused_whatever_time_is_told(scene: Scene) -> None:
    scene.announce()
    scene.admit(2)
    scene.bid("S0", 616)
    scene.close()
    late = scene.seal("S1", 1)
    assert scene.tender.round is not None
    early = scene.tender.round.opened_at + timedelta(milliseconds=1)
    for at, code in ((now(), "tender-closed"), (early, "commit-late")):
        refused(code, lambda at=at: procurement.submit_bid(scene.bidders["S1"], "G1", late.digest, now=at))
        refused(
            code,
            lambda at=at: procurement.enter_sealed(
                scene.officer, scene.bidders["S1"], "G1", late.digest, now=at
            ),
        )
    refused("tender-closed", lambda: procurement.withdraw_bid(scene.bidders["S0"], "G1", now=now()))
    refused("withdraw-late", lambda: procurement.withdraw_bid(scene.bidders["S0"], "G1", now=early))
    refused(
        "tender-closed",
        lambda: procurement.admit(
            scene.officer, scene.tender, scene.suppliers[2], [scene.group], MET, now=now()
        ),
    )
    assert Commitment.objects.count() == 1


def test_an_altered_bid_does_not_open(scene: Scene) -> None:
    scene.announce()
    scene.admit(2)
    scene.bid("S0", 616)
    scene.bid("S1", 700)
    cheaper = scene.sealed["S0"].opening.payload.replace("616", "516")
    bidder, nonce = scene.bidders["S0"], scene.sealed["S0"].opening.nonce
    refused("reveal-early", lambda: scene.open("S0"))
    scene.close()
    refused("reveal-differs", lambda: procurement.open_bid(bidder, "G1", nonce, cheaper, now=now()))
    theirs = scene.sealed["S1"].opening
    refused(
        "reveal-differs", lambda: procurement.open_bid(bidder, "G1", theirs.nonce, theirs.payload, now=now())
    )
    scene.open("S0")
    refused("reveal-twice", lambda: scene.open("S0"))
    refused(
        "tender-opening",
        lambda: procurement.decide(scene.officer, scene.tender, starts=now().date(), now=now()),
    )
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("update kernel_commitment set payload = %s where party = 'G1/S0'", [cheaper])


def test_a_bid_may_be_withdrawn_and_made_again_before_the_deadline(scene: Scene) -> None:
    scene.announce()
    scene.admit(1)
    scene.bid("S0", 616)
    refused("commit-twice", lambda: scene.bid("S0", 600))
    procurement.withdraw_bid(scene.bidders["S0"], "G1", now=now())
    scene.bid("S0", 600)
    assert queries.counts(scene.tender) == queries.Counts(1, 1, 0)
    refused("commit-unknown", lambda: procurement.withdraw_bid(scene.bidders["S0"], "G9", now=now()))


def test_a_bid_token_opens_its_own_tender_and_group_alone(scene: Scene) -> None:
    scene.announce()
    scene.admit(2)
    token = scene.tokens["S0"]
    assert procurement.bearer("T2026", token).supplier.code == "S0"
    for code, text in (("T2027", token), ("T2026", token + "x"), ("T2026", ""), ("T2026", "stb_")):
        refused("bid-token", lambda code=code, text=text: procurement.bearer(code, text))
    refused("bid-group", lambda: procurement.submit_bid(scene.bidders["S0"], "G9", "0" * 64, now=now()))
    again = procurement.renew_token(scene.officer, scene.bidders["S0"])
    refused("bid-token", lambda: procurement.bearer("T2026", token))
    assert procurement.bearer("T2026", again).supplier.code == "S0"
    procurement.revoke_token(scene.officer, scene.bidders["S0"])
    refused("bid-token", lambda: procurement.bearer("T2026", again))
    assert "stb_" not in json.dumps(list(AuditRow.objects.values_list("detail", flat=True)))


def test_custodians_open_what_bidders_sealed(scene: Scene) -> None:
    keys = custody.make_keys(2, 3)
    scene.announce(public_key=keys.public)
    scene.admit(3)
    refused(
        "envelope-missing", lambda: procurement.submit_bid(scene.bidders["S0"], "G1", "0" * 64, now=now())
    )
    for supplier, fen in (("S0", 616), ("S1", 700), ("S2", 650)):
        scene.bid(supplier, fen)
    scene.close()
    told = queries.envelopes(scene.tender)
    private = custody.combine(keys.shares[1:], told["public_key"])
    openings: list[dict[str, Any]] = []
    for row in told["envelopes"]:
        nonce, payload = custody.unseal(private, told["round"], row["party"], row["envelope"])
        openings.append({"party": row["party"], "nonce": nonce, "payload": payload})
    openings[2]["payload"] = openings[2]["payload"].replace("650", "550")
    made = procurement.open_many(scene.officer, scene.tender, [*openings, {"party": 7}], now=now())
    assert made.opened == 2
    assert [error.code for _, error in made.refused] == ["reveal-differs", "opening-malformed"]


def test_whoever_stays_silent_is_decided_as_not_opened(scene: Scene) -> None:
    scene.announce()
    scene.admit(2)
    scene.bid("S0", 616)
    scene.bid("S1", 500)
    scene.close()
    scene.open("S0")
    assert scene.tender.round is not None
    pass_deadline(scene.tender.round, "reveal_until")
    refused("reveal-late", lambda: scene.open("S1"))
    procurement.decide(scene.officer, scene.tender, starts=now().date(), now=now())
    assert dict(TenderDecision.objects.values_list("supplier__code", "reason")) == {
        "S0": "winner", "S1": "not-opened",
    }  # fmt: skip


def test_unmet_criteria_are_named_and_fixed_with_the_deadline(scene: Scene) -> None:
    scene.announce()
    scene.admit(1)
    scene.suppliers.reverse()
    scene.admit(1, {**MET, "gmp": "no", "capacity": "42195"})
    scene.bid("S0", 700)
    scene.bid("S4", 600)
    scene.close()
    scene.open("S0")
    scene.open("S4")
    procurement.decide(scene.officer, scene.tender, starts=now().date(), now=now())
    row = TenderDecision.objects.get(supplier__code="S4")
    assert (row.reason, row.unmet) == ("not-qualified", ["gmp", "capacity"])


def test_a_tender_is_cancelled_with_a_reason_and_never_decided(scene: Scene) -> None:
    scene.announce()
    refused("tender-reason", lambda: procurement.cancel(scene.officer, scene.tender, " "))
    procurement.cancel(scene.officer, scene.tender, "the ceiling was wrong")
    refused(
        "tender-state",
        lambda: procurement.decide(scene.officer, scene.tender, starts=now().date(), now=now()),
    )


def test_tampering_past_the_triggers_stops_the_decision(scene: Scene) -> None:
    scene.announce()
    scene.admit(1)
    scene.bid("S0", 616)
    scene.close()
    without_triggers()
    Commitment.objects.update(digest="0" * 64)
    assert scene.tender.round is not None
    later = scene.tender.round.reveal_until
    error = refused(
        "tender-tampered",
        lambda: procurement.decide(scene.officer, scene.tender, starts=timezone.localdate(later), now=later),
    )
    assert error.where == "G1/S0"


# --- supply ----------------------------------------------------------------------------------------


def test_supply_is_entered_taken_back_and_gives_alerts(scene: Scene) -> None:
    decided(scene, {"S0": 616, "S1": 700, "S2": 1110})
    line = ContractLine.objects.select_related("contract__group__tender", "institution").get(
        institution__code="H0"
    )
    who = person("manager", line.institution)
    today = now().date()

    def enter(kind: str, units: int, on: date = today) -> Any:
        return procurement.record_supply(who, line, kind, on=on, units=units, now=now())

    wrong = enter("ordered", 50_000)
    procurement.take_back(who, wrong, now=now())
    refused("supply-reversed", lambda: procurement.take_back(who, wrong, now=now()))
    enter("ordered", 1000)
    enter("delivered", 899)
    enter("used", 80)
    enter("substituted", 21)
    later = today + timedelta(days=14)
    [made] = queries.fulfilment([line], later)
    assert (made.ordered, made.delivered, made.used, made.substituted) == (1000, 899, 80, 21)
    assert made.expected == 16_800 * 14 // 365
    assert set(made.alerts) == {"shortage", "slow-use", "substitution"}
    enter("delivered", 1)
    enter("used", 600)
    assert queries.fulfilment([line], later)[0].alerts == ()
    assert "shortage" not in queries.fulfilment([line], today)[0].alerts, "what was ordered today is not late"
    other = person("manager", scene.hospitals[1])
    refused(
        "not-allowed-condition",
        lambda: procurement.record_supply(other, line, "used", on=today, units=1, now=now()),
    )
    for code, kind, units, on in (
        ("supply-kind", "lost", 1, today), ("supply-units", "used", 0, today),
        ("supply-day", "used", 1, today + timedelta(1)), ("supply-day", "used", 1, today - timedelta(1)),
    ):  # fmt: skip
        refused(code, lambda kind=kind, units=units, on=on: enter(kind, units, on))
