"""What a search asks, as its sender wrote it, and the errors of asking wrongly."""

import re
from dataclasses import dataclass
from functools import lru_cache

from salus.kernel.errors import Invalid
from salus.record.store.types import Stored

COUNT = 50
COUNT_MOST = 1_000
# How the answer is shown, which is the API's business and not the store's.
PRESENTATION = frozenset({"_format", "_pretty", "_summary", "_elements"})
# Of the standard, but not answered: leaving them out would show more than was asked for.
NOT_SERVED = frozenset({"_text", "_content", "_filter", "_query", "_containedType"})


class SearchError(Invalid):
    """A search that cannot be answered as asked.

    Codes: `unknown-parameter`, `unknown-modifier`, `not-served` (a parameter of the standard that this store
    does not answer), `bad-value`, `bad-cursor`, `too-many-included`.
    """


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A search: the parameters as name and value, in the order sent ("subject:Patient", "123").

    `_count`, `_sort`, `_total`, `_include`, `_revinclude` and `_cursor` (the page to continue with) are
    among them. With `strict` an unknown parameter is a `SearchError`; otherwise it is left out and
    reported in `Page.ignored`. `base` is this server's own address, so that absolute references to it
    are understood.
    """

    parameters: tuple[tuple[str, str], ...] = ()
    strict: bool = True
    base: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search: the matches in order, and what was included beside them.

    `next` continues the search as `_cursor`, None on the last page. `total` is exact or None (not asked
    for). `ignored` names the parameters that were not understood, `used` those that were.
    """

    resources: list[Stored]
    included: list[Stored]
    next: str | None
    total: int | None
    ignored: tuple[str, ...] = ()
    used: tuple[tuple[str, str], ...] = ()


def bad_value(name: str, expected: str) -> SearchError:
    """Return the error of a value that a parameter cannot have."""
    return SearchError(
        "bad-value", "The value of a search parameter is not understood", where=name, fix=expected
    )


ESCAPE = re.compile(r"\\(.)")


@lru_cache(16)
def _piece(separator: str) -> re.Pattern[str]:
    return re.compile(rf"(?:[^\\{re.escape(separator)}]|\\.|\\$)*", re.DOTALL)


def split(text: str, separator: str) -> list[str]:
    """Split at a separator that is not escaped with a backslash; an escaped backslash escapes nothing."""
    if "\\" not in text:
        return text.split(separator)
    found: list[str] = []
    at = 0
    while True:
        match = _piece(separator).match(text, at)
        end = match.end() if match else len(text)
        found.append(text[at:end])
        if end >= len(text):
            return found
        at = end + 1


def unescape(text: str) -> str:
    """Take off the backslashes before `,`, `|`, `$` and `\\`."""
    return ESCAPE.sub(r"\1", text)
