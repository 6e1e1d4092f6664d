"""What a room says about a kind of import."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise

from salus.kernel.policy import Principal

Text = str | Promise
Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ImportColumn:
    """A column of the file. `name` is its heading; other headings that mean the same are `also`."""

    name: str
    title: Text
    required: bool = False
    hint: Text = ""
    also: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What would happen to a row: "ready" (to be written), "same" (nothing to do) or "wrong", and why."""

    state: str
    words: str = ""


@dataclass(frozen=True, slots=True)
class Importer:
    """A kind of import.

    Attributes:
        name: part of the address.
        title: the heading of its page.
        action, kind: what the policy must allow the reader.
        columns: of the file, in any order.
        check: judges all rows of a file at once, so that it can look things up in a few queries; returns
            one verdict a row and writes nothing.
        apply: writes one row in a transaction of its own and returns what undoes it (JSON), or None.
        undo: takes back one row; raises SalusError when it cannot.
        back: name of the address to return to.
    """

    name: str
    title: Text
    action: str
    kind: str
    columns: Sequence[ImportColumn]
    check: Callable[[Principal, Sequence[Row]], Sequence[Verdict]]
    apply: Callable[[Principal, Row], dict[str, Any] | None]
    undo: Callable[[Principal, dict[str, Any]], None]
    back: str
    text: Text = ""


_importers: dict[str, Importer] = {}


def register(importer: Importer) -> None:
    """Offer a kind of import; registering a name again replaces it."""
    _importers[importer.name] = importer


def get(name: str) -> Importer:
    """Return a kind of import.

    Raises:
        KeyError: there is none of that name.
    """
    return _importers[name]
