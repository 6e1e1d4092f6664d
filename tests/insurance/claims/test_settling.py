"""Claims at the till: once, whole, reversible; and the month's batch decides as the till does."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from salus.insurance.models import AccumulatorEvent, Adjudication, Claim, Fund, Outcome
from salus.insurance.models.claims import PAYERS
from salus.insurance.queries import fund as asking
from salus.insurance.services import claim_batch, claim_storing, claims
from salus.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from salus.kernel.ids import uuid7
from salus.kernel.models import AuditRow
from tests.insurance.claims import world
from tests.insurance.claims.world import NOW, SYSTEM, City

PART = ("line_no", "payer", "amount_fen", "reason", "rule", "version", "params")
FINDING = ("line_no", "code", "effect", "rule", "amount_fen", "params")
pytestmark = pytest.mark.django_db(databases=["default", "audit"])


def settle(city: City, seed: int, **change: Any) -> Claim:
    place, asked = world.claim(Random(seed), city, seed)
    return claims.settle(city.sources[place], city.institutions[place], replace(asked, **change), now=NOW)


def balances() -> dict[tuple[Any, ...], int]:
    found: dict[tuple[Any, ...], int] = {}
    for event in AccumulatorEvent.objects.all():
        key = (event.person_id, event.year, event.account, event.key)
        found[key] = found.get(key, 0) + event.amount
    return {key: amount for key, amount in found.items() if amount}


def owed() -> dict[str, dict[str, int]]:
    return {
        fund: {a: v for a, v in asking.balances(fund).items() if a in ("benefit", "payable")}
        for fund in Fund.values
    }


def test_the_same_claim_twice_is_settled_once(city: City) -> None:
    first, again = settle(city, 1), settle(city, 1)
    assert first.pk == again.pk
    assert Claim.objects.count() == Adjudication.objects.count() == 1
    with pytest.raises(Conflict) as caught:
        settle(city, 1, charge=1)
    assert caught.value.code == "claim-number-used"


@pytest.mark.parametrize(
    ("change", "categories"),
    [
        ({"diagnoses": ["J18.900"]}, ""),
        ({"diagnoses": ["B20.100"]}, "hiv"),
        ({"procedures": ["69.0100"]}, "reproductive"),
        ({"procedures": ["94.2700"], "diagnoses": ["B24.x00"]}, "hiv mental"),
        ({"illness": "psychosis"}, "mental"),
        ({"illness": "aids_infection"}, "hiv"),
        ({"illness": "diabetes"}, ""),
        ({"illness": "none such"}, ""),
        ({"item": "J05AE03"}, "hiv"),
    ],
)
def test_what_is_sensitive_of_a_claim_follows_from_all_its_codes(
    city: City, change: dict[str, Any], categories: str
) -> None:
    """A claim whose diagnosis tells nothing is as sensitive as its procedure, illness or medicine."""
    _place, asked = world.claim(Random(1), city, 1)
    if item := change.pop("item", ""):
        change["lines"] = [replace(asked.lines[0], item=item, charge=asked.charge)]
    assert settle(city, 1, **change).categories == categories


def test_a_settled_claim_is_in_the_audit_chain_with_its_resident(city: City) -> None:
    claim = settle(city, 1)
    row = AuditRow.objects.using("audit").get(resource_type="Claim", action="create")
    assert row.resource_id == str(claim.pk) and row.person_id == claim.person_id


def test_the_parts_of_each_line_are_its_charge_and_what_the_funds_owe_is_in_their_books(city: City) -> None:
    for seed in range(12):
        settle(city, seed)
    assert {c.outcome for c in Claim.objects.all()} >= {Outcome.PAID}
    for made in Adjudication.objects.prefetch_related("lines", "parts", "claim"):
        assert made.charge_fen == sum(getattr(made, f"{p}_fen") for p in PAYERS) == made.claim.charge_fen
        for line in made.lines.all():
            parts = sum(part.amount_fen for part in made.parts.all() if part.line_no == line.line_no)
            assert parts == line.charge_fen
        for payer in PAYERS:
            whole = sum(getattr(line, f"{payer}_fen") for line in made.lines.all())
            told = sum(part.amount_fen for part in made.parts.all() if part.payer == payer)
            assert whole == told
    paid = sum(claim.fund_fen for claim in Claim.objects.all())
    assert paid > 0 and -sum(books.get("payable", 0) for books in owed().values()) == paid


def test_taking_a_claim_back_restores_the_state_before_it(city: City) -> None:
    for seed in (1, 2, 3):
        settle(city, seed)
    before, books = balances(), owed()
    later = settle(city, 4)
    assert (balances(), owed()) != (before, books)
    source = next(s for s in city.sources if later.institution_id in s.institution_ids)
    claims.take_back(source, later.institution, later.number, "charged twice", now=NOW)
    assert balances() == before and owed() == books
    claims.take_back(source, later.institution, later.number, "charged twice", now=NOW)
    assert [a.kind for a in later.adjudications.order_by("version")] == ["settled", "reversed"]


@pytest.mark.parametrize("seed", range(3))
def test_any_history_of_claims_and_reversals_leaves_what_the_standing_claims_use(
    city: City, seed: int
) -> None:
    random = Random(seed)
    made: list[Claim] = []
    for n in range(14):
        if made and random.random() < 0.35:
            gone = made.pop(random.randrange(len(made)))
            claims.take_back(SYSTEM, gone.institution, gone.number, "taken back", now=NOW)
        else:
            place, asked = world.claim(random, city, n)
            made.append(claims.settle(city.sources[place], city.institutions[place], asked, now=NOW))
        assert all(sum(asking.balances(fund).values()) == 0 for fund in Fund.values)
    for claim in made:
        claims.take_back(SYSTEM, claim.institution, claim.number, "taken back", now=NOW)
    assert balances() == {} and all(books == {} for books in owed().values())


def test_deciding_again_without_cause_changes_nothing(city: City) -> None:
    drawn = sorted((world.claim(Random(s), city, s, city.persons[0]) for s in range(8)), key=in_order(city))
    for place, asked in drawn:
        claims.settle(city.sources[place], city.institutions[place], asked, now=NOW)
    before = balances()
    assert claims.decide_again(SYSTEM, city.persons[0], 2025, "no cause", now=NOW) == []
    assert balances() == before


def test_a_late_claim_and_deciding_again_give_what_the_right_order_gives(city: City) -> None:
    drawn = [world.claim(Random(s), city, s, city.persons[0]) for s in range(10, 18)]
    for place, asked in drawn:  # as they come
        claims.settle(city.sources[place], city.institutions[place], asked, now=NOW)
    claims.decide_again(SYSTEM, city.persons[0], 2025, "a late claim", now=NOW)
    late, books = state(), owed()
    for claim in Claim.objects.all():
        claims.take_back(SYSTEM, claim.institution, claim.number, "taken back", now=NOW)
    renamed = sorted(drawn, key=in_order(city))
    for place, asked in renamed:
        again = replace(asked, number=asked.number.replace("N", "R"))
        claims.settle(city.sources[place], city.institutions[place], again, now=NOW)
    fresh = {key.replace("R", "N"): value for key, value in state("R").items()}
    for key in late:
        assert fresh[key] == late[key], key
    assert owed() == books


def in_order(city: City) -> Any:
    return lambda pair: (pair[1].discharged, f"{city.institutions[pair[0]].code}/{pair[1].number}")


def state(prefix: str = "N") -> dict[str, Any]:
    """Return each claim's whole decision by its number."""
    found = {}
    for claim in Claim.objects.filter(number__startswith=prefix).exclude(outcome=Outcome.REVERSED):
        made = claim_storing.latest(claim)
        found[claim.number] = (
            claim.outcome, claim.cover_reason, claim.standing, claim.scheme,
            sorted(made.lines.values_list("line_no", "item", *(f"{p}_fen" for p in PAYERS))),
            sorted(made.parts.values_list(*PART)), sorted(made.findings.values_list(*FINDING), key=str),
            [tuple(row.values()) for row in claim_storing.used_up(claim)],
            made.detail,
        )  # fmt: skip
    return found


@pytest.mark.parametrize("seed", range(3))
def test_the_batch_of_a_month_decides_as_the_till(city: City, seed: int) -> None:
    random = Random(100 + seed)
    drawn = sorted((world.claim(random, city, n) for n in range(40)), key=in_order(city))
    for place, asked in drawn:
        claims.settle(city.sources[place], city.institutions[place], asked, now=NOW)
    till, books, used = state(), owed(), balances()
    assert len({value[0] for value in till.values()}) >= 2
    for claim in Claim.objects.all():
        claims.take_back(SYSTEM, claim.institution, claim.number, "taken back", now=NOW)
    renamed = [
        (city.institutions[place], replace(asked, number=asked.number.replace("N", "B")))
        for place, asked in random.sample(drawn, len(drawn))
    ]
    outcomes = claim_batch.settle_many(SYSTEM, renamed, now=NOW)
    assert all(outcome.error is None for outcome in outcomes)
    assert {key.replace("B", "N"): value for key, value in state("B").items()} == till
    assert owed() == books and balances() == used
    before = Adjudication.objects.count()
    again = claim_batch.settle_many(SYSTEM, renamed, now=NOW)
    assert Adjudication.objects.count() == before
    assert [o.claim for o in again] == [o.claim for o in outcomes]


def test_a_bad_claim_of_a_file_is_named_and_the_others_are_settled(city: City) -> None:
    place, good = world.claim(Random(1), city, 1)
    home = city.institutions[place]
    bad = [
        replace(good, number="X1", lines=[]),
        replace(good, number="X2", person_id=uuid7()),
        replace(good, charge=good.charge + 1),
    ]
    outcomes = claim_batch.settle_many(SYSTEM, [(home, good), *((home, b) for b in bad)], now=NOW)
    assert [o.error.code if o.error else None for o in outcomes] == [
        None, "claim-lines", "person-unknown", "claim-repeated",
    ]  # fmt: skip
    assert Claim.objects.count() == 1


def test_an_institution_claims_for_itself_only(city: City) -> None:
    _place, asked = world.claim(Random(1), city, 1)
    with pytest.raises(NotAllowed):
        claims.settle(city.sources[0], city.institutions[1], asked, now=NOW)
    made = claims.settle(city.sources[1], city.institutions[1], asked, now=NOW)
    with pytest.raises(NotAllowed):
        claims.take_back(city.sources[0], city.institutions[1], made.number, "not mine", now=NOW)
    with pytest.raises(NotFound):
        claims.take_back(city.sources[1], city.institutions[1], "NONE", "not there", now=NOW)


def test_bad_claims_are_refused_with_where_it_is(city: City) -> None:
    _place, asked = world.claim(Random(1), city, 1)
    line = asked.lines[0]
    cases = [
        ({"number": ""}, "number"), ({"kind": "dental"}, "kind"), ({"charge": -1}, "charge"),
        ({"referral": "x"}, "referral"), ({"lines": [line, line]}, "lines"),
        ({"lines": [replace(line, quantity=line.quantity * 0)]}, "lines[0].quantity"),
        ({"diagnoses": ["x" * 30]}, "diagnoses"),
    ]  # fmt: skip
    for change, where in cases:
        with pytest.raises(Invalid) as caught:
            claims.settle(SYSTEM, city.institutions[0], replace(asked, **change), now=NOW)  # type: ignore[arg-type]
        assert caught.value.where == where
    assert not Claim.objects.exists()
