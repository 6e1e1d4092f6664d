"""Import of published folders, of workbooks and of MS-DRG tables; lint and diff of what they give."""

from dataclasses import replace
from pathlib import Path

import pytest
from openpyxl import Workbook

from salus.insurance.drg.explain import Case, explain
from salus.insurance.drg.witness import unreachable_findings, witnesses
from salus.insurance.scheme import starter_scheme
from salus.insurance.scheme.diff import diff
from salus.insurance.scheme.importing import About, import_scheme
from salus.insurance.scheme.lint import KINDS, lint
from salus.insurance.scheme.model import BadScheme, CodeSet
from salus.insurance.scheme.names import asked_by_name
from salus.insurance.scheme.predicates import BadPredicate, written
from salus.insurance.scheme.tables import write_csv

CITIES = {"beijing_2022": 690, "changzhou_2022": 739, "foshan_2022": 793, "wuhan_2022": 663}


def test_the_national_scheme_has_as_many_rows_as_its_tables(shared: Path) -> None:
    scheme = import_scheme(shared / "insurance" / "chs_drg_11", About("chs", "1.1"))
    assert [one.mdc for one in scheme.mdcs] == list("APYZMNBCDEFGHIJKLOQRSTUVWX")
    assert len(scheme.adrgs) == 376 and sum(1 for _ in scheme.splits()) == 628
    assert len(scheme.counted) == 16568 + 4678 and len(scheme.sets["valid_pr"].codes) == 10251
    assert scheme.notes == ()


@pytest.mark.parametrize("city", CITIES)
def test_regional_schemes_are_read_and_checked(shared: Path, city: str) -> None:
    scheme = import_scheme(shared / "insurance" / "regional" / city, About(city, "2022"))
    assert sum(1 for _ in scheme.splits()) == CITIES[city]
    findings = lint(scheme)
    assert {one.kind for one in findings} <= set(KINDS)
    assert "import-note" in {one.kind for one in findings}  # they have no list of valid procedures


def test_what_is_known_to_be_wrong_in_regional_tables_is_found(shared: Path) -> None:
    regional = shared / "insurance" / "regional"
    changzhou = lint(import_scheme(regional / "changzhou_2022", About("changzhou", "2022")))
    told = {(one.kind, one.where) for one in changzhou}
    assert ("after-any", "drg ZZ17") in told  # 5 days' deaths stand after the split that takes every case
    assert ("no-drg", "adrg AA1") in told
    assert ("name-asks", "drg BT10") in told  # under 17, but the table says MCC
    beijing = lint(import_scheme(regional / "beijing_2022", About("beijing", "2022")))
    assert ("never-holds", "adrg OR1") in {(one.kind, one.where) for one in beijing}


NAMES_OF_DRGS = [  # the rules are those of the cities' published groups
    ("病毒性脑、脊髓和脑膜炎，年龄≤17岁", "age <= 17"),
    ("癫痫，＜17岁，伴并发症或合并症", "age < 17 and (mcc or cc)"),
    ("癫痫病，年龄≤17岁，伴严重并发症或合并症", "age <= 17 and mcc"),
    ("脑缺血性疾患，＞60天", "los > 60"),
    ("颅内出血性疾患，ICU＞120小时", "icu_hours > 120"),
    ("脑血管介入治疗，ICU1-120小时", "icu_hours >= 1 and icu_hours <= 120"),
    ("与化学和／或靶向、生物治疗有关的恶性增生性疾患，7天＜住院时间≤30天", "los > 7 and los <= 30"),
    ("恶性增生性疾患放射治疗（体外照射），13天及以上", "los >= 13"),
    ("恶性增生性疾患放射治疗（体外照射），1天", "los = 1"),
    ("耳部其他小手术，小于等于6岁", "age <= 6"),
    ("有创呼吸机支持≥96小时或ECMO或全人工心脏移植术，ICU＞120小时", "icu_hours > 120"),
]


@pytest.mark.parametrize(("name", "rule"), NAMES_OF_DRGS)
def test_ages_stays_and_hours_are_read_from_names(name: str, rule: str) -> None:
    asked = asked_by_name(name)
    assert asked is not None and written(asked) == rule


@pytest.mark.parametrize(
    "name", ["心脏移植", "多发性重要创伤无手术，5天内死亡或转院", "颅内手术，伴并发症或合并症"]
)
def test_names_without_them_ask_nothing(name: str) -> None:
    assert asked_by_name(name) is None


def workbook(path: Path) -> Path:
    book = Workbook()
    sheets = {
        "目录": [["CHS-DRG 分组方案"], ["MDC编码", "MDC名称"], ["B", "神经系统"], ["F", "循环系统"]],
        "ADRG": [["MDC", "ADRG编码", "ADRG名称"], ["F", "FM1", "支架"], ["F", "FN1", "双表"],
                 [None, "FR2", "心衰"], ["B", "BR1", "出血"]],
        "DRG": [["DRG编码", "DRG名称", "权重"], ["FM11", "支架伴MCC", "3.4"], ["FM15", "支架不伴", "2.5"],
                ["FN19", "双表", 2], ["FR21", "心衰", "1.5"], ["FR23", "心衰", "1.1"],
                ["FR25", "心衰", "0.9"], ["BR19", "出血", "1.2"]],
        "主诊表": [["MDC", "诊断编码", "诊断名称"], ["F", "I50.900", "心衰"], ["F", "I25.101", "冠心病"],
                ["B", "I61.900", "脑出血"]],
        "ADRG诊断": [["ADRG", "诊断编码"], ["FR2", "I50.900"], ["BR1", "I61.900"]],
        "ADRG手术": [["ADRG", "列表", "手术编码"], ["FM1", None, "36.0700"], ["FN1", "1", "37.8300"],
                   ["FN1", "2", "37.7200"]],
        "MCC表": [["诊断编码", "排除表"], ["J96.000", "7"]],
        "CC表": [["诊断编码", "排除表"], ["E87.600", "8"]],
        "CC排除表": [["主要诊断编码", "排除表"], ["I50.900", "7"]],
    }  # fmt: skip
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_a_workbook_of_published_lists_is_a_scheme(tmp_path: Path) -> None:
    scheme = import_scheme(workbook(tmp_path / "city.xlsx"), About("city", "2026"))
    assert [one.mdc for one in scheme.mdcs] == ["B", "F"]
    assert [one.mdc for one in scheme.adrgs] == ["B", "F", "F", "F"]  # a merged cell holds on
    assert str(scheme.weights["FM11"].weight) == "3.4"

    def drg(*dx: str, pr: tuple[str, ...] = ()) -> str:
        return explain(scheme, Case(dx=dx, pr=pr)).drg

    assert drg("I50.900", "E87.600") == "FR23"
    assert drg("I50.900", "J96.000") == "FR25"  # excluded by the principal
    assert drg("I25.101", "J96.000", pr=("36.0700",)) == "FM11"
    assert drg("I25.101", pr=("37.7200", "37.8300")) == "FN19"  # one of each list
    assert drg("I25.101", pr=("37.8300",)) == "0000"


def test_a_workbook_of_the_published_folder_is_read_too(tmp_path: Path) -> None:
    book = Workbook()
    sheets = {
        "mdc": [["ord", "mdc", "gate"], [0, "F", "record.zdList[0] in mdc_zd"]],
        "mdc_dx": [["mdc", "dx", "site"], ["F", "I50.900", None]],
        "adrg": [["mdc", "ord", "adrg", "cond"], ["F", 0, "FR2", "record.zdList[0] in adrg_zd"]],
        "adrg_dx": [["adrg", "dx"], ["FR2", "I50.900"]],
        "drg": [["adrg", "ord", "drg", "severity", "name"], ["FR2", 0, "FR29", "ANY", "心衰"]],
    }
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(tmp_path / "tables.xlsx")
    scheme = import_scheme(tmp_path / "tables.xlsx", About("tables", "1"))
    assert explain(scheme, Case(dx=("I50.900",))).drg == "FR29"


def test_what_is_no_scheme_is_told(tmp_path: Path) -> None:
    (tmp_path / "not.xlsx").write_text("no workbook")
    (tmp_path / "not.json").write_text("[]")
    (tmp_path / "not.pdf").write_text("x")
    for name in ("not.xlsx", "not.json", "not.pdf", "missing"):
        with pytest.raises(BadScheme):
            import_scheme(tmp_path / name, About("x", "1"))
    empty = Workbook()
    empty.save(tmp_path / "empty.xlsx")
    with pytest.raises(BadScheme, match="no sheet lists ADRG"):
        import_scheme(tmp_path / "empty.xlsx", About("x", "1"))


def test_a_bad_condition_is_told_with_its_line(tmp_path: Path) -> None:
    write_csv(tmp_path / "mdc.csv", ("ord", "mdc", "gate"), [(0, "B", "os.system('true')")])
    with pytest.raises(BadPredicate) as error:
        import_scheme(tmp_path, About("x", "1"))
    assert error.value.where == "mdc.csv, line 2"


def test_the_starter_scheme_is_clean_and_reached_everywhere() -> None:
    scheme = starter_scheme()
    findings = lint(scheme)
    assert [one for one in findings if one.degree != "note"] == []
    found = witnesses(scheme)
    assert found.unreachable == ()
    assert unreachable_findings(scheme) == []
    for drg, case in found.cases:
        assert explain(scheme, case).drg == drg


def test_a_drg_that_an_earlier_group_takes_is_found_unreachable() -> None:
    scheme = starter_scheme()
    first, *_ = scheme.adrgs_of("F")
    last = replace(first, adrg="FX9", splits=(replace(first.splits[0], drg="FX99"),))
    at = scheme.adrgs.index(scheme.adrgs_of("F")[-1]) + 1
    broken = replace(scheme, adrgs=(*scheme.adrgs[:at], last, *scheme.adrgs[at:]))
    (finding,) = unreachable_findings(broken)
    assert finding.where == "drg FX99" and "FM1" in finding.what


def test_lint_finds_what_was_broken() -> None:
    scheme = starter_scheme()
    kinds = {one.kind for one in lint(scheme)}
    broken = replace(
        scheme,
        sets={**scheme.sets, "lost": CodeSet("lost", "dx", frozenset({"Q99.9"}))},
        maps={"dx": {"A": "B", "B": "A", "C": "nowhere"}},
        exclusions={**scheme.exclusions, "Z99.9": frozenset({"none"})},
        weights={**scheme.weights, "XX99": next(iter(scheme.weights.values()))},
    )
    assert {one.kind for one in lint(broken)} - kinds == {
        "unused-set", "not-valid", "map-cycle", "map-to-unknown", "unused-exclusion", "weight-without-drg",
    }  # fmt: skip


def test_diff_tells_each_change() -> None:
    old = starter_scheme()
    adrg = old.adrgs[0]
    new = replace(
        old,
        version="2",
        adrgs=(*old.adrgs[1:], adrg),
        sets={**old.sets, "FM1.pr1": CodeSet("FM1.pr1", "pr", frozenset({"36.06", "36.07", "36.09"}))},
        counted={dx: found for dx, found in old.counted.items() if dx != "J80"},
    )
    changes = {(one.table, one.what): one for one in diff(old, new)}
    assert changes["scheme", "version"].after == "2"
    assert (
        changes["code_set", "FM1.pr1"].before == "00.66" and changes["code_set", "FM1.pr1"].after == "36.09"
    )
    assert changes["cc", "J80"].after == ""
    assert any(table == "adrg order" for table, _ in changes)
    assert diff(old, old) == []
