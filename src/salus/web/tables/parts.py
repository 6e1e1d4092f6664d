"""What a table is made of beside its columns: actions on rows, headings, lines."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.functional import Promise

from salus.web.tables.columns import Column

Text = str | Promise


@dataclass(frozen=True, slots=True)
class RowAction:
    """Something to do with one row. `url` returns None where it does not apply.

    A POST action needs a view that calls `web.confirm.needed` when `confirm` is given.
    """

    title: Text
    url: Callable[[Any], str | None]
    confirm: Text = ""
    method: str = "post"
    tone: str = ""


@dataclass(frozen=True, slots=True)
class BulkAction:
    """Something to do with the rows chosen.

    `run(request, rows)` gets an iterator of the rows chosen, or of all that match when the reader
    chose all, and returns what was done, to be shown.
    """

    name: str
    title: Text
    run: Callable[[HttpRequest, Any], str]
    confirm: Text = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Heading:
    """A column's heading as shown: with the address that sorts by it and its present direction."""

    column: Column
    url: str
    direction: str


@dataclass(frozen=True, slots=True)
class Line:
    """A row as shown."""

    key: str
    cells: tuple[tuple[Column, str], ...]
    actions: tuple[tuple[RowAction, str], ...]
