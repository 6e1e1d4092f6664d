"""Random resources and searches over them."""

from typing import Any

from hypothesis import strategies as st

Resource = dict[str, Any]
LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"
NAMES = ["Anna", "anna", "Ann", "Zoë", "zoe", "张", "张三", "欧阳", "O'Neil", "100%", "a_b"]
DATES = ["1980", "1980-02", "1980-02-29", "1980-03-01", "1981-01-01"]
DAYS = ["2024", "2024-05", "2024-05-06"]
TIMES = [*DAYS, "2024-05-06T07:08:09+08:00", "2024-05-06T07:08:09.5Z", "2025-01-01T00:00:00Z"]
CODES = ["8480-6", "718-7", "x"]
SUBJECTS = ["Patient/r0", "Patient/r1", "Group/r1", "http://x.org/Patient/r1"]
of = st.sampled_from


def few(one: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Return lists of one or two."""
    return st.lists(one, min_size=1, max_size=2)


def as_element(name: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Resource]:
    """Return resources of that one element."""
    return values.map(lambda value: {name: value})


def patients() -> st.SearchStrategy[Resource]:
    """Return random Patients."""
    name = st.fixed_dictionaries({"family": of(NAMES), "given": few(of(NAMES))})
    identifier = st.fixed_dictionaries({"value": of(CODES)}, optional={"system": of(["urn:a", "urn:b"])})
    return st.fixed_dictionaries(
        {"resourceType": st.just("Patient")},
        optional={
            "gender": of(["male", "female"]),
            "birthDate": of(DATES),
            "name": few(name),
            "identifier": few(identifier),
            "deceasedBoolean": st.booleans(),
        },
    )


def observations() -> st.SearchStrategy[Resource]:
    """Return random Observations."""
    coding = st.fixed_dictionaries({"code": of(CODES)}, optional={"system": of([LOINC, "urn:a"])})
    period = st.fixed_dictionaries({"start": of(DAYS)}, optional={"end": of(TIMES[3:])})
    quantity = st.fixed_dictionaries(
        {"value": of([1, 1.5, 2.25, 100, 100.4])},
        optional={
            "code": of(["mg", "g"]),
            "unit": of(["mg", "pieces"]),
            "system": st.just(UCUM),
            "comparator": of(["<", ">"]),
        },
    )
    value = st.one_of(
        as_element("valueQuantity", quantity), as_element("valueString", of(NAMES)), st.just({})
    )
    when = st.one_of(
        as_element("effectiveDateTime", of(TIMES)), as_element("effectivePeriod", period), st.just({})
    )
    base = st.fixed_dictionaries(
        {
            "resourceType": st.just("Observation"),
            "status": of(["final", "amended"]),
            "code": st.fixed_dictionaries({"coding": few(coding)}),
        },
        optional={"subject": as_element("reference", of(SUBJECTS))},
    )
    return st.builds(lambda b, v, w: b | v | w, base, value, when)


PREFIXES = of(["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"])
TRUTH = of(["true", "false"])


def any_of(*values: str) -> st.SearchStrategy[str]:
    """Return one or two alternatives."""
    return st.lists(of(values), min_size=1, max_size=2, unique=True).map(",".join)


def asked(names: list[str], values: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, str]]:
    """Return a parameter with one of the names and a value."""
    return st.tuples(of(names), values)


PATIENT_SEARCHES = st.one_of(
    asked(["name", "family", "given:exact", "name:contains", "name:exact"], any_of(*NAMES, "an", "三", "%")),
    asked(
        ["gender", "gender:not", "identifier", "identifier:not"],
        any_of("male", "8480-6", "urn:a|x", "|x", "urn:b|"),
    ),
    asked(["birthdate"], st.builds(str.__add__, PREFIXES, of(DATES))),
    asked(["gender:missing", "birthdate:missing", "name:missing", "deceased"], TRUTH),
    asked(["_id"], any_of("r0", "r1", "r2", "none")),
)
OBSERVATION_SEARCHES = st.one_of(
    asked(["code", "combo-code", "code:not"], any_of(*CODES, f"{LOINC}|8480-6", "|x", f"{LOINC}|")),
    asked(["date"], st.builds(str.__add__, PREFIXES, of(TIMES))),
    asked(
        ["value-quantity"],
        st.builds("{}{}{}".format, PREFIXES, of(["1", "1.5", "100", "1e2"]), of(["", "||mg", f"|{UCUM}|g"])),
    ),
    asked(["subject", "patient"], any_of("r1", *SUBJECTS[1:])),
    asked(["value-string"], any_of(*NAMES)),
    asked(["value-quantity:missing", "subject:missing", "date:missing"], TRUTH),
    asked(["status"], any_of("final", "amended", "http://hl7.org/fhir/observation-status|final")),
)


def several(one: st.SearchStrategy[Resource]) -> st.SearchStrategy[list[Resource]]:
    """Return one to eight resources."""
    return st.lists(one, min_size=1, max_size=8)


def searches(one: st.SearchStrategy[tuple[str, str]]) -> st.SearchStrategy[list[list[tuple[str, str]]]]:
    """Return several searches of one to three parameters."""
    return st.lists(st.lists(one, min_size=1, max_size=3), min_size=8, max_size=12)


CASES = st.one_of(
    st.tuples(st.just("Patient"), several(patients()), searches(PATIENT_SEARCHES)),
    st.tuples(st.just("Observation"), several(observations()), searches(OBSERVATION_SEARCHES)),
)
