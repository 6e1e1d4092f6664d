"""Every text of every room is said in every language, and none stands in a template unmarked."""

from pathlib import Path

import pytest
from babel.messages.mofile import read_mo

from salus.web import translation


@pytest.mark.parametrize("language", translation.LANGUAGES)
def test_nothing_is_untranslated(language: str) -> None:
    faults = translation.faults(language)
    shown = "\n".join(f"{fault.place}: {fault.why}: {fault.text}" for fault in faults)
    assert not faults, f"{len(faults)} texts\n{shown}"


def test_no_template_holds_unmarked_words() -> None:
    faults = [
        fault
        for room in translation.rooms()
        for path in sorted(room.rglob("templates/**/*.html"))
        for fault in translation.unmarked(path)
    ]
    assert not faults, "\n".join(f"{fault.place}: {fault.text}" for fault in faults)


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(translation, "SOURCE", tmp_path / "salus")
    return tmp_path / "page.html"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<p>Hello</p>", ["Hello"]),
        ('<p>{% translate "Hello" %}</p>', []),
        ('<img alt="A picture">', ["picture"]),
        ("<p>{% blocktranslate %}Hello {{ name }}{% endblocktranslate %}</p>", []),
        ('<a title="{% translate "x" %}" class="big red">{{ name }}</a>', []),
        ("<p>你好</p>", ["你好"]),
        ("{% comment %}Not seen{% endcomment %}<!-- nor this --><!DOCTYPE html>", []),
    ],
)
def test_unmarked_words_are_found(template: Path, text: str, words: list[str]) -> None:
    template.write_text(text, encoding="utf-8")
    assert [fault.text for fault in translation.unmarked(template)] == words


PO = """msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\\n"

msgid "Hello"
msgstr "你好"

#, python-format
msgid "%(n)s rows"
msgstr "{broken} 行"

#, fuzzy
msgid "Bye"
msgstr "再见"
"""


def test_missing_fuzzy_and_broken_texts_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "salus"
    room = source / "room"
    (room / "locale/zh_Hans/LC_MESSAGES").mkdir(parents=True)
    (room / "__init__.py").write_text("")
    (room / "words.py").write_text('_("Hello"); _("Bye"); _("New"); _("%(n)s rows"); _("汉字")')
    translation.catalogue_path(room, "zh_Hans").write_text(PO, encoding="utf-8")
    monkeypatch.setattr(translation, "SOURCE", source)
    found = {(fault.text, fault.why) for fault in translation.faults("zh_Hans", source)}
    assert ("Bye", "fuzzy") in found and ("New", "no translation") in found
    assert ("汉字", "the English text holds hanzi") in found
    assert any(text == "%(n)s rows" for text, _why in found)
    assert not any(text == "Hello" for text, _why in found)


def test_catalogues_are_compiled_when_they_are_older(tmp_path: Path) -> None:
    folder = tmp_path / "room/locale/zh_Hans/LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "django.po").write_text(PO, encoding="utf-8")
    assert translation.compile_catalogues(tmp_path) == 1
    assert translation.compile_catalogues(tmp_path) == 0
    with (folder / "django.mo").open("rb") as file:
        assert read_mo(file).get("Hello").string == "你好"
