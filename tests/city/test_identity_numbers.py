from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import numdb
from stdnum.cn import ric

from salus.city.facts import rows
from salus.city.identity import (
    EPOCH,
    HOME_PROVINCES,
    ORIGINS,
    OTHER_PROVINCES,
    RESIDUES,
    Numbers,
    local_region,
    migrant_region,
    phone,
)
from salus.record.identity.engine.resident_id import parse

LAST_BLOCK = 1_600  # 16 million residents in blocks of 10,000


@given(
    block=st.integers(0, LAST_BLOCK),
    district=st.integers(0, 15),
    birth=st.integers(-25_000, 20_000),
    female=st.booleans(),
    wish=st.integers(0, 1_000),
)
@settings(max_examples=60, deadline=None)
def test_numbers_pass_the_check_that_others_wrote(
    block: int, district: int, birth: int, female: bool, wish: int
) -> None:
    number = Numbers(block).give(local_region(block, district), birth, female, wish)
    born = EPOCH + timedelta(days=birth)
    assert ric.calc_check_digit(number) == number[-1]
    assert ric.get_birth_date(number) == born
    held = parse(number, today=date(2100, 1, 1))
    assert held is not None
    assert (held.birth_date, held.sex) == (born, "female" if female else "male")


def test_no_number_names_a_real_place() -> None:
    known = numdb.get("cn/loc")
    codes = {local_region(block, d) for block in range(0, LAST_BLOCK, 10) for d in range(16)}
    codes |= {migrant_region(block, o) for block in range(0, LAST_BLOCK, 10) for o in range(ORIGINS)}
    for code in codes:
        assert code[:2] in HOME_PROVINCES + OTHER_PROVINCES
        assert code[2] == "8"
        assert not any("county" in found for _, found in known.info(code)), code


def test_blocks_never_give_the_same_number() -> None:
    """Blocks that share a region code differ in the serial's last digit; other blocks share no code."""
    owners: dict[str, int] = {}
    for block in range(0, LAST_BLOCK, RESIDUES):
        codes = [local_region(block, d) for d in range(16)] + [
            migrant_region(block, o) for o in range(ORIGINS)
        ]
        assert len(set(codes)) == len(codes)
        for code in codes:
            assert owners.setdefault(code, block) == block
            assert 1 <= int(code[4:]) <= 99
    serials = {
        int(Numbers(block).give("328002", 0, True, wish)[14:17])
        for block in range(RESIDUES)
        for wish in range(50)
    }
    assert len(serials) == 500


def test_a_fifty_first_birth_of_one_day_is_refused() -> None:
    numbers = Numbers(0)
    assert len({numbers.give("328002", 0, True, 3) for _ in range(50)}) == 50
    with pytest.raises(ValueError, match="more than 50 births"):
        numbers.give("328002", 0, True, 3)


@given(st.lists(st.integers(0, 99_999_999), unique=True, max_size=50))
@settings(max_examples=30, deadline=None)
def test_phones_are_distinct_and_of_an_unused_prefix(counters: list[int]) -> None:
    phones = {phone(counter) for counter in counters}
    assert len(phones) == len(counters)
    assert all(len(p) == 11 and p.startswith("154") for p in phones)


def test_names_are_read_as_pypinyin_reads_them() -> None:
    from pypinyin import lazy_pinyin

    wrong = [
        row["character"]
        for row in rows("given_characters")
        if lazy_pinyin(row["character"])[0].replace("ü", "v") != row["pinyin"].replace("ü", "v")
    ]
    assert len(wrong) <= 10, wrong  # characters whose usual reading in names is not the dictionary's first
