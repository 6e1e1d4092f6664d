"""Import of rows from a file: uploaded, checked row by row, shown, carried out, and undone if need be."""

from salus.web.imports.importers import ImportColumn, Importer, Verdict, get, register
from salus.web.imports.reading import read_rows
from salus.web.imports.running import apply, counts, stage, undo

__all__ = [
    "ImportColumn",
    "Importer",
    "Verdict",
    "apply",
    "counts",
    "get",
    "read_rows",
    "register",
    "stage",
    "undo",
]
