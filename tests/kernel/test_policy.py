"""The permission table, row by row, and what holds for all of it."""

import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.kernel import policy, smart
from salus.kernel.errors import Invalid, NotAllowed
from salus.kernel.models import Role
from salus.kernel.policy import (
    ANONYMOUS,
    Grant,
    Principal,
    Target,
    decide,
    permits,
    providers,
    require,
    scope,
)
from salus.kernel.policy.rulebook import BOOK

ME, HERS, STRANGER = UUID(int=1), UUID(int=2), UUID(int=3)
MY_INSTITUTION, OTHER_INSTITUTION = 10, 11
MY_DISTRICT, OTHER_DISTRICT = "110101", "110102"
ROLES = [*Role.values, "source"]


@pytest.fixture(autouse=True)
def world(monkeypatch: pytest.MonkeyPatch) -> None:
    """Person 2 is in the care of, under contract with, and lives in the district of, institution 10."""
    monkeypatch.setattr(providers, "_providers", {})
    monkeypatch.setattr(providers, "_consents", [])
    for name in ("care_relation", "contract"):
        policy.register_provider(
            name,
            check=lambda p, t: MY_INSTITUTION in p.institution_ids and t.person_id == HERS,
            filter_sql=lambda p, column: (
                (f"{column} = %s", [HERS.hex]) if MY_INSTITUTION in p.institution_ids else ("1=0", [])
            ),
        )
    policy.register_provider(
        "residence",
        check=lambda p, t: MY_DISTRICT in p.district_codes and t.person_id == HERS,
        filter_sql=lambda p, column: (
            (f"{column} = %s", [HERS.hex]) if MY_DISTRICT in p.district_codes else ("1=0", [])
        ),
    )


def principal(role: str, **changes: object) -> Principal:
    source = role == "source"
    base = Principal(
        kind="source" if source else "account",
        account_id=None if source else 7,
        name="somebody",
        roles=frozenset({role}),
        institution_ids=frozenset({MY_INSTITUTION}),
        district_codes=frozenset({MY_DISTRICT}),
        person_id=ME if role == "resident" else None,
        source_id=5 if source else None,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def clinical(person: UUID | None, **more: object) -> Target:
    return Target("resource", person_id=person, resource_type="Observation", **more)  # type: ignore[arg-type]


# role, action, target, purpose, allowed
TABLE: list[tuple[str, str, Target, str, bool]] = [
    # A resident: the own record, read only.
    ("resident", "read", clinical(ME), "", True),
    ("resident", "export", clinical(ME), "", True),
    ("resident", "update", clinical(ME), "", False),
    ("resident", "read", clinical(HERS), "", False),
    ("resident", "read", clinical(None), "", False),
    ("resident", "read", Target("access_log", person_id=ME), "", True),
    ("resident", "read", Target("access_log", person_id=HERS), "", False),
    ("resident", "read", clinical(ME, categories=frozenset({"hiv"})), "", True),
    # A village doctor: contracted residents.
    ("village_doctor", "read", clinical(HERS), "", True),
    ("village_doctor", "update", clinical(HERS), "", True),
    ("village_doctor", "delete", clinical(HERS), "", False),
    ("village_doctor", "read", clinical(STRANGER), "", False),
    ("village_doctor", "export", clinical(HERS), "", False),
    # A clinician: patients of his institution.
    ("clinician", "read", clinical(HERS), "", True),
    ("clinician", "read", clinical(STRANGER), "", False),
    ("clinician", "read", clinical(HERS, categories=frozenset({"hiv"})), "", False),
    ("clinician", "create", clinical(HERS), "", True),
    ("clinician", "update", Target("resource", person_id=HERS, resource_type="Patient"), "", False),
    ("clinician", "read", Target("resource", person_id=HERS, resource_type="Claim"), "", False),
    # A manager: the own institution's counts and staff, nobody's record.
    ("manager", "read", clinical(HERS), "", False),
    ("manager", "read", Target("aggregate", institution_id=MY_INSTITUTION), "", True),
    ("manager", "read", Target("aggregate", institution_id=OTHER_INSTITUTION), "", False),
    ("manager", "read", Target("staff", institution_id=MY_INSTITUTION), "", True),
    ("manager", "read", Target("staff", institution_id=OTHER_INSTITUTION), "", False),
    # A fund officer: claims in the fund's area.
    ("fund_officer", "read", Target("resource", person_id=HERS, resource_type="Claim"), "", True),
    ("fund_officer", "read", Target("resource", person_id=STRANGER, resource_type="Claim"), "", False),
    ("fund_officer", "read", clinical(HERS), "", False),
    # An epidemiologist: lines of the own district, for public health, said so.
    ("epidemiologist", "read", clinical(HERS), "PUBHLTH", True),
    ("epidemiologist", "read", clinical(HERS), "", False),
    ("epidemiologist", "read", clinical(HERS), "TREAT", False),
    ("epidemiologist", "read", clinical(STRANGER), "PUBHLTH", False),
    ("epidemiologist", "update", clinical(HERS), "PUBHLTH", False),
    # Planners, dispatchers and inspectors: counts.
    ("planner", "read", clinical(HERS), "", False),
    ("planner", "read", Target("aggregate", district_code=MY_DISTRICT), "", True),
    ("planner", "read", Target("aggregate", district_code=OTHER_DISTRICT), "", False),
    ("dispatcher", "read", Target("aggregate"), "", True),
    ("dispatcher", "read", clinical(HERS), "", False),
    ("inspector", "read", Target("staff", district_code=MY_DISTRICT), "", True),
    ("inspector", "read", clinical(HERS), "", False),
    # An integrator: messages, not records.
    ("integrator", "replay", Target("dead_letter"), "", True),
    ("integrator", "review", Target("identity_review"), "", True),
    ("integrator", "read", clinical(HERS), "", False),
    ("integrator", "read", Target("audit"), "", False),
    # An auditor: audit rows, no clinical content.
    ("auditor", "search", Target("audit"), "", True),
    ("auditor", "review", Target("emergency"), "", True),
    ("auditor", "read", clinical(HERS), "", False),
    ("auditor", "read", Target("message"), "", False),
    # An administrator: accounts, nobody's record.
    ("administrator", "administer", Target("account"), "", True),
    ("administrator", "read", clinical(HERS), "", False),
    ("administrator", "read", Target("audit"), "", False),
    # A source system: what it sent itself.
    ("source", "read", clinical(HERS, source_id=5), "", True),
    ("source", "read", clinical(HERS, source_id=6), "", False),
    ("source", "create", clinical(None), "", True),
    ("source", "create", clinical(None, source_id=6), "", False),
    ("source", "update", clinical(HERS, source_id=6), "", False),
    ("source", "administer", Target("account"), "", False),
    # Everybody signed in: the published registers and the own things.
    ("planner", "read", Target("resource", resource_type="Organization"), "", True),
    ("resident", "read", Target("notification", account_id=7), "", True),
    ("resident", "read", Target("notification", account_id=8), "", False),
]


@pytest.mark.parametrize(("role", "action", "target", "purpose", "allowed"), TABLE)
def test_the_permission_table(role: str, action: str, target: Target, purpose: str, allowed: bool) -> None:
    assert decide(principal(role, purpose=purpose), action, target).allowed is allowed


@pytest.mark.parametrize("role", ROLES)
def test_no_role_but_those_with_a_relation_reads_a_strangers_record(role: str) -> None:
    for action in ("read", "search", "history", "export", "create", "update", "correct", "delete"):
        for kind in ("Patient", "Observation", "Coverage"):
            target = Target("resource", person_id=STRANGER, resource_type=kind, source_id=99)
            for purpose in ("", *BOOK.purposes):
                assert not decide(principal(role, purpose=purpose), action, target).allowed


def test_every_rule_names_known_words_and_its_source() -> None:
    for rule in BOOK.rules:
        assert rule.role in {*Role.values, "source", "*"}
        assert set(rule.when) <= BOOK.conditions
        assert rule.purposes <= BOOK.purposes
        assert rule.when, rule.name


def test_every_role_has_a_row() -> None:
    assert {rule.role for rule in BOOK.rules} >= set(Role.values)


def test_nobody_may_do_anything_unknown() -> None:
    assert not decide(ANONYMOUS, "read", clinical(HERS)).allowed
    assert not decide(ANONYMOUS, "read", Target("resource", resource_type="Organization")).allowed
    assert not decide(principal("clinician"), "frobnicate", clinical(HERS)).allowed
    assert not decide(principal("clinician"), "read", Target("unheard-of")).allowed


def test_a_condition_that_nobody_answers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "_providers", {})
    assert not decide(principal("clinician"), "read", clinical(HERS)).allowed
    assert scope(principal("clinician"), "read", "Observation").sql()[0].count("1=0") == 1


def test_roles_at_two_institutions_do_not_mix() -> None:
    """A manager of one hospital who is a clinician of another reads nobody's record at the first."""
    both = Principal(
        account_id=7,
        roles=frozenset({"manager", "clinician"}),
        institution_ids=frozenset({MY_INSTITUTION, OTHER_INSTITUTION}),
        grants=(Grant("manager", MY_INSTITUTION), Grant("clinician", OTHER_INSTITUTION)),
    )
    assert not decide(both, "read", clinical(HERS)).allowed
    assert decide(replace(both, grants=(Grant("clinician", MY_INSTITUTION),)), "read", clinical(HERS)).allowed


def test_sensitive_categories_open_by_the_flag_of_the_same_role() -> None:
    target = clinical(HERS, categories=frozenset({"hiv"}))
    flagged = principal("clinician", sensitive=frozenset({"hiv"}))
    assert decide(flagged, "read", target).flags == {"sensitive"}
    assert not decide(flagged, "read", replace(target, categories=frozenset({"hiv", "mental"}))).allowed
    mixed = replace(
        flagged,
        roles=frozenset({"clinician", "manager"}),
        grants=(
            Grant("clinician", MY_INSTITUTION),
            Grant("manager", MY_INSTITUTION, None, frozenset({"hiv"})),
        ),
    )
    assert decide(mixed, "read", target).rule == "sensitive"


def test_aggregates_of_planners_must_be_suppressed() -> None:
    assert (
        "suppress"
        in decide(principal("planner"), "read", Target("aggregate", district_code=MY_DISTRICT)).flags
    )
    assert "suppress" in scope(principal("planner"), "read", "", kind="aggregate").flags
    assert not decide(principal("epidemiologist"), "read", Target("aggregate")).flags


def test_break_glass_opens_one_persons_record_for_reading_and_says_so() -> None:
    open_ = principal("clinician", break_glass=frozenset({STRANGER}))
    decision = decide(open_, "read", clinical(STRANGER, categories=frozenset({"mental"})))
    assert decision.allowed and decision.flags == {"break_glass", "sensitive"}
    assert not decide(open_, "update", clinical(STRANGER)).allowed
    assert not decide(open_, "read", clinical(ME)).allowed
    assert not decide(
        principal("planner", break_glass=frozenset({STRANGER})), "read", clinical(STRANGER)
    ).allowed


def test_a_token_never_gives_more_than_its_scopes_or_its_account() -> None:
    def token(*scopes: str, **more: object) -> Principal:
        return principal("clinician", scopes=frozenset(scopes), **more)

    assert decide(token("user/Observation.rs"), "read", clinical(HERS)).allowed
    assert not decide(token("user/Observation.rs"), "read", clinical(STRANGER)).allowed
    assert not decide(token("user/Patient.rs"), "read", clinical(HERS)).allowed
    assert not decide(token("user/Observation.s"), "read", clinical(HERS)).allowed
    assert not decide(token("system/*.cruds"), "read", clinical(HERS)).allowed
    assert not decide(token("user/*.cruds"), "replay", Target("dead_letter")).allowed
    assert decide(token("patient/*.rs", patient_context=HERS), "read", clinical(HERS)).allowed
    assert not decide(token("patient/*.rs", patient_context=STRANGER), "read", clinical(HERS)).allowed
    resident = principal("resident", scopes=frozenset({"patient/*.rs"}))
    assert decide(resident, "read", clinical(ME)).allowed
    source = principal("source", scopes=frozenset({"system/Observation.cu"}))
    assert decide(source, "create", clinical(None)).allowed
    assert decide(source, "read", clinical(HERS, source_id=5)).rule == "scope"


def test_require_says_nothing_about_the_target() -> None:
    with pytest.raises(NotAllowed) as refused:
        require(principal("planner"), "read", clinical(HERS))
    assert str(HERS) not in str(refused.value)


def test_permits_is_open_only_where_a_rule_could_allow() -> None:
    assert permits(principal("auditor"), "search", "audit")
    assert not permits(principal("clinician"), "search", "audit")
    assert permits(principal("clinician"), "read", "clinical")
    assert permits(policy.system_principal("job"), "read", "anything")


PERSONS = st.sampled_from([None, ME, HERS, STRANGER])
ROWS = st.lists(
    st.tuples(PERSONS, st.sampled_from([None, 5, 6]), st.sampled_from([frozenset(), frozenset({"hiv"})])),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize("role", ["village_doctor", "clinician", "resident", "epidemiologist"])
@pytest.mark.parametrize("kind", ["programme_entry", "family_planning"])
def test_a_list_opens_the_categories_that_a_single_decision_opens(role: str, kind: str) -> None:
    asker = principal(role)
    opens = policy.opened(asker, "search", kind)
    for category in ("hiv", "mental", "reproductive"):
        target = Target(
            kind, person_id=ME if role == "resident" else HERS, institution_id=MY_INSTITUTION,
            district_code=MY_DISTRICT, categories=frozenset({category}),
        )  # fmt: skip
        listed = opens == policy.ALL_CATEGORIES or category in opens
        assert decide(asker, "search", target).allowed == listed, category


@st.composite
def principals(draw: st.DrawFn) -> Principal:
    roles = draw(st.sets(st.sampled_from(list(Role.values)), min_size=1, max_size=3))
    source = draw(st.integers(0, 5)) == 0
    grants = tuple(
        Grant(
            role,
            draw(st.sampled_from([None, MY_INSTITUTION, OTHER_INSTITUTION])),
            draw(st.sampled_from([None, MY_DISTRICT, OTHER_DISTRICT])),
            draw(st.sampled_from([frozenset[str](), frozenset({"hiv"})])),
        )
        for role in sorted(roles)
    )
    return Principal(
        kind="source" if source else "account",
        account_id=7,
        roles=frozenset({"source"}) if source else frozenset(roles),
        institution_ids=frozenset(g.institution_id for g in grants if g.institution_id),
        district_codes=frozenset(g.district_code for g in grants if g.district_code),
        sensitive=frozenset().union(*(g.sensitive for g in grants)),
        grants=() if source else grants,
        person_id=draw(PERSONS),
        source_id=5 if source else None,
        scopes=draw(
            st.sampled_from(
                [
                    None,
                    None,
                    frozenset({"user/*.cruds", "system/*.cruds"}),
                    frozenset({"patient/*.rs"}),
                    frozenset(),
                ]
            )
        ),
        patient_context=draw(PERSONS),
        purpose=draw(st.sampled_from(["", "PUBHLTH", "TREAT"])),
        break_glass=draw(st.sampled_from([frozenset[UUID](), frozenset({STRANGER})])),
    )


@settings(max_examples=200, deadline=None)
@given(
    who=principals(),
    rows=ROWS,
    action=st.sampled_from(["read", "search", "export", "history", "update"]),
    type_=st.sampled_from(["Observation", "Patient", "Claim", "Organization"]),
)
def test_decide_and_scope_agree_on_every_row(
    who: Principal,
    rows: list[tuple[UUID | None, int | None, frozenset[str]]],
    action: str,
    type_: str,
) -> None:
    policy.register_provider(
        "sensitive",
        check=lambda p, t: True,
        filter_sql=lambda p, column: (
            ("1=1", [])
            if "hiv" in p.sensitive
            else (
                f"{column.rpartition('.')[0]}.hiv = 0",
                [],
            )
        ),
    )
    database = sqlite3.connect(":memory:")
    database.execute(
        "create table resource (rid integer primary key, person_id text, source_id int, hiv int)"
    )
    database.executemany(
        "insert into resource (person_id, source_id, hiv) values (?, ?, ?)",
        [(person.hex if person else None, source, int("hiv" in marks)) for person, source, marks in rows],
    )
    fragment, params = scope(who, action, type_).sql("r.person_id")
    params = [value.hex if isinstance(value, UUID) else value for value in params]
    seen = {
        row[0]
        for row in database.execute(f"select rid from resource r where {fragment.replace('%s', '?')}", params)
    }
    allowed = {
        number
        for number, (person, source, marks) in enumerate(rows, 1)
        if decide(
            who,
            action,
            Target("resource", person_id=person, resource_type=type_, source_id=source, categories=marks),
        ).allowed
    }
    assert seen == allowed


def test_a_decision_is_quick() -> None:
    who, target = principal("clinician", scopes=frozenset({"user/*.rs"})), clinical(HERS)
    best = min(_timed(lambda: decide(who, "read", target)) for _ in range(5))
    assert best < 20e-6, f"{best * 1e6:.1f} µs"


def _timed(call: Callable[[], object], times: int = 2000) -> float:
    begun = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - begun) / times


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("patient/Observation.rs", "rs"),
        ("user/*.cruds", "cruds"),
        ("system/Patient.read", "rs"),
        ("system/*.write", "cud"),
        ("patient/*.*", "cruds"),
    ],
)
def test_smart_scopes_of_both_versions_are_read(text: str, letters: str) -> None:
    parsed = smart.parse(text)
    assert parsed is not None and parsed.letters == letters


@pytest.mark.parametrize(
    "text", ["patient/Observation.sr", "patient/Observation", "user/observation.r", "system/*.x"]
)
def test_malformed_smart_scopes_are_refused(text: str) -> None:
    with pytest.raises(Invalid):
        smart.parse(text)


def test_words_that_are_no_resource_scopes_are_left_alone() -> None:
    assert smart.parse("openid") is None
    assert smart.parse("launch/patient") is None


def test_a_restricted_scope_grants_nothing_rather_than_too_much() -> None:
    assert not smart.contexts(frozenset({"user/Observation.rs?category=laboratory"}), "Observation", "read")


def test_scopes_are_narrowed_to_what_a_client_may_have() -> None:
    assert smart.narrow(["patient/Observation.cruds", "openid", "user/*.r"], ["patient/*.rs", "openid"]) == {
        "patient/Observation.rs",
        "openid",
    }
