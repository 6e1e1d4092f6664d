"""Charts and maps: no style, no colour of their own, a label on every mark, and the figures beside them."""

import re
from datetime import date

import pytest
from lxml import etree

from salus.web import charts, maps
from salus.web.drawing import svg

SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]}


def lab(values: list[float | None]) -> charts.Drawing:
    rows = [{"day": date(2024, 1, 1 + n), "value": value} for n, value in enumerate(values)]
    return charts.line(
        rows,
        charts.Field("day", "Day", "temporal"),
        charts.Field("value", "Glucose", unit="mmol/L"),
        title="Glucose",
        band=(3.9, 6.1),
    )


def test_a_line_has_a_labelled_mark_for_each_value() -> None:
    drawing = lab([4.0, None, 7.5, 5.25])
    labels = etree.fromstring(str(drawing.markup)).xpath("//@aria-label")
    assert "2024-01-01: 4 mmol/L" in labels and "2024-01-04: 5.25 mmol/L" in labels
    assert any(label.startswith("2024-01-03: 7.5 mmol/L") and "outside" in label for label in labels)
    assert len(drawing.rows) == 4


def test_drawings_pass_a_strict_content_policy() -> None:
    for drawing in (lab([4.0, 7.5]), bars(), choropleth()):
        markup = str(drawing.markup)
        assert "style=" not in markup and "<script" not in markup and "href" not in markup
        assert not re.search(r"#[abc]0000\d", markup)


def bars(horizontal: bool = False) -> charts.Drawing:
    rows = [
        {"age": age, "sex": sex, "n": n}
        for n, (age, sex) in enumerate([("0–9", "f"), ("0–9", "m"), ("10–19", "f")])
    ]
    return charts.bar(
        rows,
        charts.Field("age", "Age", "ordinal"),
        charts.Field("n", "Residents"),
        series=charts.Field("sex", "Sex", "nominal"),
        title="Residents",
        horizontal=horizontal,
    )


@pytest.mark.parametrize("horizontal", [False, True])
def test_bars_name_their_series(horizontal: bool) -> None:
    drawing = bars(horizontal)
    assert {entry.text for entry in drawing.legend} == {"f", "m"}
    assert "f, 10–19: 2" in etree.fromstring(str(drawing.markup)).xpath("//@aria-label")


def test_nine_series_are_refused() -> None:
    rows = [{"x": "a", "s": str(n), "y": n} for n in range(9)]
    with pytest.raises(ValueError, match="9 series"):
        charts.bar(
            rows,
            charts.Field("x", "x", "nominal"),
            charts.Field("y", "y"),
            series=charts.Field("s", "s"),
            title="t",
        )


def test_the_same_question_is_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = str(lab([4.0, 4.25]).markup)
    monkeypatch.setattr(svg.vl_convert, "vegalite_to_svg", None)
    assert str(lab([4.0, 4.25]).markup) == first


def choropleth() -> charts.Drawing:
    areas = [
        maps.Area(
            code,
            f"District {code}",
            {**SQUARE, "coordinates": [[[x + n, y] for x, y in SQUARE["coordinates"][0]]]},
        )  # type: ignore[index]
        for n, code in enumerate("abcd")
    ]
    return maps.choropleth(
        areas, {"a": 1.5, "b": maps.SUPPRESSED, "c": None, "d": 9.0}, title="Rate", measure="Rate"
    )


def test_small_cells_are_shown_as_withheld() -> None:
    drawing = choropleth()
    labels = etree.fromstring(str(drawing.markup)).xpath("//@aria-label")
    assert "District b: withheld" in labels and "District c: not known" in labels
    assert "District a: 1.5" in labels
    assert ["District b", "withheld"] in drawing.rows
    assert {entry.css for entry in drawing.legend} >= {"fill-hatched", "fill-none"}


def test_rings_are_wound_as_d3_wants() -> None:
    ring = SQUARE["coordinates"][0]  # type: ignore[index]
    forth = maps.wound(SQUARE)
    back = maps.wound({"type": "Polygon", "coordinates": [list(reversed(ring))]})
    assert forth["coordinates"][0] in (ring, list(reversed(ring)))
    assert forth["coordinates"][0] == back["coordinates"][0]


@pytest.mark.parametrize(
    ("values", "classes"), [([], 0), ([3.0], 0), ([1.0, 2.0], 1), (list(map(float, range(50))), 4)]
)
def test_classes_hold_about_equally_many(values: list[float], classes: int) -> None:
    assert len(maps.breaks(values)) == classes
