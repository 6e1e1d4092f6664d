"""Tables over any number of rows: paged, searched, sorted and filtered on the server, exported whole."""

from salus.web.tables.columns import Column
from salus.web.tables.filters import ChoiceFilter, DateFilter, Filter
from salus.web.tables.parts import BulkAction, RowAction
from salus.web.tables.rows import Asked, ListRows, QuerySetRows, Rows
from salus.web.tables.table import Table

__all__ = [
    "Asked",
    "BulkAction",
    "ChoiceFilter",
    "Column",
    "DateFilter",
    "Filter",
    "ListRows",
    "QuerySetRows",
    "RowAction",
    "Rows",
    "Table",
]
