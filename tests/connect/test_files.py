"""Files cut into messages: any shape, any encoding, and nothing that an attacker packs."""

import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import orjson
import pytest

from salus.connect import files
from salus.connect.errors import Untranslatable
from salus.connect.files import find_files, guess_format, items_of, shape_of
from salus.connect.tabular import rows as tabular
from salus.connect.translation import SourceProfile, Translation
from salus.kernel.errors import Invalid, NotFound
from tests.connect.conftest import patient

MAPPING: dict[str, Any] = {
    "table": [
        {
            "name": "people",
            "file": "people*",
            "required": ["编号"],
            "resource": [
                {"type": "Patient", "id": "{编号}", "set": {"name": [{"text": "{姓名}"}], "gender": "{SEX?}"}}
            ],
        }
    ]
}
TABLE = SourceProfile("src", "csv", mapping=MAPPING)
FHIR = SourceProfile("src", "fhir")


def take(path: Path, profile: SourceProfile) -> list[Any]:
    return [item.incoming for item in items_of(path, profile)]


def names(found: list[Any]) -> list[str]:
    return [
        one.translation.entries[0].resource["name"][0]["text"]
        if isinstance(one.translation, Translation)
        else one.translation.code
        for one in found
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_tables_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes("编号,姓名,SEX\n1,张三,male\n2,李四𠀀,\n".encode(encoding))
    tree = {**MAPPING, "file": {"encoding": "gb18030" if encoding == "gb18030" else "utf-8"}}
    assert names(take(path, SourceProfile("src", "csv", mapping=tree))) == ["张三", "李四𠀀"]


def test_a_bad_row_is_alone(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    good, short, long = "1,a,male\r\n", "2,b\r\n", "3,c,male,x\r\n"
    body = (
        "编号,姓名,SEX\r\n".encode() + good.encode() + short.encode() + b"4,\xff\xfe,male\r\n" + long.encode()
    )
    path.write_bytes(body + b'5,"multi\nline",male\r\n\r\n,nobody,\r\n')
    found = take(path, TABLE)
    assert names(found) == ["a", "row-shape", "bad-encoding", "row-shape", "multi\nline", "missing-value"]
    assert found[2].raw.startswith(b"{")
    assert [one.position for one in found] == [2, 3, 4, 5, 7, 9]


def test_a_table_without_a_mapped_column_is_refused_whole(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("编号,名字\n1,a\n")
    with pytest.raises(Invalid, match="姓名"):
        take(path, TABLE)


def workbook(path: Path, *rows: list[Any]) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    book.save(path)
    return path


def test_workbooks_and_their_traps(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "people.xlsx",
        ["编号", "姓名", "SEX"],
        [1, "张三", "male"],
        [2, '=HYPERLINK("http://x","y")', "male"],
        [110101199003078515, "too long", None],
        [3.0, "李四", None],
    )
    found = take(path, TABLE)
    assert names(found) == ["张三", "formula-cell", "number-too-long", "李四"]
    assert found[3].translation.entries[0].resource["id"] == "3"


def test_a_file_that_only_says_it_is_a_workbook(tmp_path: Path) -> None:
    path = tmp_path / "people.xlsx"
    path.write_bytes(b"PK\x03\x04 broken")
    with pytest.raises((Invalid, zipfile.BadZipFile)):
        take(path, TABLE)


def test_archives_are_read_without_writing_where_they_point(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../etc/Patient.ndjson", patient("a") + b"\n" + patient("b") + b"\n")
        archive.writestr("/etc/Encounter.ndjson", b'{"resourceType":"Encounter","id":"e"}\n')
        archive.writestr("deep/.hidden", b"x")
    found = take(path, FHIR)
    assert [orjson.loads(one.raw)["id"] for one in found] == ["a", "b", "e"]
    assert sorted(child.name for child in tmp_path.iterdir()) == ["all.zip", "var"]


def test_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tabular, "LARGEST_WORKBOOK", 100_000)
    monkeypatch.setattr(files, "LARGEST_WORKBOOK", 100_000)
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.ndjson", b"0" * 1_000_000)
    with pytest.raises(Invalid) as fault:
        take(bomb, FHIR)
    assert fault.value.code == "archive-too-large"
    packed = tmp_path / "a.ndjson.gz"
    packed.write_bytes(gzip.compress(b"0" * 1_000_000))
    with pytest.raises(Invalid) as fault:
        take(packed, FHIR)
    assert fault.value.code == "archive-too-large"


def test_an_archive_in_an_archive_is_refused(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("a.json", b"{}")
    path = tmp_path / "outer.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("inner.zip", inner.getvalue())
    with pytest.raises(Invalid, match="inside an archive"):
        take(path, FHIR)


@pytest.mark.parametrize(
    ("name", "content", "shape"),
    [
        ("a.json", b'{\n "resourceType": "Patient"}', "whole"),
        ("a.json", b'{"resourceType":"Patient"}', "whole"),
        ("a.txt", b'{"resourceType":"Patient"}\n{"resourceType":"Patient"}\n', "ndjson"),
        ("a.ndjson", b'{"resourceType":"Patient"}', "ndjson"),
        ("a.bin", b"\xef\xbb\xbfMSH|^~\\&|", "hl7v2"),
        ("a.bin", b"\x0bMSH|^~\\&|", "hl7v2"),
        ("a.xml", b"<ClinicalDocument/>", "whole"),
    ],
)
def test_the_content_tells_the_shape(tmp_path: Path, name: str, content: bytes, shape: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert shape_of(path, name, FHIR) == shape


def test_many_hl7_messages_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_BLOCK", 100)
    path = tmp_path / "a.hl7"
    message = "MSH|^~\\&|A|B|C|D|20260101||ADT^A01|{}|P|2.5\rPID|1||{}\r"
    path.write_text("".join(message.format(n, n) for n in range(50)), newline="")
    found = take(path, SourceProfile("src", "hl7v2"))
    assert len(found) == 50
    assert all(f"|ADT^A01|{n}|".encode() in one.raw for n, one in enumerate(found))


def test_registers_come_before_what_refers_to_them(tmp_path: Path) -> None:
    for name in ("Encounter.ndjson", "Patient.ndjson", "Organization.ndjson", "LICENSE", ".hidden"):
        (tmp_path / name).write_bytes(b"{}")
    found, left_out = find_files([tmp_path])
    assert [path.name for path in found] == ["Organization.ndjson", "Patient.ndjson", "Encounter.ndjson"]
    assert [path.name for path in left_out] == ["LICENSE"]
    assert guess_format(found) == "fhir"
    with pytest.raises(NotFound):
        find_files([tmp_path / "nothing"])


@pytest.mark.parametrize("raw", [b"", b"\x00", b"{", b"[]", b"<", b"MSH", b"\xff\xfe", b'{"resourceType":1}'])
def test_any_bytes_are_a_message_or_a_stated_fault(tmp_path: Path, raw: bytes) -> None:
    from salus.connect.profiles import translate

    try:
        translate(raw, FHIR)
    except Untranslatable as fault:
        assert fault.code and fault.message
