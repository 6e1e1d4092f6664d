"""Published line lists come in whole, once each; and a user's file is classified on the command line."""

import csv
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from salus.kernel.errors import Conflict
from salus.prevention.commands import app
from salus.prevention.models import Case
from salus.prevention.pages.notifiable import exchange
from salus.prevention.services.notifiable import deciding, importing
from salus.prevention.surveillance import spellings
from salus.prevention.surveillance.linelists import columns, day_of, read_line
from tests.prevention.notifiable.world import NOW, SYSTEM, World

LISTS = [
    # file, disease, rows, first onset, deaths that the file tells (counted by hand with grep)
    ("mers_korea_2015_linelist.csv", "sars", 162, date(2015, 5, 11), 19),
    ("fluH7N9_china_2013.csv", "h7n9", 136, date(2013, 2, 19), 32),
    ("measles_hagelloch_1861.csv", "measles", 188, date(1861, 10, 30), 0),
    ("ebola_sierraleone_2014_confirmed.csv", "plague", 8358, date(2014, 5, 18), 0),
]


@pytest.mark.parametrize(("file", "disease", "count", "first", "deaths"), LISTS)
def test_published_line_lists_are_read_whole(
    shared: Path, file: str, disease: str, count: int, first: date, deaths: int
) -> None:
    path = shared / "prevention" / "outbreaks" / file
    if not path.exists():
        pytest.skip(f"{path} is not there")
    with path.open(encoding="utf-8-sig", newline="") as opened:
        reader = csv.DictReader(opened)
        held = columns(reader.fieldnames or [])
        lines = [read_line(row, held, disease=disease) for row in reader]
    assert len(lines) == count
    assert min(line.onset for line in lines if line.onset) == first
    assert sum(line.outcome == "died" for line in lines) == deaths
    assert all(line.sex in ("male", "female", "") for line in lines)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("2014-05-18", date(2014, 5, 18)), ("18-May-14", date(2014, 5, 18)),
        ("18/05/2014", date(2014, 5, 18)),
        ("2014年5月18日", date(2014, 5, 18)), ("20140518", date(2014, 5, 18)),
        ("2014-05-18T10:00:00Z", date(2014, 5, 18)), ("NA", None), ("", None),
    ],
)  # fmt: skip
def test_days_as_files_write_them(said: str, expected: date | None) -> None:
    assert day_of(said) == expected


@pytest.mark.django_db(databases=["default", "audit"])
def test_a_line_list_of_mers_is_imported_once_and_can_be_undone(city: World, shared: Path) -> None:
    path = shared / "prevention" / "outbreaks" / "mers_korea_2015_linelist.csv"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    with path.open(encoding="utf-8") as opened:
        rows = [{**row, "disease": "MERS", "classification": "confirmed"} for row in csv.DictReader(opened)][
            :40
        ]
    rows = [_named(row) for row in rows]
    verdicts = exchange.check(SYSTEM, rows)
    assert {verdict.state for verdict in verdicts} == {"wrong"}  # no file has MERS
    rows = [{**row, "disease": "传染性非典型肺炎"} for row in rows]
    assert [verdict.state for verdict in exchange.check(SYSTEM, rows)] == ["ready"] * 40
    undos = [exchange.apply(SYSTEM, row) for row in rows]
    assert Case.objects.filter(origin="import", status="confirmed").count() == 40
    assert Case.objects.get(external_id="SK_1").onset == date(2015, 5, 11)
    assert [verdict.state for verdict in exchange.check(SYSTEM, rows)] == ["same"] * 40
    first = undos[0]
    assert first is not None
    exchange.undo(SYSTEM, first)
    assert Case.objects.count() == 39
    second = Case.objects.order_by("pk")[0]
    deciding.decide(SYSTEM, second.pk, "discarded", "not it", now=NOW)
    with pytest.raises(Conflict):
        importing.take_back(SYSTEM, second.pk)


def _named(row: dict[str, str]) -> dict[str, str]:
    """Return a row as the kit's import hands it over: by the columns' own names."""
    return {field: row[heading] for field, heading in columns(list(row)).items()}


@pytest.mark.django_db(databases=["default", "audit"])
def test_sormas_headings_and_words_are_understood(city: World) -> None:
    row: dict[str, str] = {
        "caseData.disease": "CHOLERA", "caseData.externalID": "C-1",
        "caseData.caseClassification": "PROBABLE",
        "caseData.reportDate": "2026-03-04", "person.firstName": "Ada", "person.lastName": "Li",
        "person.sex": "FEMALE", "person.birthdateDD": "3", "person.birthdateMM": "2",
        "person.birthdateYYYY": "1990", "symptoms.onsetDate": "2026-03-02", "caseData.outcome": "NO_OUTCOME",
    }  # fmt: skip
    line = importing.line_of(row)
    assert (line.disease, line.name, line.sex, line.birth_date) == (
        "cholera",
        "Ada Li",
        "female",
        date(1990, 2, 3),
    )
    made = importing.take_line(SYSTEM, line, now=NOW).case
    assert (made.status, made.onset, made.outcome) == ("probable", date(2026, 3, 2), "ill")
    assert made.reported_at == datetime(2026, 3, 4, 4, tzinfo=UTC)


def test_the_command_classifies_a_file_and_tells_what_is_wrong(tmp_path: Path) -> None:
    source, target = tmp_path / "list.csv", tmp_path / "out.csv"
    source.write_text(
        "id,disease,onset,classification,symptoms,tests,linked_to\n"
        "1,measles,2026-01-02,suspected,,,\n"
        "2,麻疹,2026-01-02,suspected,,麻疹IgM=阳性,\n"
        "3,Measles,2026-01-02,suspected,fever;rash;cough,,1\n"
        "4,measles,soon,suspected,,,\n"
        "5,unheard,2026-01-02,suspected,,,\n",
        encoding="utf-8",
    )
    done = CliRunner().invoke(app, ["classify", str(source), "-o", str(target)])
    assert done.exit_code == 0, done.output
    with target.open(encoding="utf-8") as opened:
        rows: list[dict[str, Any]] = list(csv.DictReader(opened))
    assert [row["status"] for row in rows] == ["suspected", "confirmed", "probable", "wrong", "wrong"]
    assert rows[1]["formula"] == "specific"
    assert rows[0]["missing"] == "clinical"
    assert "onset" in rows[3]["problem"]
    shown = CliRunner().invoke(app, ["classify", "--schema"])
    assert "person.birthdateyyyy" in shown.output
    assert "formula" in shown.output


def test_every_disease_is_known_by_its_names() -> None:
    from salus.prevention.surveillance import load_catalogue

    found = spellings(load_catalogue())
    assert found["鼠疫"] == found["plague"] == "plague"
    assert found["coronavirus"] == "covid19"
