"""What sources write becomes one form; what says nothing becomes missing."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum.cn import ric

from salus.record.identity.engine import normalise
from salus.record.identity.engine.resident_id import check_character, parse

TODAY = date(2026, 6, 30)


def numbered(region: str, born: date, sequence: int) -> str:
    first17 = f"{region}{born:%Y%m%d}{sequence:03d}"
    return first17 + check_character(first17)


@given(
    st.sampled_from(["110105", "330106", "440305", "650102"]),
    st.dates(date(1900, 1, 1), TODAY),
    st.integers(1, 999),
)
@settings(max_examples=100, deadline=None)
def test_a_valid_number_says_birth_and_sex_and_stdnum_agrees(region: str, born: date, sequence: int) -> None:
    number = numbered(region, born, sequence)
    found = parse(number, today=TODAY)
    assert found is not None
    assert (found.birth_date, found.sex) == (born, "male" if sequence % 2 else "female")
    assert ric.calc_check_digit(number) == number[-1]
    assert ric.get_birth_date(number) == born


@given(st.dates(date(1900, 1, 1), TODAY), st.integers(1, 999), st.integers(0, 16), st.integers(1, 9))
@settings(max_examples=100, deadline=None)
def test_one_wrong_digit_is_always_found(born: date, sequence: int, at: int, by: int) -> None:
    number = numbered("330106", born, sequence)
    wrong = number[:at] + str((int(number[at]) + by) % 10) + number[at + 1 :]
    assert parse(wrong, today=TODAY) is None


def test_births_in_the_future_and_impossible_days_are_refused() -> None:
    assert parse(numbered("330106", TODAY + timedelta(days=1), 1), today=TODAY) is None
    first17 = "33010619900230001"
    assert parse(first17 + check_character(first17), today=TODAY) is None
    first17 = "99010619900220001"
    assert parse(first17 + check_character(first17), today=TODAY) is None


def test_fifteen_digits_become_eighteen() -> None:
    found = parse("110105491231002", today=TODAY)
    assert found is not None and found.number == "11010519491231002X"
    assert parse("１１０１０５ 19491231 002x", today=TODAY) == found


@pytest.mark.parametrize("value", ["", "1", "x" * 18, "²" * 18, "三" * 15, "11010519491231002", "\x00" * 18])
def test_what_is_no_number_is_none(value: str) -> None:
    assert parse(value, today=TODAY) is None


@pytest.mark.parametrize(
    ("written", "family", "given"),
    [
        ("张伟", "zhang", "wei"),
        (" 张 伟 ", "zhang", "wei"),
        ("欧阳娜娜", "ouyang", "nana"),
        ("单田芳", "shan", "tianfang"),
        ("Zhang Wei", "zhang", "wei"),
        ("Wei Zhang", "wei", "zhang"),
        ("ZHANG, Wei", "zhang", "wei"),
        ("Zhāng Wěi", "zhang", "wei"),
        ("zhangwei", "zhang", "wei"),
        ("Ouyang Nana", "ouyang", "nana"),
        ("LYU Bu", "lv", "bu"),
        ("吕布", "lv", "bu"),
        ("John Smith", "smith", "john"),
        ("买买提·艾力", "aili", "maimaiti"),
        ("不详", None, None),
        ("", None, None),
    ],
)
def test_names(written: str, family: str | None, given: str | None) -> None:
    found = normalise.name(written)
    assert (found.family, found.given) == (family, given)


def test_parts_in_the_wrong_order_are_put_right_only_when_certain() -> None:
    assert normalise.name(family="琳琳", given="张").family_hanzi == "张"
    assert normalise.name(family="高", given="张").family_hanzi == "高"


@pytest.mark.parametrize(
    ("written", "digits"),
    [
        ("1980-02-03", "19800203"),
        ("1980/2/3", "19800203"),
        ("19800203", "19800203"),
        ("1980年2月3日", "19800203"),
        ("1980-02-03T10:00:00+08:00", "19800203"),
        ("19800230", "19800230"),
        ("1980-02", None),
        ("1900-01-01", None),
        ("soon", None),
    ],
)
def test_dates(written: str, digits: str | None) -> None:
    assert normalise.date_digits(written) == digits


def test_phones_addresses_sexes() -> None:
    assert normalise.phone("+86 138-1234-5678") == normalise.phone("13812345678") == "13812345678"
    assert normalise.phone("11111111111") is None
    same = {"浙江省杭州市西湖区文三路12号楼3单元402室", "西湖区文三路12幢3单元402"}
    same |= {"杭州市西湖区文三路12栋3单元402室"}
    assert len({normalise.address(a) for a in same}) == 1
    assert [normalise.sex(s) for s in ("男", "F", "2", "?")] == ["male", "female", "female", None]


@given(st.text(max_size=40))
@settings(max_examples=300, deadline=None)
def test_nothing_a_source_writes_breaks_a_normaliser(value: str) -> None:
    for clean in (
        normalise.text, normalise.hanzi, normalise.latin, normalise.sex, normalise.date_digits,
        normalise.phone, normalise.identifier, normalise.address,
    ):  # fmt: skip
        once = clean(value)
        assert once is None or once
    normalise.name(value, family=value, given=value)
    parse(value, today=TODAY)
