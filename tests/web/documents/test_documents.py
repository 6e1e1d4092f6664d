"""Documents are read back by programs that did not write them: pypdf for PDF, the zip's XML for Word."""

import io
import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from docx import Document as open_docx
from lxml import etree
from pypdf import PdfReader

from salus.kernel.errors import Invalid, NotFound, SalusError
from salus.web import charts
from salus.web.documents import (
    Bullets,
    Chart,
    Document,
    Facts,
    Heading,
    KeyFigure,
    KeyFigures,
    PageBreak,
    Paragraph,
    Table,
    answer,
    docx,
    fonts,
    from_template,
    pdf,
    written,
)

DAY = date(2026, 11, 30)
W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
ROWS = [[f"District {n}", n * 1000, Decimal("1.50")] for n in range(90)]


def report(language: str = "en", **changes: Any) -> Document:
    drawing = charts.bar(
        [{"d": "越秀", "n": 4}, {"d": "天河", "n": 9}],
        charts.Field("d", "District", kind="nominal"),
        charts.Field("n", "Cases"),
        title="病例 by district",
    )
    values: dict[str, Any] = {
        "title": "Situation 情况报告",
        "issuer": "Health commission",
        "date": DAY,
        "language": language,
        "marking": "Internal",
        "number": "GZ-12",
        "parts": [
            Heading("Overall 总体"),
            Paragraph("全市共报告病例 42 例。Forty-two cases."),
            Paragraph("Not before 18:00", "warn"),
            KeyFigures([KeyFigure(12345, "doses"), KeyFigure(None, "deaths")]),
            Bullets(["close the canteen", "keep samples"], numbered=True),
            Facts([("Level", "III"), ("Opened", DAY)]),
            Chart(drawing, table=True),
            PageBreak(),
            Table(["District", "Cases", "Rate"], ROWS, caption="By district", note="Suppressed below 5"),
        ],
    }
    return Document(**{**values, **changes})


@pytest.fixture(autouse=True)
def needs_a_chinese_face() -> None:
    if not fonts.family():
        pytest.skip("no font with Chinese characters; install fonts-noto-cjk")


@pytest.fixture
def city(tmp_path: Path, settings: Any) -> Path:
    settings.DATA_DIR = tmp_path
    folder = tmp_path / "documents"
    folder.mkdir()
    return folder


def read(made: bytes) -> tuple[PdfReader, list[str]]:
    reader = PdfReader(io.BytesIO(made))
    return reader, [page.extract_text() for page in reader.pages]


def test_a_pdf_says_what_was_described_in_both_scripts() -> None:
    reader, pages = read(pdf(report()))
    for words in ("全市共报告病例 42 例。", "Forty-two cases.", "12,345", "–", "keep samples", "2026-11-30"):
        assert words in pages[0]
    assert reader.metadata is not None
    assert reader.metadata.title == "Situation 情况报告"
    assert reader.metadata.author == "Health commission"


def test_the_head_of_a_table_and_the_frame_stand_on_each_page() -> None:
    _reader, pages = read(pdf(report()))
    table = [page for page in pages if "District 3" in page or "District 80" in page]
    assert len(table) >= 2
    for number, page in enumerate(pages, 1):
        assert f"Page {number} of {len(pages)}" in page
        assert "Internal" in page
    assert all("Rate" in page for page in table)


def test_a_pdf_is_tagged_has_its_language_and_embeds_its_faces() -> None:
    reader, pages = read(pdf(report("zh-hans")))
    root: Any = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert "/StructTreeRoot" in root
    assert str(root["/Lang"]).startswith("zh")
    assert f"第 1 页，共 {len(pages)} 页" in pages[0]
    for page in reader.pages:
        for face in page["/Resources"]["/Font"].values():  # type: ignore[index]
            for below in face.get_object().get("/DescendantFonts", []):
                described = below.get_object()["/FontDescriptor"]
                assert {"/FontFile2", "/FontFile3"} & set(described)
    metadata = root["/Metadata"].get_data()
    assert b"pdfaid:part" in metadata and b"pdfuaid:part" in metadata


@pytest.mark.parametrize("write", [pdf, docx])
def test_the_same_description_gives_the_same_bytes(write: Any) -> None:
    assert write(report()) == write(report())
    assert write(report()) != write(report(date=date(2026, 12, 1)))


def test_a_word_file_has_real_headings_a_repeated_head_and_page_fields() -> None:
    made = docx(report())
    file = open_docx(io.BytesIO(made))
    assert [p.text for p in file.paragraphs if p.style and p.style.name == "Heading 1"] == ["Overall 总体"]
    assert "全市共报告病例 42 例。Forty-two cases." in [p.text for p in file.paragraphs]
    table = file.tables[-1]
    assert [cell.text for cell in table.rows[0].cells] == ["District", "Cases", "Rate"]
    assert [cell.text for cell in table.rows[90].cells] == ["District 89", "89,000", "1.50"]
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        body = etree.fromstring(archive.read("word/document.xml"))
        names = archive.namelist()
        foot = b"".join(archive.read(name) for name in names if "footer" in name)
        styles = archive.read("word/styles.xml")
    heads = [row for row in body.iter(f"{W}tr") if row.find(f"{W}trPr/{W}tblHeader") is not None]
    assert len(heads) == 2  # the table behind the chart, and the table
    assert b"NUMPAGES" in foot and b"PAGE" in foot
    assert b'eastAsia="zh-CN"' in styles and b"Microsoft YaHei" in styles
    described = [part.get("descr", "") for part in body.iter() if str(part.tag).endswith("}docPr")]
    assert any("越秀; 4" in words for words in described)
    assert any(name.endswith(".png") for name in names)


def test_a_documents_language_decides_its_words() -> None:
    with zipfile.ZipFile(io.BytesIO(docx(report("zh-hans")))) as archive:
        foot = b"".join(archive.read(n) for n in archive.namelist() if "footer" in n).decode()
    assert "第 " in foot


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (1234567, "1,234,567"), (1 / 3, "0.3333"), (float("nan"), "–"), (Decimal("2.50"), "2.50")],
)
def test_values_are_written_for_readers(value: Any, shown: str) -> None:
    from salus.web.documents.parts import written as shown_as

    assert shown_as(value) == shown


def test_a_download_has_a_name_and_is_not_kept() -> None:
    told = answer(report(), "pdf", "情况 12")
    assert told["Content-Type"] == "application/pdf"
    assert "filename*=UTF-8''%E6%83%85" in told["Content-Disposition"]
    assert told["Cache-Control"] == "no-store"
    with pytest.raises(Invalid):
        written(report(), "odt")


def test_rows_that_do_not_fit_their_head_are_refused() -> None:
    with pytest.raises(ValueError, match="row 2"):
        pdf(report(parts=[Table(["a", "b"], [[1, 2], [3]])]))


def test_chinese_without_a_face_is_an_error_and_no_page_of_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "family", lambda: "")
    with pytest.raises(SalusError) as caught:
        pdf(report())
    assert caught.value.code == "document-font"


TEMPLATE = """title: {% translate "Accounts" %} {{ number }}
marking: Internal

# Overall

There are {{ cases }} cases
in {{ places|length }} places.

- one
- {{ note }}

{{ note }}
{% place "cases" %}
> small print
! {{ note }}
"""


def test_a_template_gives_words_and_places_parts(city: Path) -> None:
    (city / "report.txt").write_text(TEMPLATE, encoding="utf-8")
    table = Table(["a"], [[1]])
    made = from_template(
        "report.txt",
        {"number": 7, "cases": 42, "places": ["x", "y"], "note": "# not a\nheading"},
        issuer="City",
        date=DAY,
        parts={"cases": table},
        language="zh-hans",
    )
    assert (made.title, made.marking) == ("账号 7", "Internal")
    assert list(made.parts) == [
        Heading("Overall", 1),
        Paragraph("There are 42 cases in 2 places."),
        Bullets(("one", "# not a heading")),
        Paragraph("# not a heading"),
        table,
        Paragraph("small print", "note"),
        Paragraph("# not a heading", "warn"),
    ]


def test_a_citys_file_for_a_language_comes_first(city: Path) -> None:
    (city / "report.txt").write_text("title: Common\n\nWords", encoding="utf-8")
    (city / "report.zh-hans.txt").write_text("title: 本市\n\n文字", encoding="utf-8")
    assert from_template("report.txt", {}, issuer="", date=DAY, language="zh-hans").title == "本市"
    assert from_template("report.txt", {}, issuer="", date=DAY).title == "Common"
    (city / "report.txt").write_text("title: Changed\n\nWords", encoding="utf-8")
    assert from_template("report.txt", {}, issuer="", date=DAY).title == "Changed"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("No title\n", "bad.txt"),
        ("title: x\n\n{{ typo }}", "typo"),
        ('title: x\n\n{% place "nothing" %}', "nothing"),
        ("title: x\n\n{% if %}", "bad.txt"),
    ],
)
def test_a_faulty_template_says_where(city: Path, text: str, where: str) -> None:
    (city / "bad.txt").write_text(text, encoding="utf-8")
    with pytest.raises(Invalid) as caught:
        from_template("bad.txt", {}, issuer="", date=DAY)
    assert caught.value.code == "document-template"
    assert where in caught.value.where


def test_a_template_that_is_not_there_is_not_found(city: Path) -> None:
    with pytest.raises(NotFound):
        from_template("none.txt", {}, issuer="", date=DAY)


def test_a_city_can_replace_the_page_layouts(city: Path) -> None:
    (city / "page.typ").write_text(
        "#let doc = json(bytes(sys.inputs.document))\n#set document(title: doc.title)\n"
        "#set text(font: doc.font)\nOur own page"
    )
    _reader, pages = read(pdf(report()))
    assert pages == ["Our own page"]
    (city / "page.typ").write_text("#nothing")
    with pytest.raises(SalusError) as caught:
        pdf(report())
    assert caught.value.code == "document-layout"
    own = open_docx()
    own.sections[0].header.paragraphs[0].text = "Our letterhead"
    own.save(str(city / "page.docx"))
    made = open_docx(io.BytesIO(docx(report())))
    assert made.sections[0].header.paragraphs[0].text == "Our letterhead"
