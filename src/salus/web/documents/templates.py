"""Templates of documents: a text file with the words, in which a city can change what is said.

A template is Django template text, rendered to lines. The first lines name the document, up to an empty line:

    title: {% translate "Situation report" %} {{ number }}
    subtitle: {{ period }}

Then follow `# heading`, `## heading`, `### heading`; `- item`; `1. item`; `> small print`; `! warning`; `---`
for a new page; `{% place "cases" %}` where a table, chart, figures or facts stand that the room hands over;
any other lines are paragraphs, parted by empty lines.
"""

import re
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Any

from django.template import Context, Engine, TemplateDoesNotExist, TemplateSyntaxError
from django.utils import translation
from django.utils.functional import Promise

from salus.kernel.errors import Invalid, NotFound
from salus.web.documents import fonts
from salus.web.documents.parts import (
    Bullets,
    Document,
    Heading,
    PageBreak,
    Paragraph,
    Part,
    Text,
)

PLACE = "\ue001"  # characters for private use: no text of a person has them
_MISSING = "\ue002"
_GUARD = "\ue003"
_MARKED = re.compile(r"\s*(#|-|>|!|\d+\.)")
_NUMBER = re.compile(r"\d+\.\s+")
_HEAD = ("title", "subtitle", "number", "marking")


def from_template(
    name: str,
    context: Mapping[str, Any],
    *,
    issuer: Text,
    date: date,
    parts: Mapping[str, Part] | None = None,
    language: str = "en",
) -> Document:
    """Return the document that a template says.

    Args:
        name: `<room>/documents/<name>.txt` in the rooms' templates. The city's folder `documents` is looked
            at first, and in each a file for the language (`situation.zh-hans.txt`) before the common one.
        context: the values of the template: texts, numbers, days, and lists and mappings of them. Line
            breaks and marks at the start of a text are no headings or lists, whoever wrote it.
        issuer: who issues the document.
        date: the day of issue.
        parts: what `{% place "key" %}` puts in.
        language: `en` or `zh-hans`.

    Raises:
        NotFound: code `document-template`, there is no such template.
        Invalid: code `document-template`, it is not well formed, has no title, uses a value that was not
            given, or places a part that was not given.
    """
    with translation.override(language):
        lines = _rendered(name, context, language).splitlines()
    head, body = _head(lines, name)
    placed = parts or {}
    return Document(
        title=head["title"],
        issuer=issuer,
        date=date,
        parts=list(_parts(body, placed, name)),
        language=language,
        subtitle=head.get("subtitle", ""),
        number=head.get("number", ""),
        marking=head.get("marking", ""),
    )


@lru_cache(maxsize=4)
def _engine(folder: str) -> Engine:
    # Without the caching loader, so that a city sees its change at once.
    return Engine(
        dirs=[folder],
        loaders=[
            "django.template.loaders.filesystem.Loader",
            "django.template.loaders.app_directories.Loader",
        ],
        autoescape=False,
        string_if_invalid=f"{_MISSING}%s{_MISSING}",
        libraries={
            "i18n": "django.templatetags.i18n",
            "l10n": "django.templatetags.l10n",
            "documents": "salus.web.templatetags.documents",
        },
        builtins=["django.templatetags.i18n", "salus.web.templatetags.documents"],
    )


def _rendered(name: str, context: Mapping[str, Any], language: str) -> str:
    engine = _engine(str(fonts.city_folder()))
    stem, _dot, ending = name.rpartition(".")
    try:
        template = engine.select_template([f"{stem}.{language}.{ending}", name])
        made = template.render(Context(_guarded(dict(context)), autoescape=False))
    except TemplateDoesNotExist as error:
        raise NotFound("document-template", "there is no such template", where=name) from error
    except TemplateSyntaxError as error:
        raise Invalid(
            "document-template", "the template is not well formed", where=name, fix=str(error)
        ) from error
    if _MISSING in made:
        missing = made.split(_MISSING)[1]
        raise Invalid(
            "document-template",
            "the template uses a value that is not given",
            where=f"{name}: {missing}",
            fix="Correct the name, or take it out",
        )
    return str(made)


def _guarded(value: Any) -> Any:
    """Return a value in which no text begins a heading, a list or a line of its own."""
    match value:
        case str() | Promise():
            plain = " ".join(str(value).split())
            return _GUARD + plain if _MARKED.match(plain) else plain
        case Mapping():
            return {key: _guarded(held) for key, held in value.items()}
        case list() | tuple():
            return [_guarded(held) for held in value]
        case _:
            return value


def _head(lines: list[str], name: str) -> tuple[dict[str, str], list[str]]:
    """Part the lines that name the document from those that it says."""
    head: dict[str, str] = {}
    start = next((n for n, line in enumerate(lines) if line.strip()), 0)
    for number, line in enumerate(lines[start:], start):
        key, colon, value = line.partition(":")
        if not line.strip() or not colon or key.strip() not in _HEAD:
            start = number
            break
        head[key.strip()] = value.replace(_GUARD, "").strip()
    else:
        start = len(lines)
    if not head.get("title"):
        raise Invalid(
            "document-template", "the template has no title", where=name, fix="Begin it with “title: …”"
        )
    return head, lines[start:]


def _parts(lines: list[str], placed: Mapping[str, Part], name: str) -> list[Part]:
    found: list[Part] = []
    text: list[str] = []
    items: list[str] = []
    numbered = False

    def close() -> None:
        if text:
            found.append(Paragraph(" ".join(text)))
            text.clear()
        if items:
            found.append(Bullets(tuple(items), numbered))
            items.clear()

    for raw in lines:
        line = raw.strip()
        if line.startswith(PLACE):
            close()
            key = line[1:]
            if key not in placed:
                raise Invalid(
                    "document-template",
                    "the template places a part that is not given",
                    where=f"{name}: {key}",
                    fix=f"There are: {', '.join(sorted(placed)) or '–'}",
                )
            found.append(placed[key])
        elif line == "---":
            close()
            found.append(PageBreak())
        elif line.startswith(("# ", "## ", "### ")):
            close()
            marks, _space, words = line.partition(" ")
            found.append(Heading(_clean(words), len(marks)))
        elif line.startswith(("> ", "! ")):
            close()
            found.append(Paragraph(_clean(line[2:]), "note" if line[0] == ">" else "warn"))
        elif line.startswith("- ") or _NUMBER.match(line):
            is_numbered = not line.startswith("- ")
            if text or (items and numbered != is_numbered):
                close()
            numbered = is_numbered
            items.append(_clean(_NUMBER.sub("", line, count=1) if is_numbered else line[2:]))
        elif line:
            if items:
                close()
            text.append(_clean(line))
        else:
            close()
    close()
    return found


def _clean(words: str) -> str:
    return words.replace(_GUARD, "").strip()
