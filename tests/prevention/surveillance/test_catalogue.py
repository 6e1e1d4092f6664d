"""The lists as the law and the notices say, on several days; files added, changed and broken."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from salus.kernel.errors import Invalid
from salus.prevention import surveillance as s
from salus.prevention.surveillance.catalogue import read_disease

CHINA = ZoneInfo("Asia/Shanghai")

# Counts of the lists by class: law of 2004 art. 3 (2, 25, 10); HFMD from 2008-05-02 (11 C); H7N9 from 2013-11
# (26 B; "39 diseases"); COVID-19 from 2020-01-20 (40); mpox from 2023-09-20 (41); the law of 2025 joins two
# influenzas into one (40).
LISTS = [
    (date(2005, 1, 1), 2, 25, 10),
    (date(2008, 5, 2), 2, 25, 11),
    (date(2013, 12, 1), 2, 26, 11),
    (date(2020, 1, 20), 2, 27, 11),
    (date(2023, 9, 19), 2, 27, 11),
    (date(2023, 9, 20), 2, 28, 11),
    (date(2025, 8, 31), 2, 28, 11),
    (date(2025, 9, 1), 2, 27, 11),
]
OWN = """
code = "sftsv"
name = "Severe fever with thrombocytopenia syndrome"
name_zh = "发热伴血小板减少综合征"
icd10 = ["A93.8"]
incubation_days = [5, 14]
contact_days = 14
episode_days = 180
[[listing]]
class = "local"
from = 2020-01-01
source = "the city's own list"
checked = "read"
[[definition]]
from = 2020-01-01
suspected = [["diagnosis"]]
confirmed = [["test"]]
source = "the city's own definition"
checked = "read"
[[definition.criterion]]
id = "diagnosis"
kind = "diagnosis"
words = "Diagnosed"
codes = ["A93.8"]
[[definition.criterion]]
id = "test"
kind = "laboratory"
words = "SFTSV RNA found"
names = ["SFTSV RNA"]
"""


@pytest.mark.parametrize(("day", "a", "b", "c"), LISTS)
def test_the_lists_hold_what_law_and_notices_say(day: date, a: int, b: int, c: int) -> None:
    listed = s.load_catalogue().on(day)
    classes = Counter(one.listed(day).class_ for one in listed.values())  # type: ignore[union-attr]
    assert (classes["A"], classes["B"], classes["C"]) == (a, b, c)


def test_every_listing_and_definition_names_its_source_and_whether_it_was_read() -> None:
    for disease in s.load_catalogue().values():
        for row in (*disease.listings, *disease.definitions):
            assert row.source
            assert row.checked in ("read", "memory")
        for listing in disease.listings:
            assert disease.definition(listing.first) is not None, disease.code
        assert disease.incubation[0] <= disease.incubation[1]


@pytest.mark.parametrize(
    ("disease", "day", "codes", "hours"),
    [
        ("plague", date(2026, 1, 1), (), 2),
        ("sars", date(2026, 1, 1), (), 2),
        ("measles", date(2026, 1, 1), (), 24),
        ("influenza", date(2026, 1, 1), (), 24),
        ("anthrax", date(2026, 1, 1), ("A22.0",), 24),
        ("anthrax", date(2026, 1, 1), ("A22.1",), 2),
        ("covid19", date(2021, 1, 1), (), 2),
        ("covid19", date(2023, 1, 8), (), 24),
        ("polio", date(2010, 1, 1), (), 2),
        ("polio", date(2016, 1, 1), (), 24),
    ],
)
def test_a_deadline_is_that_of_the_diagnosis_own_day(
    disease: str, day: date, codes: tuple[str, ...], hours: int
) -> None:
    moment = datetime(day.year, day.month, day.day, 23, 30, tzinfo=CHINA)
    found = s.deadline(s.load_catalogue()[disease], moment, CHINA, codes=codes)
    assert found == moment + timedelta(hours=hours)


def test_what_is_not_listed_has_no_deadline() -> None:
    covid = s.load_catalogue()["covid19"]
    assert s.deadline(covid, datetime(2019, 12, 31, tzinfo=UTC), CHINA) is None


def test_a_file_put_into_a_folder_counts_at_once_and_a_broken_one_leaves_the_last_good(
    tmp_path: Path,
) -> None:
    found = s.Catalogue((s.STANDARD,))
    found.follow(tmp_path / "own")
    before = len(found)
    (tmp_path / "own").mkdir()
    path = tmp_path / "own" / "sftsv.toml"
    path.write_text(OWN, encoding="utf-8")
    assert len(found.fresh()) == before + 1
    assert found["sftsv"].contact_days == 14
    path.write_text(OWN.replace("contact_days = 14", "contact_days = 21  # longer"), encoding="utf-8")
    assert found.fresh()["sftsv"].contact_days == 21
    path.write_text("code = 'sftsv'\nname", encoding="utf-8")
    assert found.fresh()["sftsv"].contact_days == 21
    assert "sftsv.toml" in found.faults[0]
    path.unlink()
    assert "sftsv" not in found.fresh()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('[["test"]]', '[["tset"]]'),
        ('[["test"]]', "[[]]"),
        ('kind = "laboratory"', 'kind = "guess"'),
        ('names = ["SFTSV RNA"]', ""),
        ('class = "local"', 'class = "D"'),
        ("from = 2020-01-01", 'from = "2020-01-01"'),
        ('code = "sftsv"', 'code = "other"'),
        ('icd10 = ["A93.8"]', "icd10 = []"),
        ("incubation_days = [5, 14]", "incubation_days = 5"),
        ("episode_days = 180", ""),
    ],
)
def test_a_file_that_breaks_the_format_is_named(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "sftsv.toml"
    path.write_text(OWN.replace(old, new), encoding="utf-8")
    with pytest.raises(Invalid) as refused:
        read_disease(path)
    assert refused.value.code == "disease-file"
    assert "sftsv.toml" in refused.value.where
