"""Text to tokens."""

import re
from dataclasses import dataclass

from salus.record.views.errors import ViewError

_DATE = r"\d{4}(?:-\d{2}(?:-\d{2})?)?"
_TIME = r"\d{2}(?::\d{2}(?::\d{2}(?:\.\d+)?)?)?"
_TOKEN = re.compile(
    rf"""
    (?P<skip>\s+|//[^\n\r]*|/\*.*?\*/)
  | (?P<datetime>@{_DATE}T(?:{_TIME}(?:Z|[+-]\d{{2}}:\d{{2}})?)?)
  | (?P<date>@{_DATE})
  | (?P<time>@T{_TIME})
  | (?P<number>\d+(?:\.\d+)?)
  | (?P<string>'(?:[^'\\]|\\.)*')
  | (?P<quoted>`(?:[^`\\]|\\.)*`)
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<special>\$(?:this|index|total)\b)
  | (?P<symbol><=|>=|!=|!~|[.,()\[\]{{}}+\-*/|&=~<>%])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED = {"f": "\f", "n": "\n", "r": "\r", "t": "\t", "\\": "\\", "/": "/", "'": "'", '"': '"', "`": "`"}
MOST_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True)
class Token:
    """`kind`: date, datetime, time, number, string, quoted, name, special, symbol or end."""

    kind: str
    text: str
    at: int


def _unescape(text: str, at: int) -> str:
    def one(match: re.Match[str]) -> str:
        what = match[1]
        if what[0] == "u" and len(what) == 5:
            return chr(int(what[1:], 16))
        if what not in _ESCAPED:
            raise ViewError("syntax", f"\\{what} is not an escape of FHIRPath", where=f"character {at + 1}")
        return _ESCAPED[what]

    return _ESCAPE.sub(one, text[1:-1])


def tokens(text: str) -> list[Token]:
    """Return the tokens of an expression, the last of kind "end".

    Raises `ViewError` ("syntax") at the first character that belongs to no token.
    """
    if len(text) > MOST_CHARACTERS:
        raise ViewError("syntax", f"The expression is longer than {MOST_CHARACTERS} characters")
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise ViewError(
                "syntax",
                f"This is not FHIRPath: {text[at : at + 10]!r}",
                where=f"character {at + 1}",
                fix="See http://hl7.org/fhirpath/N1.",
            )
        kind, raw = match.lastgroup, match[0]
        if kind in {"string", "quoted"}:
            found.append(Token(kind, _unescape(raw, at), at))
        elif kind != "skip":
            found.append(Token(kind, raw.removeprefix("@") if kind in {"date", "datetime"} else raw, at))
        at = match.end()
    found.append(Token("end", "", len(text)))
    return found
