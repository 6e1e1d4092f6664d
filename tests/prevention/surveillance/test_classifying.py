"""Classification by definitions: hand-worked cases of several diseases, and what always holds."""

from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salus.prevention import surveillance as s
from salus.prevention.surveillance import Fact, Status
from salus.prevention.surveillance.classifying import ORDER

DAY = date(2026, 3, 1)
DISEASES = s.load_catalogue()


def said(code: str, certainty: str = "confirmed") -> Fact:
    return Fact("diagnosis", code, "", certainty, None, DAY)


def lab(name: str = "", result: str = "positive", loinc: str = "") -> Fact:
    return Fact("laboratory", loinc, name, result, None, DAY)


def signs(*codes: str) -> list[Fact]:
    return [Fact("symptom", code) for code in codes]


LINK = Fact("link", "7", "", "confirmed", None, date(2026, 2, 20))
FAR = Fact("link", "7", "", "confirmed", None, date(2025, 12, 1))

CASES = [
    # Measles (WS 296): clinical diagnosis or fever, rash and catarrh with a link: probable; IgM: confirmed.
    ("measles", [said("B05.9", "provisional")], Status.SUSPECTED),
    ("measles", [said("B05.9")], Status.PROBABLE),
    ("measles", [*signs("fever", "rash", "cough")], Status.NONE),
    ("measles", [*signs("fever", "rash", "cough"), LINK], Status.PROBABLE),
    ("measles", [*signs("fever", "rash", "cough"), FAR], Status.NONE),
    ("measles", [said("B05", "provisional"), lab("麻疹病毒 IgM 抗体")], Status.CONFIRMED),
    ("measles", [said("B05", "provisional"), lab("Measles virus IgM Ab", "negative")], Status.DISCARDED),
    ("measles", [said("B05", "provisional"), lab("Measles virus IgM Ab", "negative"), LINK], Status.PROBABLE),
    ("measles", [said("B05", "refuted")], Status.NONE),
    # HIV (WS 293): a screening test is a suspicion, confirmation needs the confirmatory test or RNA.
    ("aids", [lab(loinc="56888-1")], Status.SUSPECTED),
    ("aids", [lab(loinc="56888-1"), lab("HIV抗体确证试验")], Status.CONFIRMED),
    # Syphilis (WS 273): both a treponemal and a non-treponemal test.
    ("syphilis", [lab("TPPA")], Status.SUSPECTED),
    ("syphilis", [lab("TPPA"), lab("RPR")], Status.CONFIRMED),
    # Hepatitis: a positive surface antigen alone (a carrier) is no case.
    ("hepatitis", [lab(loinc="5195-3")], Status.NONE),
    ("hepatitis", [said("B16.9", "provisional"), lab(loinc="5195-3")], Status.PROBABLE),
    # Cholera: a culture that grows the organism.
    ("cholera", [lab("粪便培养", "霍乱弧菌O1群")], Status.CONFIRMED),
    ("cholera", [lab("粪便培养", "大肠埃希菌")], Status.NONE),
    # Neonatal tetanus: clinical, within 28 days of birth.
    (
        "neonatal_tetanus",
        [said("A33"), *signs("lockjaw", "convulsions"), Fact("age", number=9 / 365.25)],
        Status.CONFIRMED,
    ),
    (
        "neonatal_tetanus",
        [said("A33"), *signs("lockjaw", "convulsions"), Fact("age", number=40 / 365.25)],
        Status.PROBABLE,
    ),
    # Scarlet fever: a streptococcus alone is a sore throat.
    ("scarlet_fever", [lab("咽拭子培养", "化脓性链球菌")], Status.NONE),
    ("scarlet_fever", [said("A38", "provisional"), lab("咽拭子培养", "化脓性链球菌")], Status.CONFIRMED),
    # Novel influenza: poultry and pneumonia are a suspicion.
    ("novel_influenza", [*signs("fever", "cough"), Fact("exposure", "poultry")], Status.SUSPECTED),
]


@pytest.mark.parametrize(("disease", "facts", "expected"), CASES)
def test_hand_worked_cases(disease: str, facts: list[Fact], expected: Status) -> None:
    assert s.classify(facts, DISEASES[disease], DAY).status is expected


def test_evidence_names_the_facts_and_what_is_missing() -> None:
    found = s.classify([said("B05.9", "provisional")], DISEASES["measles"], DAY)
    assert [one.criterion for one in found.evidence] == ["diagnosis"]
    assert found.evidence[0].facts == (said("B05.9", "provisional"),)
    assert found.missing == ("clinical",)
    assert found.defined == date(2004, 12, 1)


def test_a_disease_is_found_by_diagnosis_death_or_positive_test_only() -> None:
    def speak(*facts: Fact) -> set[str]:
        return set(s.diseases_of(facts, DISEASES.on(DAY), DAY))

    assert speak(said("B05.9")) == {"measles"}
    assert speak(Fact("death", "A20.2")) == {"plague"}
    assert speak(lab("新型冠状病毒核酸")) == {"covid19"}
    assert speak(lab("新型冠状病毒核酸", "negative")) == set()
    assert speak(*signs("fever", "rash"), said("I10")) == set()


SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
fact = st.one_of(
    st.builds(
        Fact, st.just("diagnosis"), st.sampled_from(["B05", "A00", "J10", "Z99"]), st.just(""),
        st.sampled_from(["confirmed", "provisional", "refuted"]),
    ),
    st.builds(
        Fact, st.just("laboratory"), st.just(""), st.sampled_from(["麻疹病毒IgM", "Influenza A Ag", "x"]),
        st.sampled_from(["positive", "negative", "霍乱弧菌", ""]),
    ),
    st.builds(Fact, st.just("symptom"), st.sampled_from(["fever", "rash", "cough", "coryza", "diarrhoea"])),
    st.builds(Fact, st.just("link"), st.just("1"), st.just(""), st.sampled_from(["confirmed", "suspected"])),
)  # fmt: skip


@SLOW
@given(st.lists(fact, max_size=8), st.sampled_from(["measles", "cholera", "influenza"]), st.randoms())
def test_order_and_repetition_of_facts_change_nothing(facts: list[Fact], code: str, random: object) -> None:
    mixed = [*facts, *facts[:2]]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    one, other = s.classify(facts, DISEASES[code], DAY), s.classify(mixed, DISEASES[code], DAY)
    assert (one.status, one.formula) == (other.status, other.formula)


@SLOW
@given(st.lists(fact, max_size=6), st.sampled_from(["cholera", "influenza"]), fact)
def test_a_further_fact_never_weakens_a_case_without_negative_criteria(
    facts: list[Fact], code: str, more: Fact
) -> None:
    before = s.classify(facts, DISEASES[code], DAY).status
    after = s.classify([*facts, more], DISEASES[code], DAY).status
    assert ORDER[after] >= ORDER[before]
