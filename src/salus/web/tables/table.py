"""The table: declared by a room, bound to a request and its rows, shown, exported and acted upon."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.functional import Promise, cached_property
from django.utils.translation import gettext as _

from salus.web import confirm, streaming
from salus.web.tables import export, xlsx
from salus.web.tables.columns import Column
from salus.web.tables.filters import Filter
from salus.web.tables.parts import BulkAction, Heading, Line, RowAction
from salus.web.tables.rows import Asked, QuerySetRows, Rows

Text = str | Promise
SEARCH_LENGTH = 200  # characters; longer searches are cut in the field itself
REMEMBERED = 20  # private searches kept in a session


class Table:
    """A table over any number of rows. Subclass it, then `TheTable(request, rows).respond(template)`.

    Class attributes:
        name: unique on its page, `[a-z-]+`; part of ids and file names.
        caption: what the rows are; read aloud and used as the file's title.
        columns, filters, row_actions, bulk_actions: see their classes.
        search: ORM paths that are searched; empty (and no `searched`) means no search field.
        search_label: what may be typed.
        private: the words searched for name a resident, so they must not stand in an address: they
            are posted and kept in the session.
        default_sort: name of a column, with "-" in front to sort falling.
        keyset: unique indexed ORM column to page by (see `QuerySetRows`); sorting is then off.
        count_limit: count no further than this, then say "more than". None counts all.
        page_size: rows a page.
        exports: whether the rows may be exported.
        empty_title, empty_text: shown when there are no rows at all.
        prefix: put before each parameter when a page holds several tables.
    """

    name: ClassVar[str] = "rows"
    caption: ClassVar[Text] = ""
    columns: ClassVar[Sequence[Column]] = ()
    filters: ClassVar[Sequence[Filter]] = ()
    row_actions: ClassVar[Sequence[RowAction]] = ()
    bulk_actions: ClassVar[Sequence[BulkAction]] = ()
    search: ClassVar[Sequence[str]] = ()
    search_label: ClassVar[Text] = ""
    private: ClassVar[bool] = False
    default_sort: ClassVar[str] = ""
    keyset: ClassVar[str] = ""
    count_limit: ClassVar[int | None] = 1_000_000
    page_size: ClassVar[int] = 50
    exports: ClassVar[bool] = True
    empty_title: ClassVar[Text] = ""
    empty_text: ClassVar[Text] = ""
    prefix: ClassVar[str] = ""

    def __init__(self, request: HttpRequest, rows: "QuerySet[Any] | Rows", **context: Any) -> None:
        """Bind the table to a request and to the rows that this reader may see.

        Args:
            request: the request whose parameters say what is asked.
            rows: a queryset, or an object with the methods of `Rows`.
            context: kept as `self.context` for methods of a subclass.
        """
        self.request = request
        self.context = context
        self.rows: Rows = (
            QuerySetRows(
                rows,
                search=self.search,
                searched=getattr(self, "searched", None),
                apply=self._filtered,
                keyset=self.keyset,
            )
            if isinstance(rows, QuerySet)
            else rows
        )

    # --- what is asked -------------------------------------------------------------------------

    @property
    def html_id(self) -> str:
        """The id of the table's region."""
        return f"table-{self.name}"

    @property
    def searchable(self) -> bool:
        """Whether there is a search field."""
        return bool(self.search or self.search_label)

    @cached_property
    def asked(self) -> Asked:
        """What the request asks for; parameters that make no sense are left out."""
        chosen: dict[str, str] = {}
        values = self.request.GET.dict()
        for item in self.filters:
            chosen.update(item.read({k: str(v) for k, v in values.items()}, self.prefix))
        column, descending = self._sorting
        after, before = self._get("after"), self._get("before")
        return Asked(
            search=self._words(),
            filters=chosen,
            sort=column.sort if column else "",
            descending=descending,
            after=after if self.keyset and after.isdigit() else None,
            before=before if self.keyset and before.isdigit() and not after else None,
        )

    def _get(self, name: str) -> str:
        return self.request.GET.get(self.prefix + name, "").replace("\x00", "")

    def _words(self) -> str:
        if not self.searchable:
            return ""
        if not self.private:
            return self._get("q").strip()[:SEARCH_LENGTH]
        held = self.request.session.get("table-searches", {})
        return str(held.get(self._get("s"), ""))

    @cached_property
    def _sorting(self) -> tuple[Column | None, bool]:
        wanted = self._get("sort") or self.default_sort
        name = wanted.removeprefix("-")
        for column in self.columns:
            if column.name == name and (column.sort or self.keyset):
                return column, wanted.startswith("-")
        return None, self.default_sort.startswith("-")

    @cached_property
    def shown_columns(self) -> list[Column]:
        """The columns the reader sees: those chosen, else all that are not optional."""
        if self._get("columns") == "chosen":
            names = set(self.request.GET.getlist(self.prefix + "col"))
            chosen = [column for column in self.columns if column.name in names]
            if chosen:
                return chosen
        return [column for column in self.columns if not column.optional]

    @cached_property
    def columns_chosen(self) -> bool:
        """Whether the reader chose columns."""
        return self._get("columns") == "chosen"

    def _filtered(self, queryset: "QuerySet[Any]", asked: Asked) -> "QuerySet[Any]":
        for item in self.filters:
            queryset = item.apply(queryset, asked.filters)
        return queryset

    # --- what is found -------------------------------------------------------------------------

    @cached_property
    def total(self) -> int:
        """How many rows match, counted to `count_limit` + 1 at most."""
        return self.rows.count(self.asked, None if self.count_limit is None else self.count_limit + 1)

    @property
    def total_is_more(self) -> bool:
        """Whether there are more rows than `count_limit`."""
        return self.count_limit is not None and self.total > self.count_limit

    @cached_property
    def number(self) -> int:
        """The page's number from 1, within what there is."""
        text = self._get("page")
        wanted = int(text) if text.isdecimal() and len(text) < 10 else 1
        return max(1, min(wanted, self.pages))

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return max(1, -(-self.total // self.page_size))

    @cached_property
    def _page(self) -> tuple[list[Any], bool, bool]:
        """The page's rows, and whether there are rows before and after it."""
        found = self._read()
        self.noted(found[0])
        return found

    def noted(self, rows: list[Any]) -> None:
        """Take note of a page's rows, once, before they are shown.

        A table that names residents leaves their audit rows here.
        """

    def _read(self) -> tuple[list[Any], bool, bool]:
        asked, size = self.asked, self.page_size
        if not self.keyset:
            rows = list(self.rows.page(asked, (self.number - 1) * size, size))
            return rows, self.number > 1, self.number < self.pages
        found = list(self.rows.page(asked, 0, size + 1))
        if asked.before is not None:
            return found[-size:], len(found) > size, True
        return found[:size], asked.after is not None, len(found) > size

    @property
    def has_rows(self) -> bool:
        """Whether the page holds rows."""
        return bool(self._page[0])

    @property
    def narrowed(self) -> bool:
        """Whether the reader searched or filtered."""
        return bool(self.asked.search or self.asked.filters)

    @property
    def lines(self) -> list[Line]:
        """The page's rows as shown."""
        return [
            Line(
                self.rows.key(row),
                tuple((column, column.shown(row)) for column in self.shown_columns),
                tuple((action, url) for action in self.row_actions if (url := action.url(row))),
            )
            for row in self._page[0]
        ]

    @property
    def first_number(self) -> int:
        """The place of the page's first row, from 1."""
        return (self.number - 1) * self.page_size + 1

    @property
    def last_number(self) -> int:
        """The place of the page's last row."""
        return self.first_number + len(self._page[0]) - 1

    # --- addresses -----------------------------------------------------------------------------

    def address(self, **changes: str | None) -> str:
        """Return the page's address with some of the table's parameters changed, or removed by None."""
        values = self.request.GET.copy()
        for name, value in changes.items():
            if value is None:
                values.pop(self.prefix + name, None)
            else:
                values[self.prefix + name] = value
        text = values.urlencode()
        return f"{self.request.path}?{text}" if text else self.request.path

    @property
    def headings(self) -> list[Heading]:
        """The columns' headings with their sorting."""
        sorted_by, descending = self._sorting
        found = []
        for column in self.shown_columns:
            direction = ""
            if column is sorted_by:
                direction = "descending" if descending else "ascending"
            url = ""
            if column.sort or (self.keyset and column is sorted_by):
                sign = "-" if column is sorted_by and not descending else ""
                url = self.address(sort=sign + column.name, page=None, after=None, before=None, export=None)
            found.append(Heading(column, url, direction))
        return found

    @property
    def previous_url(self) -> str:
        """The address of the page before, or an empty text."""
        rows, before, _after = self._page
        if not before:
            return ""
        if not self.keyset:
            return self.address(page=str(self.number - 1))
        return (
            self.address(before=self._mark(rows[0]), after=None)
            if rows
            else self.address(after=None, before=None)
        )

    @property
    def next_url(self) -> str:
        """The address of the page after, or an empty text."""
        rows, _before, after = self._page
        if not after or not rows:
            return ""
        if not self.keyset:
            return self.address(page=str(self.number + 1))
        return self.address(after=self._mark(rows[-1]), before=None)

    def _mark(self, row: Any) -> str:
        return str(row[self.keyset] if isinstance(row, Mapping) else getattr(row, self.keyset))

    @property
    def plain_url(self) -> str:
        """The address without search and filters."""
        return self.request.path

    @property
    def csv_url(self) -> str:
        """The address of the export as CSV."""
        return self.address(export="csv", page=None, after=None, before=None)

    @property
    def xlsx_url(self) -> str:
        """The address of the export as an Excel workbook."""
        return self.address(export="xlsx", page=None, after=None, before=None)

    @property
    def carried(self) -> list[tuple[str, str]]:
        """Parameters that the table's form carries along: the sorting, and those of the rest of the page."""
        own = {"q", "page", "after", "before", "columns", "col", "export"}
        for item in self.filters:
            own |= {item.name, f"{item.name}_from", f"{item.name}_to"}
        dropped = {self.prefix + name for name in own}
        return [(k, v) for k, values in self.request.GET.lists() if k not in dropped for v in values]

    # --- answers -------------------------------------------------------------------------------

    def respond(
        self, template: str, context: Mapping[str, Any] | None = None, *, status: int = 200
    ) -> HttpResponseBase:
        """Answer the request: the page, only the table for htmx, an export, or what an action did.

        The template writes the table by `{% table table %}`.
        """
        if self.request.method == "POST":
            return self._posted()
        wanted = self._get("export")
        if self.exports and wanted in {"csv", "xlsx"}:
            return self.exported(wanted)
        if getattr(self.request, "htmx", None) and self.request.htmx.target == self.html_id:  # type: ignore[attr-defined]
            answer = HttpResponse(self.html(self.request))
        else:
            answer = render(self.request, template, {**(context or {}), "table": self}, status=status)
        patch_vary_headers(answer, ["HX-Request", "HX-Target"])
        return answer

    def html(self, request: HttpRequest) -> str:
        """Return the table's region as HTML."""
        return render_to_string("web/tables/table.html", {"table": self}, request=request)

    def exported(self, kind: str) -> HttpResponseBase:
        """Return every matching row as a file, streamed; `kind` is csv or xlsx.

        The header X-Rows says how many rows matched when the file was begun, when that was counted whole.
        """
        columns = self.shown_columns
        header = [str(column.title) for column in columns]
        rows = export.values(columns, self.rows.every(self.asked))
        if kind == "csv":
            answer = streaming.respond(
                self.request, export.csv_chunks(header, rows), "text/csv; charset=utf-8"
            )
        else:
            chunks = xlsx.stream(
                header,
                rows,
                sheet=str(self.caption),
                about=self._about(),
                about_title=_("About this file"),
                rows_title=_("Rows"),
            )
            kind_of = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
            answer = streaming.respond(self.request, chunks, kind_of)
        if not self.total_is_more:
            answer["X-Rows"] = str(self.total)
        stamp = timezone.localtime().strftime("%Y%m%d-%H%M")
        answer["Content-Disposition"] = f'attachment; filename="{quote(self.name)}-{stamp}.{kind}"'
        answer["Cache-Control"] = "no-store"
        return answer

    def _about(self) -> list[tuple[str, str]]:
        told = [
            (_("What"), str(self.caption)),
            (_("Exported"), timezone.localtime().strftime("%Y-%m-%d %H:%M %Z")),
            (_("By"), str(self.request.user)),
        ]
        if self.asked.search and not self.private:
            told.append((_("Search"), self.asked.search))
        for item in self.filters:
            values = [value for key, value in self.asked.filters.items() if key.startswith(item.name)]
            if values:
                told.append((str(item.title), " – ".join(values)))
        return told

    # --- actions -------------------------------------------------------------------------------

    def _posted(self) -> HttpResponseBase:
        if self.private and self.request.POST.get("table") == self.name:
            return self._remember()
        for action in self.bulk_actions:
            if self.request.POST.get("bulk") == action.name:
                return self._act(action)
        raise BadRequest("the form names no action of this table")

    def _remember(self) -> HttpResponseBase:
        """Keep private words in the session and go to an address that does not tell them."""
        words = self.request.POST.get("q", "").replace("\x00", "").strip()[:SEARCH_LENGTH]
        held = dict(list(self.request.session.get("table-searches", {}).items())[-REMEMBERED + 1 :])
        values: QueryDict = self.request.GET.copy()
        for name in ("page", "after", "before", "s"):
            values.pop(self.prefix + name, None)
        if words:
            token = secrets.token_urlsafe(8)
            held[token] = words
            values[self.prefix + "s"] = token
        self.request.session["table-searches"] = held
        text = values.urlencode()
        return HttpResponseRedirect(f"{self.request.path}?{text}" if text else self.request.path)

    def _act(self, action: BulkAction) -> HttpResponseBase:
        keys = set(self.request.POST.getlist("row"))
        every = self.request.POST.get("every") == "1"
        if not keys and not every:
            messages.warning(self.request, _("Choose at least one row first."))
            return HttpResponseRedirect(self.address())
        if action.confirm and (page := confirm.needed(self.request, action.confirm, action=action.title)):
            return page
        done = action.run(self.request, self.chosen(None if every else keys))
        messages.success(self.request, done)
        return HttpResponseRedirect(self.address())

    def chosen(self, keys: set[str] | None) -> Any:
        """Return the rows with these keys, or every matching row for None; never one outside the table."""
        if isinstance(self.rows, QuerySetRows):
            matching = self.rows.ordered(self.asked)
            return matching if keys is None else matching.filter(pk__in=keys)
        return [row for row in self.rows.every(self.asked) if keys is None or self.rows.key(row) in keys]
