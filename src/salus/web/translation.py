"""Find, check and compile the texts of every room: one gettext catalogue a room, by Babel alone.

Django's own commands need GNU gettext, which a fresh machine does not have.
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

SOURCE = Path(__file__).resolve().parent.parent
LANGUAGES = ("zh_Hans",)
"""The languages that have catalogues; English is the language of the message ids."""

KEYWORDS: dict[str, tuple[int | tuple[int, str], ...] | None] = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
}
_VALUE = re.compile(r"%\((\w+)\)")
_HANZI = re.compile("[\u3400-\u9fff]")


@dataclass(frozen=True, slots=True)
class Fault:
    """A text that a reader would see untranslated or wrongly: where it stands and what is wrong."""

    place: str
    text: str
    why: str


@dataclass(frozen=True, slots=True)
class Found:
    """A text found in the source: id (a pair for a plural), context, and where."""

    id: str | tuple[str, ...]
    context: str | None
    place: str


def rooms(source: Path = SOURCE) -> list[Path]:
    """Return the folder of each room."""
    return sorted(folder.parent for folder in source.glob("*/__init__.py"))


def catalogue_path(room: Path, language: str) -> Path:
    """Return where a room keeps its catalogue of a language."""
    return room / "locale" / language / "LC_MESSAGES" / "django.po"


def compile_catalogues(source: Path = SOURCE) -> int:
    """Compile each catalogue whose compiled form is missing or older; returns how many were compiled."""
    done = 0
    for po in sorted(source.glob("*/locale/*/LC_MESSAGES/*.po")):
        mo = po.with_suffix(".mo")
        if mo.exists() and mo.stat().st_mtime_ns >= po.stat().st_mtime_ns:
            continue
        with po.open("rb") as file:
            catalogue = read_po(file, locale=po.parent.parent.name)
        partial = mo.with_suffix(".mo.partial")
        with partial.open("wb") as file:
            write_mo(file, catalogue)
        partial.replace(mo)
        done += 1
    return done


def texts(room: Path) -> Iterator[Found]:
    """Yield every translatable text of a room's Python files and templates."""
    for path in sorted(room.rglob("*.py")):
        if "migrations" not in path.parts:
            yield from _extracted(path.read_bytes(), path)
    for path in sorted(room.rglob("templates/**/*")):
        if path.suffix in {".html", ".txt"}:
            yield from _extracted(_templatized(path), path)


def _templatized(path: Path) -> bytes:
    from django.utils.translation.template import templatize

    return templatize(path.read_text(encoding="utf-8"), origin=str(path)).encode()


def _extracted(code: bytes, path: Path) -> Iterator[Found]:
    for line, message, _comments, context in extract("python", io.BytesIO(code), keywords=KEYWORDS):
        if message:
            yield Found(message, context, f"{path.relative_to(SOURCE.parent)}:{line}")


def read_catalogue(path: Path, language: str) -> Catalog:
    """Read a catalogue; an absent file is an empty one."""
    if not path.exists():
        return Catalog(locale=language, domain="django")
    with path.open("rb") as file:
        return read_po(file, locale=language, domain="django")


def update(room: Path, language: str) -> int:
    """Add a room's new texts to its catalogue and drop those gone; returns how many have no translation."""
    path = catalogue_path(room, language)
    old = read_catalogue(path, language)
    new = Catalog(
        locale=language,
        domain="django",
        header_comment="# Texts of this room; `python -m salus.web.translation` brings them up to date.",
        project="Salus",
        version="1",
        msgid_bugs_address="",
        last_translator="",
        language_team="",
        creation_date=old.creation_date,
        revision_date=old.revision_date if path.exists() else None,
        fuzzy=False,
    )
    for found in texts(room):
        known = old.get(found.id, found.context)
        new.add(
            found.id, known.string if known is not None else None, context=found.context, flags=_flags(known)
        )
    if not len(new):
        return 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, new, width=110, omit_header=False, sort_output=True, no_location=True)
    return sum(1 for message in new if message.id and not _complete(message))


def _flags(message: Message | None) -> set[str]:
    return set(message.flags) if message is not None else set()


def _complete(message: Message) -> bool:
    strings = message.string if isinstance(message.string, tuple | list) else (message.string,)
    return bool(strings) and all(strings) and not message.fuzzy


def faults(language: str, source: Path = SOURCE) -> list[Fault]:
    """Return every text that is missing, fuzzy or broken in a language, over all rooms.

    A text counts as translated when the catalogue of any room has it, since Django merges them. An
    English text that holds hanzi is a fault too: English readers would see it.
    """
    merged: dict[tuple[object, str | None], Message] = {}
    found: list[Fault] = []
    for room in rooms(source):
        for message in read_catalogue(catalogue_path(room, language), language):
            if not message.id:
                continue
            key = (_key(message.id), message.context)
            if key not in merged or _complete(message):
                merged[key] = message
            found.extend(_broken(message, room))
    for room in rooms(source):
        for text in texts(room):
            shown = text.id if isinstance(text.id, str) else text.id[0]
            if _HANZI.search(shown):
                found.append(Fault(text.place, shown, "the English text holds hanzi"))
            held = merged.get((_key(text.id), text.context))
            if held is None or not _complete(held):
                why = "no translation" if held is None or not held.fuzzy else "fuzzy"
                found.append(Fault(text.place, shown, why))
    return found


def _key(id: object) -> object:
    return tuple(id) if isinstance(id, tuple | list) else id


def _broken(message: Message, room: Path) -> Iterator[Fault]:
    """Yield a fault when a translation does not take the same values as its text."""
    if not _complete(message):
        return
    ids = message.id if isinstance(message.id, tuple | list) else (message.id,)
    strings = message.string if isinstance(message.string, tuple | list) else (message.string,)
    allowed = {name for text in ids for name in _VALUE.findall(str(text))}
    for text in strings:
        if (used := set(_VALUE.findall(str(text)))) != allowed:
            wrong = ", ".join(sorted(used ^ allowed))
            yield Fault(str(room.name), str(ids[0]), f"values missing or unknown: {wrong}")


# --- text that stands in a template without being marked ---------------------------------------

_TAG = re.compile(
    r"<!--.*?-->|<!DOCTYPE[^>]*>|<(?P<name>/?[a-zA-Z][\w:-]*)(?P<attributes>(?:[^<>\"']|\"[^\"]*\"|'[^']*')*)>",
    re.DOTALL,
)
_SAID = re.compile(
    r"""\b(alt|title|placeholder|aria-label|aria-description|label)\s*=\s*("([^"]*)"|'([^']*)')"""
)
_WORD = re.compile(r"[^\W\d_]{2,}")
_SILENT = {"script", "style", "code"}
NAMES = {"Salus", "Apache", "CSV", "Excel", "mmHg", "mmol"}
"""Words that are the same in every language."""


def unmarked(path: Path) -> list[Fault]:
    """Return the words of a template that stand outside {% translate %} and {% blocktranslate %}."""
    from django.template.base import Lexer, TokenType

    kept: list[str] = []
    inside = ""
    for token in Lexer(path.read_text(encoding="utf-8")).tokenize():
        if token.token_type is TokenType.BLOCK:
            word = token.contents.split(maxsplit=1)[0]
            if word in {"blocktranslate", "blocktrans", "comment", "verbatim"}:
                inside = word
            elif inside and word == f"end{inside}":
                inside = ""
            elif word == "extends":
                continue
            kept.append("\0")
        elif token.token_type is TokenType.TEXT and not inside:
            kept.append(token.contents)
        elif token.token_type is TokenType.VAR:
            kept.append("\0")
    text = "".join(kept)
    if path.suffix == ".txt":
        return _words(text, path)
    found: list[Fault] = []
    for tag in _TAG.finditer(text):
        for said in _SAID.finditer(tag["attributes"] or ""):
            found.extend(_words(said[3] or said[4] or "", path))
    for name in _SILENT:
        text = re.sub(rf"<{name}\b.*?</{name}>", "", text, flags=re.DOTALL)
    return found + _words(_TAG.sub(" ", text), path)


def _words(text: str, path: Path) -> list[Fault]:
    plain = re.sub(r"&\w+;", " ", text)
    return [
        Fault(str(path.relative_to(SOURCE.parent)), word, "stands outside {% translate %}")
        for word in _WORD.findall(plain)
        if word not in NAMES
    ]


def main() -> int:
    """Bring every room's catalogues up to date and say what is not translated."""
    import sys

    found = 0
    for language in LANGUAGES:
        for room in rooms():
            update(room, language)
        for fault in faults(language):
            sys.stdout.write(f"{language} {fault.place}: {fault.why}: {fault.text}\n")
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    import os

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "salus.settings")
    django.setup()
    raise SystemExit(main())
