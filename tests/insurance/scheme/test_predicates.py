"""The language of rules: written and read back, and the conditions of published schemes read into it."""

import random

import pytest

from salus.insurance.scheme.predicates import (
    NUMBERS,
    OPS,
    PLACES,
    TEXTS,
    BadPredicate,
    Compare,
    Const,
    Count,
    In,
    Known,
    OneOf,
    Predicate,
    Sets,
    Severity,
    all_of,
    any_of,
    negated,
    parse,
    written,
)
from salus.insurance.scheme.pylike import Names, read


def drawn(rng: random.Random, depth: int = 3) -> Predicate:
    if depth and rng.random() < 0.6:
        parts = [drawn(rng, depth - 1) for _ in range(rng.randint(1, 3))]
        return rng.choice([all_of, any_of])(*parts) if rng.random() < 0.8 else negated(parts[0])
    name = rng.choice(["A.pr1", "mdc_B", "x-1", "447.TWO", "列表"])
    number = rng.randint(0, 3000)
    return rng.choice(
        [
            In(rng.choice(PLACES), name),
            Sets(rng.choice(("any_dx", "other_pr")), (name, "b"), rng.choice(OPS), 2),
            Count("any_pr", name, ">=", 2),
            Compare(rng.choice(NUMBERS), rng.choice(OPS), number),
            OneOf(rng.choice(TEXTS), ("2", "it's")),
            Known(rng.choice([*NUMBERS, *TEXTS])),
            Severity(rng.choice(("mcc", "cc"))),
            Const(rng.random() < 0.5),
        ]
    )


def test_what_is_written_is_read_back_as_the_same_rule() -> None:
    rng = random.Random(1)
    for _ in range(500):
        rule = drawn(rng)
        assert parse(written(rule)) == rule, written(rule)


@pytest.mark.parametrize(
    "text",
    [
        "", "pdx", "pdx in", "pdx in (a)", "age <", "age < 1.5", "age < old", "mcc or", "and mcc", "mcc mcc",
        "weight = 3 = 4", "sets(pdx in a)", "count(any_dx in a, b) > 1", "__import__('os')", "pdx in a;",
        "discharge = '2'", "(mcc", "nonsense in a", "sets(all_other_dx in a) > 1",
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(BadPredicate) as error:
        parse(text, "adrg.csv, line 3")
    assert error.value.code == "scheme-predicate"
    assert error.value.where == "adrg.csv, line 3"


NAMES = Names(
    sets=lambda name: {"adrg_zd": "X.dx1", "adrg_zd1": "X.dx2", "adrg_ss": "X.pr1", "adrg_ss1": "X.pr2",
                       "mdc_zd": "mdc_X", "SS_VALID": "valid_pr"}.get(name),
    literal=lambda kind, codes: f"{kind}.{'+'.join(codes)}",
    matched=lambda number: f"X.pr{number}",
)  # fmt: skip

TEMPLATES = [
    ("True", "true"),
    ("True and record.zdList[0] in mdc_zd", "pdx in mdc_X"),
    ("True and record.zdList[0] in mdc_zd and record.age==0", "pdx in mdc_X and age = 0"),
    ("True and record.zdList[0] in mdc_zd and int(record.age)==0", "pdx in mdc_X and age = 0"),
    ('record.zdList[0] in mdc_zd and record.gender=="1"', "pdx in mdc_X and sex = 1"),
    ("record.zdList[0] in mdc_zd and 2==record.gender", "pdx in mdc_X and sex = 2"),
    ("record.ssList and record.ssList[0] in adrg_ss", "main_pr in X.pr1"),
    (
        'record.ssList and (record.ssList[0] in SS_VALID or record.ssList[0] in ["96.0400","96.7201"])',
        "n_pr >= 1 and (main_pr in valid_pr or main_pr in pr.96.0400+96.7201)",
    ),
    ("intersect(record.zdList,adrg_zd)", "any_dx in X.dx1"),
    ("intersect(adrg_zd,record.zdList)", "any_dx in X.dx1"),
    ("intersect(record.zdList[1:],adrg_zd1)", "other_dx in X.dx2"),
    ("record.ssList and intersect(record.ssList[1:],adrg_ss)", "other_pr in X.pr1"),
    ("not intersect(record.ssList,SS_VALID)", "not any_pr in valid_pr"),
    ("(not record.ssList or not record.ssList[0] in SS_VALID)", "not n_pr >= 1 or not main_pr in valid_pr"),
    ("record.ssList[0] not in SS_VALID", "not main_pr in valid_pr"),
    ('"1" in ss_matched or ("2" in ss_matched and "3" in ss_matched)',
     "any_pr in X.pr1 or (any_pr in X.pr2 and any_pr in X.pr3)"),
    ("record.ageDay!=None and record.ageDay<=28", "age_day <= 28"),
    ("record.weight and record.weight>=1500 and record.weight<2500",
     "weight <> 0 and weight >= 1500 and weight < 2500"),
    ("1<=record.icuHours<=120", "icu_hours >= 1 and icu_hours <= 120"),
    ("record.inHospitalTime<5 and record.leavingType in ['2','5']", "los < 5 and discharge in ('2', '5')"),
    ("record.leavingType=='5'", "discharge in ('5')"),
    ("len(record.zdList)>1 and has_mcc(record.zdList[0],record.zdList[1:])", "n_dx > 1 and mcc"),
    ("len(record.zdList)>1 and (has_mcc(record.zdList[0],record.zdList[1:]) or "
     "has_cc(record.zdList[0],record.zdList[1:]))", "n_dx > 1 and (mcc or cc)"),
    ("len(set(record.ssList).intersection(adrg_ss))>=2", "count(any_pr in X.pr1) >= 2"),
    ("len(record.ssList)>=2", "n_pr >= 2"),
    ("record.age<=17", "age <= 17"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), TEMPLATES)
def test_conditions_of_published_schemes_are_read(text: str, expected: str) -> None:
    assert written(read(text, NAMES)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')", "record.__class__", "open('x')", "record.zdList[2] in adrg_zd",
        "lambda: 1", "[x for x in record.zdList]", "record.nothing>1", "record.age+1>2", "record.age<1.5",
        "record.zdList[0].startswith('A')", "record.age<", "eval('1')", "record.age if 1 else 2",
        "f'{record}'", "record.age:=1", "(" * 500 + "True" + ")" * 500, "a" * 30_000,
    ],
)  # fmt: skip
def test_conditions_outside_the_closed_list_are_refused_and_never_run(text: str) -> None:
    with pytest.raises(BadPredicate) as error:
        read(text, NAMES, "adrg.csv, line 9")
    assert error.value.code == "scheme-condition"
    assert error.value.where == "adrg.csv, line 9"
